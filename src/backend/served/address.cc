#include "backend/served/address.h"

#include <fmt/format.h>

#include "backend/served/protocol.h"
#include "base/try.h"
#include "http/url.h"

namespace backstay::backend::served {

Result<Address> parse_address(std::string_view url) {
  const http::Url parsed = TRY(http::parse_url(url));
  const auto wrong = [](std::string what) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, std::move(what))
            .with_hint("Write backstays://HOST:PORT/REPOSITORY, or backstay:// where no TLS is. "
                       "The token is given in BACKSTAY_STORE_TOKEN_FILE."));
  };
  if (parsed.host.empty()) return wrong("the URL names no store server");
  if (!parsed.user.empty() || !parsed.query.empty()) {
    return wrong("the URL of a store server has neither a user nor a query");
  }
  std::string repository = parsed.path;
  while (repository.starts_with('/')) repository.erase(0, 1);
  while (repository.ends_with('/')) repository.pop_back();
  if (repository.empty()) return wrong("the URL names no repository on the store server");
  TRY(validate_repository(repository));
  const std::uint16_t port = parsed.port == 0 ? kDefaultPort : parsed.port;
  const std::string host = http::authority(parsed.host, port);
  const std::string_view scheme = parsed.scheme == "backstays" ? "https" : "http";
  return Address{.base = fmt::format("{}://{}", scheme, host),
                 .host = parsed.host,
                 .repository = repository,
                 .url = fmt::format("{}://{}/{}", parsed.scheme, host, repository)};
}

}  // namespace backstay::backend::served
