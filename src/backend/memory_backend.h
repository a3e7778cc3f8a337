// Objects in memory: for tests, and the reference for the contract.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "backend/backend.h"
#include "base/mutex.h"

namespace backstay::backend {

class MemoryBackend final : public Backend {
 public:
  explicit MemoryBackend(const Clock& clock) : clock_(clock) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> barrier() override;
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
  Result<void> set_append_only(AppendOnly mode) override;
  Result<std::string> mark(std::string_view name) override;
  Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes) override;
  Result<Answer> versions() override { return Answer::kNo; }
  Result<Timestamp> store_time() override;
  [[nodiscard]] Capabilities capabilities() const override;
  [[nodiscard]] std::string describe() const override { return "memory"; }

  // A copy of everything stored, and one made from such a copy: tests cut a run at any point with
  // these.
  using Objects = std::map<std::string, Bytes, std::less<>>;
  [[nodiscard]] Objects objects() const;
  void set_objects(Objects objects);

 private:
  struct Stored {
    Bytes bytes;
    Timestamp modified;
    std::optional<Timestamp> retained_until;
    LegalHold legal_hold = LegalHold::kOff;
    std::uint64_t changes = 0;  // since the store was made, when this was put
  };
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, Stored, std::less<>> objects_ GUARDED_BY(mutex_);
  AppendOnly append_only_ GUARDED_BY(mutex_) = AppendOnly::kOff;
  std::uint64_t changes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace backstay::backend
