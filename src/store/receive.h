// An object on its way into a repository: kept aside until all of it is there and is what it should
// be.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "crypto/hash.h"
#include "http/server/exchange.h"
#include "store/repository.h"

namespace backstay::store {

struct Arrival {
  std::string name;
  std::uint64_t size = 0;    // of the whole object
  std::uint64_t offset = 0;  // where in it the body of this request begins
  // Names the file in the repository's folder that keeps what arrived when the connection breaks;
  // empty where nothing is kept.
  std::string upload = {};
};

// What the bytes must be: fed in order, then asked.
class Examiner {
 public:
  virtual ~Examiner() = default;
  virtual void restart() = 0;
  virtual void update(ByteView piece) = 0;
  [[nodiscard]] virtual bool approves() = 0;
};

// Reads the body, has it examined, and puts it: durable with its name when this returns.
// already_exists, no_space; unavailable for bytes that are not what was said, because they may have
// changed on the way.
Result<void> receive_object(http::Exchange& exchange, Repository& repository,
                            const Arrival& arrival, Examiner& examiner);

// How much of an upload is there. not_found where nothing is.
Result<std::uint64_t> received_of(const Repository& repository, const std::string& upload);

}  // namespace backstay::store
