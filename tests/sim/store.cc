#include "store.h"

#include <algorithm>

#include "base/try.h"

namespace backstay::sim {

namespace {

constexpr std::uint64_t kOf = 1024;
constexpr std::size_t kListingParts = 3;
constexpr std::uint64_t kOnTheWayMax = 1000;  // calls

std::unexpected<Error> no_object(std::string_view name) {
  return fail(ErrorCode::kNotFound, "there is no object " + std::string(name));
}

// The place of a name in a listing: another one in each.
std::uint64_t place_of(std::string_view name, std::uint64_t salt) {
  std::uint64_t mixed = salt;
  for (const char byte : name) mixed = (mixed ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3U;
  return mixed ^ mixed >> 29;
}

}  // namespace

void SharedStore::fall_behind(std::uint64_t calls_max) {
  late_calls_max_ = calls_max;
  shown_ = objects;
}

void SharedStore::changed(const std::string& name, SeededRng& dice) {
  if (late_calls_max_ > 0) due_.emplace(calls + dice.below(late_calls_max_), name);
}

const SharedStore::Objects& SharedStore::listed() {
  if (late_calls_max_ == 0) return objects;
  while (!due_.empty() && due_.begin()->first <= calls) {
    const std::string& name = due_.begin()->second;
    const auto there = objects.find(name);
    if (there == objects.end())
      shown_.erase(name);
    else
      shown_[name] = there->second;
    due_.erase(due_.begin());
  }
  return shown_;
}

void SharedStore::put_later(std::uint64_t at_call, std::string name,
                            std::shared_ptr<const Bytes> bytes) {
  on_the_way_.emplace(at_call, std::pair(std::move(name), std::move(bytes)));
}

void SharedStore::arrive(SeededRng& dice) {
  while (!on_the_way_.empty() && on_the_way_.begin()->first <= calls) {
    auto& [name, bytes] = on_the_way_.begin()->second;
    if (objects.try_emplace(name, Object{.bytes = bytes, .modified = now}).second)
      changed(name, dice);
    on_the_way_.erase(on_the_way_.begin());
  }
}

void SharedStore::arrive_all(SeededRng& dice) {
  if (!on_the_way_.empty()) calls = std::max(calls, on_the_way_.rbegin()->first);
  arrive(dice);
}

SimBackend::SimBackend(SharedStore& store, SeededRng& dice, const Faults& faults,
                       std::function<void()> yield)
    : store_(store), dice_(dice), faults_(faults), yield_(std::move(yield)) {}

std::unexpected<Error> SimBackend::trouble() const {
  return crashed_ ? fail(ErrorCode::kCancelled, "crashed")
                  : fail(ErrorCode::kUnavailable, "the store did not answer");
}

SimBackend::Fate SimBackend::begin(std::string_view what, std::string_view name) {
  if (crashed_) return Fate::kNotDone;
  yield_();
  ++store_.calls;
  store_.arrive(dice_);
  if (told) told(std::string(what) + " " + std::string(name));
  const std::uint64_t dice = dice_.below(kOf);
  std::uint64_t bound = faults_.crash;
  if (dice < bound) {
    crashed_ = troubled_ = true;
    if (told) told("  crashes");
    return dice_.below(2) == 0 ? Fate::kDoneUntold : Fate::kNotDone;
  }
  if (dice < (bound += faults_.lost_answer)) {
    troubled_ = true;
    if (told) told("  is done, and nobody hears of it");
    return Fate::kDoneUntold;
  }
  if (dice < (bound += faults_.refused)) {
    troubled_ = true;
    if (told) told("  is refused");
    return Fate::kNotDone;
  }
  return dice < bound + faults_.twice ? Fate::kTwice : Fate::kWell;
}

Result<void> SimBackend::carry_out(Fate fate, const std::function<Result<void>()>& act) {
  switch (fate) {
    case Fate::kWell:
      return act();
    case Fate::kTwice:
      // The answer to the second is the one that comes.
      troubled_ = true;
      (void)act();
      return act();
    case Fate::kDoneUntold:
      (void)act();
      return trouble();
    case Fate::kNotDone:
      break;
  }
  return trouble();
}

Result<void> SimBackend::read(std::string_view what, std::string_view name) {
  const Fate fate = begin(what, name);
  if (fate == Fate::kWell || fate == Fate::kTwice) return {};
  return trouble();
}

Result<void> SimBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  TRY(backend::validate_name(name));
  auto bytes = std::make_shared<Bytes>();
  for (const ByteView piece : pieces) append(*bytes, piece);
  const Fate fate = begin("put", name);
  if (fate == Fate::kDoneUntold && name.starts_with("snapshots/") && dice_.below(2) == 0) {
    if (told) told("  on the way for long");
    store_.put_later(store_.calls + dice_.below(kOnTheWayMax), std::string(name), bytes);
    return trouble();
  }
  return carry_out(fate, [&]() -> Result<void> {
    if (store_.full && bytes->size() > 256) {
      troubled_ = true;
      return fail(ErrorCode::kNoSpace, "the store is full");
    }
    const auto [at, created] = store_.objects.try_emplace(std::string(name));
    if (!created) return fail(ErrorCode::kAlreadyExists, std::string(name) + " is there already");
    at->second = {.bytes = bytes, .modified = store_.now};
    store_.changed(at->first, dice_);
    return {};
  });
}

Result<void> SimBackend::remove(std::string_view name) {
  return carry_out(begin("remove", name), [&]() -> Result<void> {
    if (const auto found = store_.objects.find(name); found != store_.objects.end()) {
      store_.objects.erase(found);
      store_.changed(std::string(name), dice_);
    }
    return {};
  });
}

Result<void> SimBackend::barrier() {
  if (crashed_) return trouble();
  return {};
}

Result<Bytes> SimBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(read("get", name));
  const auto found = store_.objects.find(name);
  if (found == store_.objects.end()) return no_object(name);
  if (found->second.bytes->size() > size_max)
    return fail(ErrorCode::kInvalidArgument, "the object is too large");
  return *found->second.bytes;
}

Result<void> SimBackend::get_range(std::string_view name, std::uint64_t offset,
                                   MutableByteView out) {
  TRY(read("get", name));
  const auto found = store_.objects.find(name);
  if (found == store_.objects.end()) return no_object(name);
  const Bytes& bytes = *found->second.bytes;
  if (offset > bytes.size() || out.size() > bytes.size() - offset)
    return fail(ErrorCode::kCorruption, "the object ends before that");
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return {};
}

Result<backend::ObjectInfo> SimBackend::head(std::string_view name) {
  TRY(read("head", name));
  const auto found = store_.objects.find(name);
  if (found == store_.objects.end()) return no_object(name);
  return backend::ObjectInfo{found->first, found->second.bytes->size(), found->second.modified};
}

Result<void> SimBackend::list(std::string_view prefix,
                              const std::function<Result<void>(const backend::ObjectInfo&)>& each) {
  const std::uint64_t salt = dice_.next_u64();
  for (std::size_t part = 0; part < kListingParts; ++part) {
    TRY(read("list", prefix));
    std::vector<backend::ObjectInfo> found;
    const SharedStore::Objects& listed = store_.listed();
    for (auto at = listed.lower_bound(prefix); at != listed.end() && at->first.starts_with(prefix);
         ++at) {
      if (place_of(at->first, salt) % kListingParts != part) continue;
      found.push_back({at->first, at->second.bytes->size(), at->second.modified});
    }
    for (const backend::ObjectInfo& info : found) TRY(each(info));
  }
  return {};
}

Result<Timestamp> SimBackend::store_time() {
  TRY(read("time", ""));
  return store_.now;
}

}  // namespace backstay::sim
