#include "backend/webdav/open_webdav.h"

#include <fmt/format.h>

#include "backend/remote/folder_backend.h"
#include "backend/remote/place.h"
#include "backend/webdav/dav_files.h"
#include "base/base64.h"
#include "base/try.h"

namespace backstay::backend::webdav {
namespace {

constexpr std::string_view kForm =
    "Write webdavs://USER@HOST:PORT/PATH; the password goes into BACKSTAY_WEBDAV_PASSWORD, or into "
    "a file that BACKSTAY_WEBDAV_PASSWORD_FILE names.";

// Basic authentication (RFC 7617); empty where nobody is named.
Result<std::string> authorization_of(const remote::Place& place, const StoreWorld& world) {
  const std::string user =
      !place.user.empty() ? place.user : world.variable("BACKSTAY_WEBDAV_USER").value_or("");
  const auto password = TRY(world.secret("BACKSTAY_WEBDAV_PASSWORD"));
  if (user.empty() && !password) return std::string();
  if (user.empty() || user.contains(':')) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "there is a password for WebDAV and no user whose it is")
            .with_hint(std::string(kForm)));
  }
  return "Basic " + to_base64(as_bytes(user + ":" + password.value_or("")));
}

Result<DavOptions> options_of(std::string_view url, const StoreWorld& world) {
  const remote::Place place = TRY(remote::parse_place(url, kForm));
  for (const auto& [name, value] : place.options) {
    if (name == "cleartext") continue;
    return std::unexpected(Error(ErrorCode::kInvalidArgument,
                                 fmt::format("the URL of a store has no option '{}'", name))
                               .with_hint(std::string(kForm)));
  }
  const bool encrypted = url.starts_with("webdavs:");
  DavOptions options{.scheme = encrypted ? "https" : "http",
                     .host = place.host,
                     .port = place.port,
                     .root = place.path,
                     .place = place.url,
                     .authorization = TRY(authorization_of(place, world)),
                     .client = {.ca_file = authorities_file(world.variable), .stop = world.stop}};
  const bool cleartext = TRY(remote::parse_switch(place, "cleartext"));
  if (!encrypted && !options.authorization.empty()) {
    TRY(remote::check_cleartext(place, cleartext, "webdavs"));
  }
  // What need not be encrypted because it stays in this machine must not leave it by a proxy.
  options.client.use_proxies = encrypted || cleartext;
  return options;
}

Result<std::unique_ptr<remote::FolderBackend>> open_folder(std::string_view url, OpenKind kind,
                                                           const StoreWorld& world) {
  return remote::FolderBackend::open(std::make_unique<DavFiles>(TRY(options_of(url, world))), kind,
                                     world.rng);
}

}  // namespace

Result<std::unique_ptr<Backend>> open_webdav(std::string_view url, OpenKind kind,
                                             const StoreWorld& world) {
  return TRY(open_folder(url, kind, world));
}

Result<void> check_webdav_is_free(std::string_view url, const StoreWorld& world) {
  const auto store = open_folder(url, OpenKind::kRead, world);
  if (!store && store.error().code() == ErrorCode::kNotFound) return {};
  if (!store) return std::unexpected(store.error().clone());
  return (*store)->check_is_free();
}

}  // namespace backstay::backend::webdav
