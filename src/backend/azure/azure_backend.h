// Objects as block blobs in a container of Azure Blob Storage (docs/backends/azure.md).
//
// What is there when put() returns is durable: barriers have nothing to do. Blobs are created with
// If-None-Match, of which one of several at the same moment wins.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "backend/azure/address.h"
#include "backend/backend.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "http/client.h"
#include "http/url.h"

namespace backstay::backend {

enum class OpenKind : std::uint8_t;

namespace azure {

struct AzureOptions {
  Address address;
  Bytes key;             // of the account; empty with a shared access signature
  http::Parameters sas;  // decoded; empty with a key
  http::ClientOptions client = {};
  std::uint64_t block_bytes = 8 << 20;  // what is larger goes in blocks of this
  std::size_t blocks_at_once = 3;
  std::uint64_t page_blobs = 0;  // most of them in one answer; 0: as many as the store gives
};

class AzureBackend final : public Backend {
 public:
  // One call tells that the credentials are good and the container is there, which kCreate makes.
  // no_repository without it. `clock` and `rng` outlive the backend.
  static Result<std::unique_ptr<AzureBackend>> open(AzureOptions options, OpenKind kind,
                                                    const Clock& clock, Rng& rng);

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
  Result<std::string> mark(std::string_view name) override;
  Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes) override;
  // As the answer to the last blob that was put whole has it; nobody can be asked.
  Result<Answer> versions() override EXCLUDES(mutex_);
  Result<Timestamp> store_time() override EXCLUDES(mutex_);
  [[nodiscard]] Capabilities capabilities() const override;
  [[nodiscard]] std::string describe() const override { return options_.address.describe(); }

 private:
  struct Call {
    std::string method = "GET";
    std::string blob = {};  // without the prefix; empty: the container
    http::Parameters query = {};
    std::vector<http::Header> headers = {};
    std::optional<ByteView> body = {};
    std::function<Result<void>(ByteView)> sink = {};
    std::uint64_t answer_max = 16 << 20;
  };

  AzureBackend(AzureOptions options, const Clock& clock, Rng& rng)
      : options_(std::move(options)), clock_(clock), rng_(rng), client_(options_.client) {}
  Result<void> look_at_container(OpenKind kind);
  // An answer that succeeded; any other is a failure with the store's own word for it.
  Result<http::Response> call(const Call& call) EXCLUDES(mutex_);
  Result<void> create_at_once(const std::string& name, ByteView bytes);
  // `condition`: If-None-Match or If-Match.
  Result<void> put_whole(const std::string& name, ByteView bytes, http::Header condition)
      EXCLUDES(mutex_);
  Result<void> create_in_blocks(const std::string& name, const StreamedBytes& bytes);
  Result<void> put_block(const std::string& name, const std::string& id, ByteView bytes);

  const AzureOptions options_;
  const Clock& clock_;
  Rng& rng_;
  http::Client client_;
  Mutex mutex_;
  std::optional<Timestamp> last_answered_ GUARDED_BY(mutex_);
  Answer versions_ GUARDED_BY(mutex_) = Answer::kUnknown;
};

}  // namespace azure
}  // namespace backstay::backend
