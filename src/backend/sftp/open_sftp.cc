#include "backend/sftp/open_sftp.h"

#include "backend/sftp/connection.h"
#include "backend/sftp/sftp_backend.h"
#include "base/try.h"

namespace backstay::backend::sftp {
namespace {

Result<Login> login_of(const StoreWorld& world) {
  Login login;
  login.key_file = world.variable("BACKSTAY_SFTP_KEY_FILE").value_or("");
  login.known_hosts = world.variable("BACKSTAY_SFTP_KNOWN_HOSTS").value_or("");
  login.key_passphrase = TRY(world.secret("BACKSTAY_SFTP_KEY_PASSPHRASE"));
  login.password = TRY(world.secret("BACKSTAY_SFTP_PASSWORD"));
  return login;
}

struct Way {
  SftpOptions options;
  SessionPool::Connect connect;
};

Result<Way> way_to(std::string_view url, const StoreWorld& world) {
  const Place place = TRY(parse_place(url));
  Way way{.options = {.root = place.path, .place = place.url}, .connect = {}};
  way.options.connections_max =
      TRY(connections_in(world.variable, "BACKSTAY_SFTP_CONNECTIONS", way.options.connections_max));
  way.connect = [place, login = TRY(login_of(world)),
                 stop = world.stop]() -> Result<std::unique_ptr<Client>> {
    return Client::begin(TRY(connect(place, login, stop)));
  };
  return way;
}

}  // namespace

Result<std::unique_ptr<Backend>> open_sftp(std::string_view url, OpenKind kind,
                                           const StoreWorld& world) {
  Way way = TRY(way_to(url, world));
  if (kind == OpenKind::kRead) way.options.leftovers = Leftovers::kStay;
  if (kind == OpenKind::kCreate) {
    return TRY(SftpBackend::create(std::move(way.options), std::move(way.connect), world.rng));
  }
  return TRY(SftpBackend::open(std::move(way.options), std::move(way.connect), world.rng));
}

Result<void> check_sftp_is_free(std::string_view url, const StoreWorld& world) {
  Way way = TRY(way_to(url, world));
  const auto store = SftpBackend::open(std::move(way.options), std::move(way.connect), world.rng);
  if (!store && store.error().code() == ErrorCode::kNotFound) return {};
  if (!store) return std::unexpected(store.error().clone());
  return (*store)->check_is_free();
}

}  // namespace backstay::backend::sftp
