// Signed calls to one bucket. It follows the bucket to its region, corrects its clock by the
// store's and asks for new credentials when the old ones have ended, once in each call; nothing
// else is tried twice.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/s3/address.h"
#include "backend/s3/answers.h"
#include "backend/s3/credentials.h"
#include "backend/s3/vendor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "http/client.h"

namespace backstay::backend::s3 {

struct Call {
  std::string method = "GET";
  std::string key = {};  // without the prefix of the repository; empty: the bucket itself
  http::Parameters query = {};
  std::vector<http::Header> headers = {};  // signed, besides those that every call has
  const StreamedBytes* body = nullptr;
  std::string payload_hash = {};  // SHA-256 in hexadecimal; empty: of no body
  std::function<Result<void>(ByteView)> sink = {};
  std::uint64_t answer_max = 8 << 20;
  std::chrono::seconds silence_max{60};
  bool* answered = nullptr;        // becomes true when the store says anything at all
  std::string* refusal = nullptr;  // becomes the store's own word for why not: "NoSuchUpload"
};

struct BucketOptions {
  Address address;
  const Clock& clock;
  http::Client& client;
  CredentialChain& credentials;
  std::string region;  // where to begin; empty: as the vendor says
};

class Bucket {
 public:
  explicit Bucket(BucketOptions options);

  // An answer that succeeded; any other is a failure whose message has the store's own words:
  //   not_found         no such object
  //   no_repository     no such bucket
  //   already_exists    the condition of the call did not hold
  //   permission_denied a key that the store does not know, a wrong one, a right that is missing
  //   corruption        the range lies behind the end of the object
  //   unavailable, no_space, unsupported, invalid_argument, cancelled
  Result<http::Response> call(const Call& call) EXCLUDES(mutex_);
  // The same, of a body in memory.
  Result<http::Response> call(Call call, ByteView body) EXCLUDES(mutex_);

  [[nodiscard]] const Address& address() const { return options_.address; }
  [[nodiscard]] std::string region() const EXCLUDES(mutex_);
  [[nodiscard]] const Vendor& vendor() const EXCLUDES(mutex_);
  // The store's clock, by ours and what is known of their difference.
  [[nodiscard]] Timestamp store_now() const EXCLUDES(mutex_);
  // What the last answer said it was, to the second; nothing before the first.
  [[nodiscard]] std::optional<Timestamp> last_answered() const EXCLUDES(mutex_);

 private:
  // What may be put right before the call is made again.
  struct Corrections {
    bool region = false;
    bool clock = false;
    bool credentials = false;
  };

  // With what a call was signed: other calls may correct what all of them go by meanwhile.
  struct Signed {
    std::string region;
    Timestamp time;
    Credentials who;
  };

  Result<http::Response> send(const Call& call, const Signed& with);
  bool correct(const http::Response& response, const Signed& with, Corrections& done)
      EXCLUDES(mutex_);
  bool follow_region(const http::Response& response, const ErrorAnswer& error, const Signed& with)
      EXCLUDES(mutex_);
  bool follow_clock(const http::Response& response, const Signed& with) EXCLUDES(mutex_);
  void learn(const http::Response& response) EXCLUDES(mutex_);
  [[nodiscard]] std::unexpected<Error> failure(const Call& call, const http::Response& response);

  const BucketOptions options_;
  mutable Mutex mutex_;
  std::string region_ GUARDED_BY(mutex_);
  std::int64_t clock_ahead_ GUARDED_BY(mutex_) = 0;  // seconds that the store's is before ours
  std::optional<Timestamp> last_answered_ GUARDED_BY(mutex_);
  const Vendor* vendor_ GUARDED_BY(mutex_);
};

// What an answer that did not succeed means. `what` names what was asked for.
[[nodiscard]] Error error_of(int status, const ErrorAnswer& answer, const std::string& what);

}  // namespace backstay::backend::s3
