#include "backend/remote/place.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::backend::remote {
namespace {

std::unexpected<Error> no_place(std::string why, std::string_view form) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(why)).with_hint(std::string(form)));
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

// Libraries and resolvers do not agree on what others mean.
bool is_host_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view(".:_-").contains(c);
}

}  // namespace

bool is_this_machine(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  constexpr std::uint32_t kLoopback = 127;
  in_addr address{};
  return ::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == kLoopback;
}

Result<Place> parse_place(std::string_view text, std::string_view form) {
  http::Url url = TRY_DOING("reading the URL of the store", http::parse_url(text));
  const auto refused = [&](std::string_view why) {
    return no_place(fmt::format("the {}:// URL {}", url.scheme, why), form);
  };
  if (url.host.empty() || url.host.starts_with('-') ||
      !std::ranges::all_of(url.host, is_host_letter)) {
    return refused("names no host");
  }
  // They end up in lines of a protocol.
  if (has_control(url.user) || has_control(url.path)) return refused("has control characters");
  while (url.path.ends_with('/')) url.path.pop_back();
  Place place{.user = url.user,
              .host = url.host,
              .port = url.port,
              .path = url.path,
              .url = url.scheme + "://",
              .options = std::move(url.query)};
  if (!place.user.empty()) {
    place.url += http::percent_encoded(place.user, http::Slashes::kEncoded) + "@";
  }
  place.url += http::authority(place.host, place.port);
  place.url += http::percent_encoded(place.path, http::Slashes::kStay);
  return place;
}

Result<bool> parse_switch(const Place& place, std::string_view name) {
  const auto found = std::ranges::find(place.options, name, &http::Parameters::value_type::first);
  if (found == place.options.end() || found->second == "0" || found->second == "false") {
    return false;
  }
  if (found->second == "1" || found->second == "true") return true;
  return fail(ErrorCode::kInvalidArgument, fmt::format("{} must be 0 or 1 in the URL", name));
}

Result<void> check_cleartext(const Place& place, bool allowed, std::string_view encrypted_scheme) {
  if (allowed || is_this_machine(place.host)) return {};
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{} would send the password to {} for anybody on the way to read",
                        place.url.substr(0, place.url.find("//") + 2), place.host))
          .with_hint(fmt::format("Use {}://, or add ?cleartext=1 to the URL where the network is "
                                 "to be trusted.",
                                 encrypted_scheme)));
}

}  // namespace backstay::backend::remote
