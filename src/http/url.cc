#include "http/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/hex.h"
#include "base/try.h"

namespace backstay::http {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_scheme(std::string_view text) {
  return !text.empty() && !(text.front() >= '0' && text.front() <= '9') &&
         std::ranges::all_of(text, [](char c) {
           return is_letter_or_digit(c) || c == '+' || c == '-' || c == '.';
         });
}

std::unexpected<Error> broken(std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("the URL cannot be read: {}", why));
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
    return broken("the port is no number from 1 to 65535");
  }
  return port;
}

Result<void> take_host(std::string_view text, Url& url) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return broken("a bracket of an IPv6 address is missing");
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return broken("something follows the IPv6 address");
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  url.host = lower(TRY(percent_decoded(host)));
  if (!port.empty()) url.port = TRY(parse_port(port.substr(1)));
  return {};
}

Result<void> take_authority(std::string_view text, Url& url) {
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user = text.substr(0, at);
    if (user.contains(':')) {
      return std::unexpected(
          Error(ErrorCode::kInvalidArgument, "the URL has a password in it")
              .with_hint("Give it in the environment: URLs are shown, logged and remembered."));
    }
    url.user = TRY(percent_decoded(user));
    text.remove_prefix(at + 1);
  }
  return take_host(text, url);
}

}  // namespace

Result<Parameters> parse_query(std::string_view text) {
  Parameters parameters;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    if (one.empty()) continue;
    const std::size_t equals = std::min(one.size(), one.find('='));
    const std::string_view value = one.substr(std::min(one.size(), equals + 1));
    parameters.emplace_back(TRY(percent_decoded(one.substr(0, equals))),
                            TRY(percent_decoded(value)));
  }
  return parameters;
}

Result<Url> parse_url(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon))) {
    return broken("it does not begin with a scheme such as 'https:'");
  }
  Url url;
  url.scheme = lower(text.substr(0, colon));
  std::string_view rest = text.substr(colon + 1);
  if (!rest.starts_with("//")) return broken("'//' must follow the scheme");
  rest.remove_prefix(2);
  if (rest.contains('#')) return broken("a '#' in a path is written %23");
  if (std::ranges::any_of(rest, [](char c) { return static_cast<unsigned char>(c) <= ' '; })) {
    return broken("blanks are written %20");
  }
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    url.query = TRY(parse_query(rest.substr(mark + 1)));
    rest = rest.substr(0, mark);
  }
  const std::size_t slash = std::min(rest.size(), rest.find('/'));
  TRY(take_authority(rest.substr(0, slash), url));
  url.path = TRY(percent_decoded(rest.substr(slash)));
  return url;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '%') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const Result<Bytes> byte = from_hex(lower(text.substr(1, 2)));
    if (!byte || byte->size() != 1 || byte->front() == 0) {
      return fail(ErrorCode::kInvalidArgument, "a % must be followed by two hexadecimal digits");
    }
    out += as_text(*byte);
    text.remove_prefix(3);
  }
  return out;
}

std::string percent_encoded(std::string_view bytes, Slashes slashes) {
  std::string out;
  for (const char c : bytes) {
    const bool stays = is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
                       (c == '/' && slashes == Slashes::kStay);
    if (stays) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string authority(std::string_view host, std::uint16_t port) {
  std::string text = host.contains(':') ? fmt::format("[{}]", host) : std::string(host);
  return port == 0 ? text : fmt::format("{}:{}", text, port);
}

}  // namespace backstay::http
