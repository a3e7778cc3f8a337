#include "backend/served/open_served.h"

#include <fmt/format.h>

#include "backend/free_place.h"
#include "backend/remote/place.h"
#include "backend/served/served_backend.h"
#include "base/try.h"

namespace backstay::backend::served {
namespace {

// Without TLS, to this machine itself.
bool stays_here(const Address& address) {
  return address.base.starts_with("http://") && remote::is_this_machine(address.host);
}

// Who listens on the line would have the token.
Result<void> check_line(const Address& address, const StoreWorld& world) {
  const bool safe = address.base.starts_with("https://") || stays_here(address);
  if (safe || world.variable("BACKSTAY_STORE_INSECURE_PLAIN") == "1") return {};
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{} would be told the token without TLS", address.url))
          .with_hint("Write backstays:// and give the server a certificate, or set "
                     "BACKSTAY_STORE_INSECURE_PLAIN=1 where the network itself is safe."));
}

}  // namespace

Result<std::unique_ptr<Backend>> open_served(std::string_view url, OpenKind kind,
                                             const StoreWorld& world) {
  ServedOptions options{.address = TRY(parse_address(url))};
  options.token = TRY(world.secret("BACKSTAY_STORE_TOKEN")).value_or("");
  if (!options.token.empty()) TRY(check_line(options.address, world));
  options.ca_file = authorities_file(world.variable);
  options.use_proxies = !stays_here(options.address);
  options.stop = world.stop;
  return TRY(ServedBackend::open(std::move(options), world.rng, kind));
}

Result<void> check_served_is_free(std::string_view url, const StoreWorld& world) {
  return check_store_is_free(open_served(url, OpenKind::kOpen, world), "name");
}

}  // namespace backstay::backend::served
