#include "backend/served/open_served.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "backend/free_place.h"
#include "backend/served/served_backend.h"
#include "base/try.h"

namespace backstay::backend::served {
namespace {

// Without TLS, to this machine itself. A name that only looks like an address of it is another's.
bool is_this_machine(std::string_view base) {
  constexpr std::string_view kScheme = "http://";
  if (!base.starts_with(kScheme)) return false;
  std::string_view host = base.substr(kScheme.size());
  host = host.substr(0, host.find('/'));
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1) == "::1";
  host = host.substr(0, host.find(':'));
  constexpr std::uint8_t kLoopback = 127;
  std::array<std::uint8_t, 4> address{};
  if (::inet_pton(AF_INET, std::string(host).c_str(), address.data()) == 1) {
    return address.front() == kLoopback;
  }
  return host == "localhost";
}

// Who listens on the line would have the token.
Result<void> check_line(const Address& address, const StoreWorld& world) {
  const bool safe = address.base.starts_with("https://") || is_this_machine(address.base);
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
  options.ca_file =
      world.variable("BACKSTAY_CA_FILE").value_or(world.variable("SSL_CERT_FILE").value_or(""));
  options.use_proxies = !is_this_machine(options.address.base);
  options.stop = world.stop;
  return TRY(ServedBackend::open(std::move(options), world.rng, kind));
}

Result<void> check_served_is_free(std::string_view url, const StoreWorld& world) {
  return check_store_is_free(open_served(url, OpenKind::kOpen, world), "name");
}

}  // namespace backstay::backend::served
