#include "backend/ftp/open_ftp.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/ftp/ftp_files.h"
#include "backend/remote/folder_backend.h"
#include "backend/remote/place.h"
#include "base/try.h"

namespace backstay::backend::ftp {
namespace {

constexpr std::string_view kForm =
    "Write ftps://USER@HOST:PORT/PATH (TLS from the first byte, port 990) or "
    "ftps://USER@HOST/PATH?tls=explicit (port 21); /~/PATH is below the login's own folder; the "
    "password goes into BACKSTAY_FTP_PASSWORD, or into a file that BACKSTAY_FTP_PASSWORD_FILE "
    "names.";

std::unexpected<Error> wrong(std::string why) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(why)).with_hint(std::string(kForm)));
}

Result<http::FtpTls> tls_of(const remote::Place& place) {
  http::FtpTls tls = place.url.starts_with("ftps:") ? http::FtpTls::kImplicit : http::FtpTls::kNone;
  for (const auto& [name, value] : place.options) {
    if (name == "cleartext") continue;
    if (name != "tls") return wrong(fmt::format("the URL of a store has no option '{}'", name));
    if (value != "explicit" && value != "implicit") return wrong("tls is explicit or implicit");
    tls = value == "explicit" ? http::FtpTls::kExplicit : http::FtpTls::kImplicit;
  }
  return tls;
}

Result<void> take_login(const remote::Place& place, const StoreWorld& world,
                        http::FtpOptions& options) {
  options.user =
      !place.user.empty() ? place.user : world.variable("BACKSTAY_FTP_USER").value_or("");
  const auto password = TRY(world.secret("BACKSTAY_FTP_PASSWORD"));
  if (options.user.empty() && password) return wrong("there is a password for FTP and no user");
  if (!options.user.empty() && !password) {
    return wrong(fmt::format("there is no password for {}", place.url));
  }
  // Servers that let in everybody want an address there.
  if (options.user.empty()) options.user = "anonymous";
  options.password = password.value_or("backstay@");
  const auto breaks = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
  if (std::ranges::any_of(options.user + options.password, breaks)) {
    return wrong("there is a line break in the user or the password for FTP");
  }
  return {};
}

Result<std::unique_ptr<remote::FolderBackend>> open_folder(std::string_view url, OpenKind kind,
                                                           const StoreWorld& world) {
  const remote::Place place = TRY(remote::parse_place(url, kForm));
  const std::size_t connections = TRY(connections_in(world.variable, "BACKSTAY_FTP_CONNECTIONS",
                                                     http::FtpOptions().connections_max));
  FtpFilesOptions options{.root = place.path, .place = place.url, .client = {}};
  http::FtpOptions& client = options.client;
  client.host = place.host;
  client.port = place.port;
  client.tls = TRY(tls_of(place));
  client.ca_file = authorities_file(world.variable);
  client.connections_max = connections;
  client.stop = world.stop;
  TRY(take_login(place, world, client));
  if (client.tls == http::FtpTls::kNone) {
    TRY(remote::check_cleartext(place, TRY(remote::parse_switch(place, "cleartext")), "ftps"));
  }
  return remote::FolderBackend::open(
      TRY(FtpFiles::connect(std::move(options))), kind, world.rng,
      {.folders_at_once = connections, .transfers_max = connections});
}

}  // namespace

Result<std::unique_ptr<Backend>> open_ftp(std::string_view url, OpenKind kind,
                                          const StoreWorld& world) {
  return TRY(open_folder(url, kind, world));
}

Result<void> check_ftp_is_free(std::string_view url, const StoreWorld& world) {
  const auto store = open_folder(url, OpenKind::kRead, world);
  if (!store && store.error().code() == ErrorCode::kNotFound) return {};
  if (!store) return std::unexpected(store.error().clone());
  return (*store)->check_is_free();
}

}  // namespace backstay::backend::ftp
