// Stores in memory that can be away, full or damaged, and placements over them.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "backend/forwarding_backend.h"
#include "backend/memory_backend.h"
#include "backend/placement/placement_backend.h"

namespace backstay::backend::placement {

// A store that one can pull the plug of.
class PluggedStore {
 public:
  explicit PluggedStore(const Clock& clock) : memory(clock) {}
  MemoryBackend memory;
  std::atomic<bool> away{false};
  std::atomic<bool> full{false};  // takes nothing, gives what it has
  // How often its disk was taken out: who had it open before is told that it is gone.
  std::atomic<int> disks_taken{0};
  // Called before each change; a failure is what the caller is told, and the change is not made.
  std::function<Result<void>(std::string_view call, std::string_view name)> before;
  std::function<void(std::string_view call, std::string_view name)> after;
};

class Plug final : public ForwardingBackend {
 public:
  explicit Plug(PluggedStore& store)
      : ForwardingBackend(store.memory), store_(store), disk_(store.disks_taken) {}
  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    TRY(plugged("put", name));
    if (store_.full) return fail(ErrorCode::kNoSpace, "the store is full");
    TRY(inner_.put(name, pieces));
    return unless_cut("put", name);
  }
  Result<void> barrier() override {
    TRY(plugged("barrier", ""));
    return inner_.barrier();
  }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    TRY(plugged("get", name));
    return inner_.get(name, size_max);
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    TRY(plugged("get", name));
    return inner_.get_range(name, offset, out);
  }
  Result<ObjectInfo> head(std::string_view name) override {
    TRY(plugged("head", name));
    return inner_.head(name);
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override {
    TRY(plugged("list", prefix));
    return inner_.list(prefix, each);
  }
  Result<void> remove(std::string_view name) override {
    TRY(plugged("remove", name));
    TRY(inner_.remove(name));
    return unless_cut("remove", name);
  }
  Result<Timestamp> store_time() override {
    TRY(plugged("time", ""));
    return inner_.store_time();
  }

 private:
  Result<void> plugged(std::string_view call, std::string_view name) {
    if (store_.away) return fail(ErrorCode::kUnavailable, "the plug was pulled");
    if (store_.disks_taken != disk_) return fail(ErrorCode::kUnavailable, "the disk is gone");
    if (store_.before) TRY(store_.before(call, name));
    return {};
  }
  Result<void> unless_cut(std::string_view call, std::string_view name) {
    if (store_.after) store_.after(call, name);
    return {};
  }
  PluggedStore& store_;
  const int disk_;
};

class ManyStores {
 public:
  // "copies: 2"; `clock` outlives it.
  ManyStores(const std::string& layout, std::size_t count, const Clock& clock) : clock_(clock) {
    std::string text = layout + "\nstores:\n";
    for (std::size_t i = 0; i < count; ++i) text += line_of(i);
    set_file(text);
  }
  static std::string name_of(std::size_t i) { return fmt::format("s{}", i); }
  static std::string line_of(std::size_t i) { return fmt::format("  s{}: {{url: /s{}}}\n", i, i); }
  void set_file(const std::string& text) {
    file_ = parse_map_file(text, "test.yaml").value();
    while (stores_.size() < 16) stores_.push_back(std::make_unique<PluggedStore>(clock_));
  }
  [[nodiscard]] const MapFile& file() const { return file_; }

  [[nodiscard]] StoreOpener opener() {
    return [this](const std::string& name) -> Result<std::unique_ptr<Backend>> {
      PluggedStore& store = *stores_[static_cast<std::size_t>(std::stoul(name.substr(1)))];
      if (store.away) return fail(ErrorCode::kUnavailable, "the plug was pulled");
      return std::make_unique<Plug>(store);
    };
  }
  std::unique_ptr<PlacementBackend> create() {
    return PlacementBackend::create(file_, opener(), "test.yaml", {clock_, rng_}).value();
  }
  Result<std::unique_ptr<PlacementBackend>> open() {
    return PlacementBackend::open(file_, opener(), "test.yaml", {clock_, rng_});
  }
  PluggedStore& operator[](std::size_t i) { return *stores_[i]; }

 private:
  const Clock& clock_;
  SeededRng rng_{99};
  MapFile file_;
  std::vector<std::unique_ptr<PluggedStore>> stores_;
};

}  // namespace backstay::backend::placement
