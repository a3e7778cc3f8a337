// Who we are, from where AWS's own programs look for it, in their order: the environment, the
// shared files, a web identity, the container's endpoint, the machine's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/s3/address.h"
#include "backend/s3/signature.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "http/client.h"

namespace backstay::backend::s3 {

// Everything outlives what is made with it.
struct CredentialWorld {
  Lookup environment;
  const Clock& clock;
  http::Client& client;         // for the service of tokens
  http::Client& nearby_client;  // for the container's and the machine's: no proxy, little patience
  std::string profile = {};     // empty: as the environment says
};

// One place to look. Nothing when it is not set up; a failure when it is and does not work.
using CredentialSource = Result<std::optional<Credentials>> (*)(const CredentialWorld& world);

Result<std::optional<Credentials>> credentials_of_environment(const CredentialWorld& world);
Result<std::optional<Credentials>> credentials_of_profile(const CredentialWorld& world);
Result<std::optional<Credentials>> credentials_of_web_identity(const CredentialWorld& world);
Result<std::optional<Credentials>> credentials_of_container(const CredentialWorld& world);
Result<std::optional<Credentials>> credentials_of_machine(const CredentialWorld& world);

// From AWS_REGION, AWS_DEFAULT_REGION or the profile; empty where nobody says.
[[nodiscard]] std::string configured_region(const CredentialWorld& world);

// Those that hold now. Asked for again some minutes before they end. Thread-safe.
class CredentialChain {
 public:
  explicit CredentialChain(CredentialWorld world) : world_(std::move(world)) {}

  // permission_denied with a hint where there are none.
  Result<Credentials> current() EXCLUDES(mutex_);
  // The store did not take these any more: the next call asks anew.
  void expired(const Credentials& refused) EXCLUDES(mutex_);

 private:
  Result<Credentials> find() const;
  [[nodiscard]] bool is_fresh() const REQUIRES(mutex_);

  const CredentialWorld world_;
  Mutex mutex_;
  std::optional<Credentials> known_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::s3
