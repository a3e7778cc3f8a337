// Memory for bytes that are handed on in about the order in which they came: one allocation at the
// start, no page faults and no holes later, and a limit that holds by construction.
//
// Blocks lie one behind another in a ring, each in one piece. A block that is given back is used
// again when all older ones are back too, so nobody may wait for something while holding a block
// that others need to be done with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mutex.h"
#include "base/page_buffer.h"

namespace backstay {

// Thread-safe. Must outlive its blocks.
class ByteRing {
 public:
  class Block {
   public:
    Block(Block&& other) noexcept
        : ring_(std::exchange(other.ring_, nullptr)),
          own_(std::move(other.own_)),
          bytes_(other.bytes_) {}
    Block& operator=(Block&&) = delete;
    ~Block() {
      if (ring_ != nullptr) ring_->give_back(bytes_.data());
    }
    [[nodiscard]] MutableByteView bytes() const { return bytes_; }

   private:
    friend class ByteRing;
    Block(ByteRing& ring, MutableByteView bytes) : ring_(&ring), bytes_(bytes) {}
    explicit Block(PageBuffer own) : own_(std::move(own)), bytes_(own_.bytes()) {}
    ByteRing* ring_ = nullptr;
    PageBuffer own_;
    MutableByteView bytes_;
  };

  explicit ByteRing(std::size_t bytes) : memory_(bytes) {}

  // `bytes` is at least 1. Waits until there is room; nothing after abort(). What is larger than
  // the ring gets memory of its own, above the limit: callers see to it that this is rare.
  std::optional<Block> take(std::size_t bytes) EXCLUDES(mutex_) {
    ASSERT(bytes >= 1);
    if (bytes > memory_.size()) return Block(PageBuffer(bytes));
    const MutexLock lock(mutex_);
    while (true) {
      if (aborted_) return std::nullopt;
      if (const auto begin = place_for(bytes)) {
        taken_.push_back({.begin = *begin, .end = *begin + bytes});
        return Block(*this, {memory_.data() + *begin, bytes});
      }
      room_.wait(mutex_);
    }
  }

  void abort() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    aborted_ = true;
    room_.notify_all();
  }

 private:
  struct Piece {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool free = false;
  };

  [[nodiscard]] std::optional<std::size_t> place_for(std::size_t bytes) const REQUIRES(mutex_) {
    if (taken_.empty()) return 0;
    const std::size_t oldest = taken_.front().begin;
    const std::size_t newest_end = taken_.back().end;
    const bool wrapped = taken_.back().begin < oldest;
    const std::size_t limit = wrapped ? oldest : memory_.size();
    if (limit - newest_end >= bytes) return newest_end;
    if (!wrapped && oldest >= bytes) return 0;
    return std::nullopt;
  }

  void give_back(const std::uint8_t* bytes) EXCLUDES(mutex_) {
    const auto begin = static_cast<std::size_t>(bytes - memory_.data());
    const MutexLock lock(mutex_);
    const auto piece = std::ranges::find(taken_, begin, &Piece::begin);
    piece->free = true;
    while (!taken_.empty() && taken_.front().free) taken_.pop_front();
    room_.notify_all();
  }

  PageBuffer memory_;
  Mutex mutex_;
  CondVar room_;
  std::deque<Piece> taken_ GUARDED_BY(mutex_);  // in the order of take()
  bool aborted_ GUARDED_BY(mutex_) = false;
};

}  // namespace backstay
