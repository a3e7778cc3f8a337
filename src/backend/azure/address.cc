#include "backend/azure/address.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "http/url.h"

namespace backstay::backend::azure {
namespace {

std::unexpected<Error> no_address(std::string why) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(why))
          .with_hint("Write azure://CONTAINER/PREFIX?account=NAME; the key goes into "
                     "AZURE_STORAGE_KEY, or a shared access signature into "
                     "AZURE_STORAGE_SAS_TOKEN."));
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_account(std::string_view name) {
  return name.size() >= 3 && name.size() <= 24 && std::ranges::all_of(name, is_plain);
}

bool is_container(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 &&
         std::ranges::all_of(name, [](char c) { return is_plain(c) || c == '-' || c == '$'; });
}

Result<void> use_endpoint(const std::string& text, Address& address) {
  const std::string with_scheme = text.contains("://") ? text : "https://" + text;
  const http::Url url = TRY_DOING("reading the endpoint of the URL", http::parse_url(with_scheme));
  if ((url.scheme != "http" && url.scheme != "https") || url.host.empty() || !url.query.empty() ||
      !url.user.empty()) {
    return no_address("the endpoint must be https://HOST or http://HOST/ACCOUNT, without a '?'");
  }
  address.scheme = url.scheme;
  address.host = url.host;
  address.port = url.port;
  address.base_path = http::percent_encoded(url.path, http::Slashes::kStay);
  while (address.base_path.ends_with('/')) address.base_path.pop_back();
  return {};
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  const http::Url url = TRY(http::parse_url(text));
  Address address;
  address.container = url.host;
  if (url.scheme != "azure" || !is_container(address.container) || url.port != 0 ||
      !url.user.empty()) {
    return no_address("the URL names no container");
  }
  std::string_view prefix = url.path;
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!prefix.empty()) address.prefix = std::string(prefix) + "/";
  for (const auto& [name, value] : url.query) {
    if (name == "endpoint") {
      TRY(use_endpoint(value, address));
    } else if (name == "account" && is_account(value)) {
      address.account = value;
    } else {
      // The value may be a secret that belongs elsewhere.
      return no_address(fmt::format("'{}' is no option of the URL, or has no good value", name));
    }
  }
  return address;
}

std::string Address::authority() const {
  return http::authority(host.empty() ? account + ".blob.core.windows.net" : host, port);
}

std::string Address::path_to_container() const {
  return fmt::format("{}/{}", base_path, container);
}

std::string Address::describe() const {
  std::string text = fmt::format("azure://{}/{}", container, prefix);
  if (text.ends_with('/')) text.pop_back();
  if (!account.empty()) text += " of " + account;
  if (!host.empty()) text += " at " + http::authority(host, port);
  return text;
}

}  // namespace backstay::backend::azure
