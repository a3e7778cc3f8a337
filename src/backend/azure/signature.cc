#include "backend/azure/signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/base64.h"
#include "crypto/sha256.h"

namespace backstay::backend::azure {
namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

}  // namespace

std::string string_to_sign(const UnsignedRequest& request, std::string_view account) {
  std::vector<http::Header> headers = request.headers;
  for (http::Header& header : headers) header.name = lower_case(header.name);
  const auto value_of = [&](std::string_view name) -> std::string {
    const auto found = std::ranges::find(headers, name, &http::Header::name);
    return found == headers.end() ? "" : found->value;
  };
  const std::string length = request.body_bytes == 0 ? "" : std::to_string(request.body_bytes);
  std::string text = request.method + "\n\n\n" + length;
  // Date is empty: x-ms-date stands for it.
  for (const char* const name : {"content-md5", "content-type", "", "if-modified-since", "if-match",
                                 "if-none-match", "if-unmodified-since", "range"}) {
    text += "\n" + value_of(name);
  }
  text += "\n";
  std::ranges::sort(headers, {}, &http::Header::name);
  for (const http::Header& header : headers) {
    if (header.name.starts_with("x-ms-")) text += fmt::format("{}:{}\n", header.name, header.value);
  }
  text += fmt::format("/{}{}", account, request.path);
  http::Parameters query = request.query;
  std::ranges::sort(query);
  for (const auto& [name, value] : query) text += fmt::format("\n{}:{}", name, value);
  return text;
}

std::string authorization(const UnsignedRequest& request, std::string_view account, ByteView key) {
  const std::string text = string_to_sign(request, account);
  return fmt::format("SharedKey {}:{}", account,
                     to_base64(crypto::hmac_sha256(key, as_bytes(text))));
}

std::string http_date(Timestamp time) {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds moment{std::chrono::seconds(time.seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(moment - day);
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays.at(std::chrono::weekday(day).c_encoding()),
      static_cast<unsigned>(date.day()), kMonths.at(static_cast<unsigned>(date.month()) - 1),
      static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
      clock.seconds().count());
}

}  // namespace backstay::backend::azure
