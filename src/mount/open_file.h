// A file of a snapshot while programs read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "mount/content_map.h"
#include "mount/frame_store.h"

namespace backstay::mount {

// Thread-safe: the kernel asks for several parts at once.
class OpenFile {
 public:
  // All must outlive it. corruption when the entry contradicts itself.
  static Result<std::unique_ptr<OpenFile>> open(std::shared_ptr<const snapshot::Entry> file,
                                                repo::Repository& repository, FrameStore& frames);

  // Fills `out` with what stands at `offset`, as far as the file goes; gives how many bytes. All or
  // nothing: a damaged chunk fails the whole call.
  Result<std::size_t> read(std::uint64_t offset, MutableByteView out, const GivenUp& given_up);

  // The next byte at or after `offset` that is in no hole, or that is in one; where data ends, a
  // hole begins. Nothing when there is none before the end of the file.
  Result<std::optional<std::uint64_t>> next_data(std::uint64_t offset);
  Result<std::optional<std::uint64_t>> next_hole(std::uint64_t offset);

 private:
  OpenFile(std::unique_ptr<ContentMap> map, repo::Repository& repository, FrameStore& frames)
      : map_(std::move(map)), repository_(repository), frames_(frames) {}
  Result<void> copy_from(const PlacedExtent& placed, std::uint64_t offset, MutableByteView out,
                         const GivenUp& given_up);
  enum class Wanted : std::uint8_t { kData, kHole };
  Result<std::optional<std::uint64_t>> next_where(std::uint64_t offset, Wanted wanted);
  void look_ahead(std::uint64_t from, std::uint64_t until) EXCLUDES(mutex_);
  // Up to where frames should be on their way by now, and from where; empty when reads jump about.
  struct Ahead {
    std::uint64_t from = 0;
    std::uint64_t until = 0;
  };
  Ahead plan_ahead(std::uint64_t from, std::uint64_t until) EXCLUDES(mutex_);

  const std::unique_ptr<ContentMap> map_;
  repo::Repository& repository_;
  FrameStore& frames_;
  Mutex mutex_;
  std::uint64_t read_until_ GUARDED_BY(mutex_) = 0;      // where the read before ended
  std::uint64_t expected_until_ GUARDED_BY(mutex_) = 0;  // frames up to there are on their way
  std::uint64_t distance_ GUARDED_BY(mutex_) = 0;
};

}  // namespace backstay::mount
