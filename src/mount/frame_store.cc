#include "mount/frame_store.h"

#include <algorithm>
#include <chrono>

#include "base/try.h"

namespace backstay::mount {

namespace {

// How often somebody who waits looks whether he still should.
constexpr std::chrono::milliseconds kLookAround{100};

}  // namespace

FrameStore::FrameStore(repo::Repository& repository, const Limits& limits)
    : repository_(repository), limits_(limits) {
  for (std::size_t i = 0; i < std::max<std::size_t>(limits.threads, 1); ++i)
    threads_.emplace_back([this] { fetch_until_closed(); });
}

FrameStore::~FrameStore() {
  const MutexLock lock(mutex_);
  closed_ = true;
  queued_.notify_all();
}

std::size_t FrameStore::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

// What is on its way cannot go: those who wait hold it anyway.
void FrameStore::make_room(std::size_t bytes) {
  for (auto it = recent_.end(); it != recent_.begin() && bytes_ + bytes > limits_.bytes_max;) {
    --it;
    if (!(*it)->result) continue;
    bytes_ -= (*it)->bytes;
    slots_.erase({(*it)->frame.pack, (*it)->frame.offset});
    it = recent_.erase(it);
  }
}

// Null for one that is only expected and for which there is no room.
FrameStore::SlotPtr FrameStore::slot_for(const repo::FrameLocation& frame, Urgency urgency) {
  const bool wanted = urgency == Urgency::kWanted;
  const Key key{frame.pack, frame.offset};
  if (const auto it = slots_.find(key); it != slots_.end()) {
    const SlotPtr slot = *it->second;
    if (wanted) recent_.splice(recent_.begin(), recent_, it->second);
    if (!wanted || slot->wanted || slot->result) return slot;
    // It waits among those that are only expected; whoever fetches it first makes the other a
    // no-op.
    slot->wanted = true;
    wanted_.push_back(slot);
    queued_.notify_one();
    return slot;
  }
  // Small frames take something, too.
  constexpr std::size_t kSlotBytes = 256;
  const std::size_t bytes = frame.raw_length + kSlotBytes;
  make_room(bytes);
  if (!wanted && bytes_ + bytes > limits_.bytes_max) return nullptr;
  auto slot = std::make_shared<Slot>();
  slot->frame = frame;
  slot->bytes = bytes;
  slot->wanted = wanted;
  bytes_ += bytes;
  recent_.push_front(slot);
  slots_[key] = recent_.begin();
  (wanted ? wanted_ : expected_).push_back(slot);
  queued_.notify_one();
  return slot;
}

void FrameStore::expect(const repo::FrameLocation& frame) {
  const MutexLock lock(mutex_);
  if (!closed_) slot_for(frame, Urgency::kExpected);
}

// A failure is told to those who wait and then forgotten.
void FrameStore::finished(const SlotPtr& slot, Result<repo::FrameData> result) {
  const MutexLock lock(mutex_);
  if (!result) {
    const auto it = slots_.find({slot->frame.pack, slot->frame.offset});
    if (it != slots_.end() && *it->second == slot) {
      bytes_ -= slot->bytes;
      recent_.erase(it->second);
      slots_.erase(it);
    }
  }
  slot->result = std::move(result);
  fetched_.notify_all();
}

void FrameStore::fetch_until_closed() {
  for (;;) {
    SlotPtr slot;
    {
      const MutexLock lock(mutex_);
      while (wanted_.empty() && expected_.empty() && !closed_) queued_.wait(mutex_);
      if (closed_) return;
      std::deque<SlotPtr>& queue = wanted_.empty() ? expected_ : wanted_;
      slot = std::move(queue.front());
      queue.pop_front();
      if (slot->under_way) continue;
      slot->under_way = true;
    }
    finished(slot, repository_.read_frame(slot->frame));
  }
}

Result<FrameStore::SlotPtr> FrameStore::wait_for(const repo::FrameLocation& frame,
                                                 const GivenUp& given_up) {
  SlotPtr slot;
  do {
    const MutexLock lock(mutex_);
    if (closed_) return fail(ErrorCode::kCancelled, "the mount is ending");
    if (slot == nullptr) slot = slot_for(frame, Urgency::kWanted);
    if (!slot->result) fetched_.wait_for(mutex_, kLookAround);
    if (slot->result) return slot;
  } while (!given_up());
  return fail(ErrorCode::kCancelled, "the reader gave up");
}

Result<ChunkBytes> FrameStore::chunk(const chunk::ChunkRef& ref, const repo::ChunkLocation& at,
                                     const GivenUp& given_up) {
  // A result that is there does not change any more.
  const SlotPtr slot = TRY(wait_for(at.frame, given_up));
  const Result<repo::FrameData>& frame = *slot->result;
  bool verified = false;
  {
    const MutexLock lock(mutex_);
    verified = slot->verified == ref;
  }
  if (verified && frame)
    return ChunkBytes{.owner = *frame,
                      .bytes = ByteView(**frame).subspan(at.offset_in_frame, ref.length)};
  Bytes kept;
  const ByteView bytes = TRY(repository_.chunk_of(frame, at, ref, kept));
  if (kept.empty() && frame) {
    const MutexLock lock(mutex_);
    slot->verified = ref;
    return ChunkBytes{.owner = *frame, .bytes = bytes};
  }
  auto owner = std::make_shared<const Bytes>(std::move(kept));
  return ChunkBytes{.owner = owner, .bytes = *owner};
}

}  // namespace backstay::mount
