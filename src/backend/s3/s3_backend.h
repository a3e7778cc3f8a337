// Objects in a bucket of S3 or of what speaks like it (docs/backends/s3.md).
//
// What is there when put() returns is durable: barriers have nothing to do. Objects are created
// with If-None-Match where the store heeds it; where it does not, it is asked for the name first,
// and capabilities() says so.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "backend/backend.h"
#include "backend/s3/address.h"
#include "backend/s3/bucket.h"
#include "backend/s3/credentials.h"
#include "backend/s3/upload.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "http/client.h"

namespace backstay::backend {

enum class OpenKind : std::uint8_t;

namespace s3 {

// What a backend of S3 needs of the process. References outlive it.
struct World {
  Lookup environment;
  const Clock& clock;
  Rng& rng;
  std::stop_token stop = {};
};

struct Limits {
  std::uint64_t single_max = 32 << 20;  // what is larger goes in parts
  UploadOptions parts = {};
  std::uint64_t streamed_part_bytes = 8 << 20;
  // Of an object on whose way the line broke: the least that S3 takes.
  std::uint64_t broken_line_part_bytes = 5 << 20;
  std::size_t connections_max = 16;
};

class S3Backend final : public Backend {
 public:
  // One call to the store tells that the credentials are good and the bucket is there, which
  // kCreate makes where it is not. no_repository without it. A store that fails for now is looked
  // at by the first call that it answers.
  static Result<std::unique_ptr<S3Backend>> open(const Address& address, World world, OpenKind kind,
                                                 Limits limits = {});

  // Uploads that were cut, and that nobody goes on with, are taken back.
  ~S3Backend() override;

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> barrier() override { return {}; }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<void> retain(std::string_view name, Timestamp until) override;
  Result<std::optional<Timestamp>> retention(std::string_view name) override;
  Result<void> set_legal_hold(std::string_view name, LegalHold hold) override;
  Result<LegalHold> legal_hold(std::string_view name) override;
  Result<std::string> mark(std::string_view name) override;
  Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes) override;
  Result<Answer> versions() override;
  Result<Timestamp> store_time() override;
  [[nodiscard]] Capabilities capabilities() const override EXCLUDES(mutex_);
  [[nodiscard]] std::string describe() const override { return bucket_.address().describe(); }

  // For tests that need a bucket of their own kind.
  [[nodiscard]] Bucket& bucket() { return bucket_; }

 private:
  enum class Creation : std::uint8_t {
    kUnasked,      // nobody knows yet whether the store heeds If-None-Match
    kConditional,  // it does
    kRacy,         // it does, but not for those who come at the same moment
    kLookFirst,    // it does not
  };

  S3Backend(const Address& address, World world, Limits limits);
  Result<void> look_at_bucket(OpenKind kind) EXCLUDES(mutex_);
  // What every call begins with: the name is one, and the store was looked at.
  Result<void> ready(std::string_view name);
  Result<void> make_bucket();
  Result<void> ask_about_lock();

  Result<void> create(std::string_view name, const StreamedBytes& bytes,
                      const std::function<Result<void>(const UploadHeaders&)>& in_parts)
      EXCLUDES(mutex_);
  // Where an object goes to in parts. `key` outlives what is made of it.
  [[nodiscard]] UploadTarget target_of(const std::string& key);
  [[nodiscard]] bool line_broke(const std::string& key) EXCLUDES(mutex_);
  [[nodiscard]] UploadOptions options_for(const std::string& key, std::uint64_t part_bytes)
      EXCLUDES(mutex_);
  Result<void> create_at_once(const std::string& key, const StreamedBytes& bytes,
                              const UploadHeaders& headers);
  Result<void> create_in_parts(const std::string& key, const StreamedBytes& bytes,
                               const UploadHeaders& headers,
                               const std::function<Result<void>(const UploadHeaders&)>& in_parts);
  Result<Creation> creation_of(std::string_view name) EXCLUDES(mutex_);
  Result<Creation> asked_creation() EXCLUDES(mutex_);
  Result<Creation> race();
  [[nodiscard]] bool lists_at_once() const;
  [[nodiscard]] Timestamp modified(Timestamp said) const;
  [[nodiscard]] UploadHeaders headers_of(Creation creation) const;
  Result<void> remove_version(std::string_view name);

  const World world_;
  const Limits limits_;
  http::Client client_;
  http::Client nearby_client_;
  CredentialChain credentials_;
  Bucket bucket_;
  std::atomic<bool> lock_ = false;
  std::atomic<bool> looked_ = false;  // lock_ and creation_ are as the store says
  std::atomic<bool> orphans_ended_ = false;
  UnfinishedUploads unfinished_;
  mutable Mutex mutex_;
  // Objects that did not get through as a whole; those that came since are taken out.
  std::set<std::string, std::less<>> line_broke_ GUARDED_BY(mutex_);
  Creation creation_ GUARDED_BY(mutex_) = Creation::kUnasked;
};

}  // namespace s3
}  // namespace backstay::backend
