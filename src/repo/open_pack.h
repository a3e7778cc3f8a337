// A pack while it grows: frames are sealed straight into its buffer by several workers at once.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/page_buffer.h"
#include "base/rng.h"
#include "repo/pack.h"

namespace backstay::repo {

class OpenPack {
 public:
  // Frames go into `buffer`: its size is what the pack holds.
  static Result<std::unique_ptr<OpenPack>> create(PackKind kind, PageBuffer buffer,
                                                  const Keyring& keyring, const Config& config,
                                                  Rng& rng);

  // Waits for reservations that are still being written: the buffer is theirs until then.
  ~OpenPack() { wait_for_writers(); }

  static constexpr std::size_t kChunksMax = 12 * 1024;

  // A place for a frame. Called under the owner's lock; the sealing happens outside of it.
  struct Reservation {
    std::uint32_t offset = 0;
    MutableByteView place;
  };
  // Also false when the directory would grow large beside the frames: tiny chunks are many.
  [[nodiscard]] bool fits(const FrameRecord& frame) const {
    return size_ + frame.sealed_length <= buffer_.size() &&
           (chunks_ == 0 || chunks_ + frame.chunks.size() <= kChunksMax);
  }
  Reservation reserve(FrameRecord frame);
  // The reservation's bytes are in place.
  void written();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] crypto::Suite suite() const { return suite_; }
  [[nodiscard]] const crypto::Secret& key() const { return key_; }

  // What is stored: the frames in this buffer, then the sealed directory and trailer.
  struct Finished {
    ObjectId id;
    Bytes tail;
    PackEntries entries;
    std::uint64_t raw_bytes = 0;
  };
  // Waits for all reservations to be written. Pads the directory by up to 1 % of the pack.
  Result<Finished> finish(Rng& rng);
  [[nodiscard]] ByteView frames() const { return {buffer_.data(), size_}; }
  [[nodiscard]] PackKind kind() const { return kind_; }
  // The buffer for another pack, once this one is stored: its pages are resident already.
  [[nodiscard]] PageBuffer take_buffer() { return std::exchange(buffer_, {}); }

 private:
  OpenPack() = default;
  void wait_for_writers();

  PackKind kind_ = PackKind::kData;
  crypto::Suite suite_ = crypto::Suite::kAes256Gcm;
  crypto::Secret key_;
  std::size_t size_ = 0;
  std::size_t chunks_ = 0;
  PageBuffer buffer_;
  PackDirectory directory_;
  Mutex mutex_;
  CondVar all_written_;
  std::uint32_t unwritten_ GUARDED_BY(mutex_) = 0;
};

}  // namespace backstay::repo
