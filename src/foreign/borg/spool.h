// The bytes of files of an archive, in the order in which we want them.
//
// borg gives the files of an archive in the order in which it met them, in one stream; a backup of
// ours reads them by ascending key. So they are fetched in batches: of the next files by key as
// many as fit into a file without a name, with one call of 'borg extract --stdout' that writes them
// in its own order. Sizes are known beforehand, so what comes is cut by them; borg checks the
// bytes. A file that is larger than a batch may be is read from borg directly.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "foreign/borg/archive.h"
#include "foreign/borg/command.h"
#include "source/source.h"

namespace backstay::foreign::borg {

class Spool {
 public:
  // `wanted` says by entry what will likely be asked for; others may be, at the price of a batch.
  Spool(const BorgCommand& borg, std::shared_ptr<const Archive> archive, std::vector<bool> wanted,
        ForeignHooks hooks);

  // The bytes of a regular file; `entry` is what entry_now() gives. Thread-safe; who asks while a
  // batch is fetched waits for it.
  Result<std::unique_ptr<source::FileReader>> open(std::uint32_t number, snapshot::Entry entry)
      EXCLUDES(mutex_);

 private:
  struct Batch {
    io::Fd file;
    std::map<std::uint32_t, std::uint64_t> offsets;  // by entry
  };
  class SpooledFile;
  class StreamedFile;
  using BatchPtr = std::shared_ptr<const Batch>;

  Result<std::vector<std::uint32_t>> plan(std::uint32_t first) const;
  Result<BatchPtr> fetch(const std::vector<std::uint32_t>& numbers) const;
  Result<io::ChildProcess> start(const std::vector<std::uint32_t>& numbers, io::Fd& patterns) const;

  const BorgCommand& borg_;
  const std::shared_ptr<const Archive> archive_;
  const std::vector<bool> wanted_;
  const ForeignHooks hooks_;
  std::uint64_t batch_bytes_ = 0;

  Mutex mutex_;  // held while a batch is fetched, too: all that ask wait for the same one
  std::vector<BatchPtr> batches_ GUARDED_BY(mutex_);  // the last two
};

// Whether a path can stand in a line of a pattern file, which borg strips of white space.
[[nodiscard]] bool fits_a_line(std::string_view path);

}  // namespace backstay::foreign::borg
