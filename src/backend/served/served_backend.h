// Objects in a repository on a Backstay store server (docs/backends/store-server.md).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "backend/backend.h"
#include "backend/served/address.h"
#include "backend/served/protocol.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "http/client.h"

namespace backstay::backend {

enum class OpenKind : std::uint8_t;

namespace served {

struct ServedOptions {
  Address address;
  std::string token = {};    // empty: the server asks for none
  std::string ca_file = {};  // PEM; empty: the system's
  bool use_proxies = true;
  std::stop_token stop = {};
  std::size_t connections_max = 16;
  // A put of at least so much goes on where its connection broke.
  std::uint64_t resumed_from = 1 << 20;
};

// What is put is durable, with its name, when put() returns; barrier() is for what was removed. A
// put that is `unavailable` is gone on with by the next one of the same object: the server keeps
// what arrived for a day.
class ServedBackend final : public Backend {
 public:
  // no_repository where the server has none of that name, which kCreate makes. A server that fails
  // for now is looked at by the first call that it answers.
  static Result<std::unique_ptr<ServedBackend>> open(ServedOptions options, Rng& rng,
                                                     OpenKind kind);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> barrier() override;
  Result<void> adopt(std::string_view name) override;
  Result<void> adopt_names(std::string_view prefix) override;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override;
  Result<void> get_range(std::string_view name, std::uint64_t offset, MutableByteView out) override;
  Result<ObjectInfo> head(std::string_view name) override;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override;
  Result<void> remove(std::string_view name) override;
  Result<void> retain(std::string_view name, Timestamp until) override;
  Result<std::optional<Timestamp>> retention(std::string_view name) override;
  Result<void> set_append_only(AppendOnly mode) override;
  Result<Answer> versions() override { return Answer::kNo; }
  Result<Timestamp> store_time() override;
  Result<Space> space() override;  // what its quota leaves
  [[nodiscard]] Capabilities capabilities() const override EXCLUDES(mutex_);
  [[nodiscard]] std::string describe() const override { return options_.address.url; }

 private:
  ServedBackend(ServedOptions options, Rng& rng);
  // "objects/data/3f" in the repository.
  [[nodiscard]] http::Request request(std::string method, std::string_view below) const;
  // An answer that succeeded. `what` is said of one that did not.
  Result<http::Response> call(const http::Request& request, std::string_view what);
  Result<void> look(OpenKind kind) EXCLUDES(mutex_);
  Result<void> ready(std::string_view name);
  // What is missing of `out` behind the first `got` bytes, which it counts on.
  Result<void> read_on(std::string_view name, std::uint64_t offset, MutableByteView out,
                       std::size_t& got);
  Result<std::uint64_t> offset_of(const std::string& upload);
  Result<void> send(std::string_view name, const StreamedBytes& bytes, const std::string& upload,
                    std::uint64_t offset);
  struct Page;
  Result<Page> list_page(std::string_view prefix, const std::string& after);

  const ServedOptions options_;
  http::Client client_;
  const std::uint64_t made_up_;  // makes our uploads ours
  std::atomic<bool> looked_ = false;
  std::atomic<bool> removed_ = false;  // since the last barrier
  // Held over the call that makes removals durable: nobody returns before what he removed is.
  Mutex barrier_mutex_;
  mutable Mutex mutex_;
  Capabilities can_ GUARDED_BY(mutex_);
  std::set<std::string> broken_off_ GUARDED_BY(mutex_);  // uploads
};

}  // namespace served
}  // namespace backstay::backend
