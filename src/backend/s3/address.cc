#include "backend/s3/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "http/url.h"

namespace backstay::backend::s3 {
namespace {

constexpr std::string_view kForm =
    "Write s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION&path_style=1; the key goes "
    "into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or into a profile.";

std::unexpected<Error> refused(std::string why) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(why)).with_hint(std::string(kForm)));
}

Result<bool> parse_switch(const std::string& name, const std::string& value) {
  if (value == "1" || value == "true") return true;
  if (value == "0" || value == "false") return false;
  return refused(fmt::format("{} must be 0 or 1 in the URL", name));
}

Result<void> take_endpoint(const std::string& text, Address& address) {
  const std::string with_scheme = text.contains("://") ? text : "https://" + text;
  const http::Url url = TRY_DOING("reading the endpoint of the URL", http::parse_url(with_scheme));
  if ((url.scheme != "http" && url.scheme != "https") || url.host.empty() || !url.query.empty() ||
      !url.user.empty()) {
    return refused("the endpoint must be http://HOST or https://HOST, with or without a port");
  }
  address.scheme = url.scheme;
  address.host = url.host;
  const std::uint16_t usual = url.scheme == "https" ? 443 : 80;
  address.port = url.port == usual ? std::uint16_t{0} : url.port;
  address.base_path = http::percent_encoded(url.path, http::Slashes::kStay);
  while (address.base_path.ends_with('/')) address.base_path.pop_back();
  return {};
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return text;
}

Result<void> take_option(const std::string& name, const std::string& value, Address& address,
                         std::optional<Style>& style) {
  if (name == "endpoint") return take_endpoint(value, address);
  if (name == "path_style") {
    style = TRY(parse_switch(name, value)) ? Style::kPath : Style::kHost;
    return {};
  }
  if (name == "lock_mode") {
    address.lock_mode = upper(value);
    if (address.lock_mode == "COMPLIANCE" || address.lock_mode == "GOVERNANCE") return {};
    return refused("lock_mode must be compliance or governance in the URL");
  }
  if (name == "lists") {
    address.lists = value == "late" ? Address::Lists::kLate : Address::Lists::kAtOnce;
    if (value == "late" || value == "at-once") return {};
    return refused("lists must be at-once or late in the URL");
  }
  constexpr std::pair<std::string_view, std::string Address::*> kTexts[] = {
      {"region", &Address::region},
      {"profile", &Address::profile},
      {"storage_class", &Address::storage_class},
      {"sse", &Address::encryption},
      {"sse_kms_key", &Address::encryption_key},
  };
  for (const auto& [text, member] : kTexts) {
    if (name != text) continue;
    address.*member = value;
    return {};
  }
  // The value may be a secret that belongs elsewhere.
  return refused(fmt::format("the URL of a store has no option '{}'", name));
}

bool is_bucket(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  const http::Url url = TRY(http::parse_url(text));
  Address address;
  address.bucket = url.host;
  if (url.scheme != "s3" || !is_bucket(address.bucket) || url.port != 0 || !url.user.empty()) {
    return refused("the URL names no bucket");
  }
  std::string_view prefix = url.path;
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!prefix.empty()) address.prefix = std::string(prefix) + "/";

  std::optional<Style> style;
  for (const auto& [name, value] : url.query) TRY(take_option(name, value, address, style));
  // Names of hosts below an endpoint of one's own seldom lead anywhere, and a certificate for
  // *.amazonaws.com is none for a bucket with a dot.
  const bool by_path = !address.host.empty() || address.bucket.contains('.');
  address.style = style.value_or(by_path ? Style::kPath : Style::kHost);
  return address;
}

std::string Address::authority_in(std::string_view in) const {
  std::string at = host;
  if (at.empty()) {
    const std::string_view ending = in.starts_with("cn-") ? ".cn" : "";
    at = fmt::format("s3.{}.amazonaws.com{}", in, ending);
  }
  if (style == Style::kHost) at = bucket + "." + at;
  return http::authority(at, port);
}

std::string Address::path_to_bucket() const {
  return base_path + (style == Style::kPath ? "/" + bucket + "/" : "/");
}

std::string Address::describe() const {
  std::string text = fmt::format("s3://{}/{}", bucket, prefix);
  if (text.ends_with('/')) text.pop_back();
  if (!host.empty()) text += " at " + http::authority(host, port);
  return text;
}

}  // namespace backstay::backend::s3
