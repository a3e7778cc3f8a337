// A backend that fails when told to, around one that works. For tests and simulations.
//
// The crash test runs an operation with crash_at(1), crash_at(2), ... until crashed() stays false:
// then it has been cut at every call. What a power cut may take with it is asked for with
// lose_unsynced().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "backend/backend.h"
#include "base/mutex.h"

namespace backstay::backend {

// Thread-safe, but calls are numbered in the order in which they come: with several threads the
// same number need not be the same call twice.
class FaultBackend final : public Backend {
 public:
  // What calls are numbered, from 1: all, or only put, barrier, remove and retain (a cut between
  // two reads leaves what the cut at the change before them left).
  enum class Numbered : std::uint8_t { kEveryCall, kChanges };
  // Whether the change that is hit still took effect, although its caller is told that it failed.
  enum class Effect : std::uint8_t { kLost, kApplied };

  // `inner` outlives this.
  explicit FaultBackend(Backend& inner, Numbered numbered = Numbered::kEveryCall)
      : inner_(inner), numbered_(numbered) {}

  // The call with this number fails; those after it work. May be asked for several numbers.
  void fail_at(std::uint64_t number, ErrorCode code, Effect effect = Effect::kLost);
  // The call with this number and all later ones, numbered or not, fail with `cancelled`.
  void crash_at(std::uint64_t number, Effect effect);
  // The same from the first numbered call that reads as crashed_in() would tell it from its
  // beginning ("put snapshots/"), whatever its number is.
  void crash_in(std::string doing, Effect effect);
  // From now on puts of more than `bytes` in total fail with no_space.
  void limit_space(std::uint64_t bytes);
  // The byte at `offset` of `name` is read with all bits turned.
  void flip_byte(std::string_view name, std::uint64_t offset);
  // `name` seems to end after `size` bytes.
  void truncate(std::string_view name, std::uint64_t size);
  // Every read of the bytes of `name` fails with `code`; it is still listed.
  void fail_reads(std::string_view name, ErrorCode code);

  [[nodiscard]] std::uint64_t calls() const;
  [[nodiscard]] bool crashed() const;
  // "put snapshots/3f..." of the call that crashed, for the test's message.
  [[nodiscard]] std::string crashed_in() const;
  // Removes from the inner backend what was put after the last barrier and `lose` chooses, as a
  // power cut does. Called after a crash.
  Result<void> lose_unsynced(const std::function<bool(const std::string& name)>& lose);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
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
  Result<void> set_legal_hold(std::string_view name, LegalHold hold) override;
  Result<LegalHold> legal_hold(std::string_view name) override;
  Result<void> set_append_only(AppendOnly mode) override;
  Result<Keeping> keeping() override;
  Result<Timestamp> store_time() override;
  [[nodiscard]] Capabilities capabilities() const override { return inner_.capabilities(); }
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }

 private:
  enum class Change : std::uint8_t { kNo, kYes };
  struct Fault {
    ErrorCode code;
    Effect effect;
  };
  struct Damage {
    std::optional<std::uint64_t> size_max;
    std::set<std::uint64_t> flipped;
    std::optional<ErrorCode> unreadable;
  };

  std::optional<Fault> fault_of_call(std::string doing, Change change) EXCLUDES(mutex_);
  Result<void> reading(const std::string& doing) EXCLUDES(mutex_);
  Result<void> changing(const std::string& doing, const std::function<Result<void>()>& change);
  Result<void> take_space(std::span<const ByteView> pieces) EXCLUDES(mutex_);
  Damage damage_of(std::string_view name) const EXCLUDES(mutex_);
  ObjectInfo damaged(ObjectInfo info) const EXCLUDES(mutex_);

  Backend& inner_;
  const Numbered numbered_;
  mutable Mutex mutex_;
  std::uint64_t calls_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Fault> faults_ GUARDED_BY(mutex_);
  std::optional<std::uint64_t> crash_number_ GUARDED_BY(mutex_);
  std::optional<std::string> crash_beginning_ GUARDED_BY(mutex_);
  Effect crash_effect_ GUARDED_BY(mutex_) = Effect::kLost;
  std::optional<std::string> crashed_in_ GUARDED_BY(mutex_);
  std::optional<std::uint64_t> space_left_ GUARDED_BY(mutex_);
  std::map<std::string, Damage, std::less<>> damage_ GUARDED_BY(mutex_);
  std::set<std::string> unsynced_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend
