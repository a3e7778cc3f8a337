#include "backend/s3/signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/hex.h"
#include "crypto/sha256.h"

namespace backstay::backend::s3 {
namespace {

// Blanks around a value go, and of several in a row one stays.
std::string trimmed_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::vector<http::Header> canonical_headers(const std::vector<http::Header>& headers) {
  std::vector<http::Header> sorted;
  for (const http::Header& header : headers) {
    http::Header one{header.name, trimmed_value(header.value)};
    std::ranges::transform(one.name, one.name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    sorted.push_back(std::move(one));
  }
  std::ranges::sort(sorted, {}, &http::Header::name);
  return sorted;
}

std::string hash_hex(std::string_view text) {
  return to_hex(crypto::sha256(as_bytes(text)));
}

}  // namespace

std::string canonical_query(const http::Parameters& query) {
  http::Parameters encoded;
  for (const auto& [name, value] : query) {
    encoded.emplace_back(http::percent_encoded(name, http::Slashes::kEncoded),
                         http::percent_encoded(value, http::Slashes::kEncoded));
  }
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded) {
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, value);
  }
  return text;
}

std::string authorization(const UnsignedRequest& request, const Credentials& credentials,
                          const SigningScope& scope, Timestamp time) {
  std::string canonical =
      fmt::format("{}\n{}\n{}\n", request.method, request.path, canonical_query(request.query));
  std::string names;
  for (const http::Header& header : canonical_headers(request.headers)) {
    canonical += fmt::format("{}:{}\n", header.name, header.value);
    names += (names.empty() ? "" : ";") + header.name;
  }
  canonical += fmt::format("\n{}\n{}", names, request.payload_hash);

  const std::string moment = amz_date(time);
  const std::string day = moment.substr(0, 8);
  const std::string place = fmt::format("{}/{}/{}/aws4_request", day, scope.region, scope.service);
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", moment, place, hash_hex(canonical));

  crypto::Sha256 key =
      crypto::hmac_sha256(as_bytes("AWS4" + credentials.secret_key), as_bytes(day));
  for (const std::string_view part :
       {std::string_view(scope.region), std::string_view(scope.service),
        std::string_view("aws4_request"), std::string_view(to_sign)}) {
    key = crypto::hmac_sha256(key, as_bytes(part));
  }
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     credentials.access_key, place, names, to_hex(key));
}

std::string amz_date(Timestamp time) {
  const std::chrono::sys_seconds moment{std::chrono::seconds(time.seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(moment - day);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace backstay::backend::s3
