#include "backend/azure/open_azure.h"

#include <fmt/format.h>

#include "backend/azure/azure_backend.h"
#include "backend/free_place.h"
#include "backend/remote/place.h"
#include "base/base64.h"
#include "base/try.h"

namespace backstay::backend::azure {
namespace {

std::unexpected<Error> no_credentials(std::string why) {
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied, std::move(why))
          .with_hint("Give the account's key in AZURE_STORAGE_KEY (or in a file that "
                     "AZURE_STORAGE_KEY_FILE names), or a shared access signature in "
                     "AZURE_STORAGE_SAS_TOKEN."));
}

Result<http::Parameters> parse_sas(std::string_view token) {
  if (token.starts_with('?')) token.remove_prefix(1);
  auto url = http::parse_url(fmt::format("https://x/?{}", token));
  if (url && !url->query.empty()) return std::move(url->query);
  return no_credentials("AZURE_STORAGE_SAS_TOKEN is no shared access signature");
}

Result<AzureOptions> options_of(std::string_view url, const StoreWorld& world) {
  AzureOptions options{.address = TRY(parse_address(url)),
                       .key = {},
                       .sas = {},
                       .client = {.ca_file = authorities_file(world.variable), .stop = world.stop}};
  Address& address = options.address;
  if (address.account.empty()) {
    address.account = world.variable("AZURE_STORAGE_ACCOUNT").value_or("");
  }
  const auto key = TRY(world.secret("AZURE_STORAGE_KEY"));
  const auto sas = TRY(world.secret("AZURE_STORAGE_SAS_TOKEN"));
  if (address.account.empty() && (key || address.host.empty())) {
    return no_credentials("neither the URL nor AZURE_STORAGE_ACCOUNT names the storage account");
  }
  if (key) {
    auto decoded = from_base64(*key);
    if (!decoded || decoded->empty()) return no_credentials("AZURE_STORAGE_KEY is no key");
    options.key = *std::move(decoded);
    return options;
  }
  if (!sas) return no_credentials("there is neither a key nor a shared access signature");
  // Whoever reads it on the way has all that it allows; a key is never sent.
  if (address.scheme != "https" && !remote::is_this_machine(address.host)) {
    return std::unexpected(
        Error(ErrorCode::kPermissionDenied,
              fmt::format("the shared access signature would go to {} unencrypted", address.host))
            .with_hint("Use an endpoint of https://, or the account's key."));
  }
  options.sas = TRY(parse_sas(*sas));
  return options;
}

}  // namespace

Result<std::unique_ptr<Backend>> open_azure(std::string_view url, OpenKind kind,
                                            const StoreWorld& world) {
  return TRY(AzureBackend::open(TRY(options_of(url, world)), kind, world.clock, world.rng));
}

Result<void> check_azure_is_free(std::string_view url, const StoreWorld& world) {
  return check_store_is_free(open_azure(url, OpenKind::kOpen, world), "prefix",
                             GoneStore::kIsListed);
}

}  // namespace backstay::backend::azure
