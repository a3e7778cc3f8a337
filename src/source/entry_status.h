// From what the kernel says to what a snapshot keeps.
#pragma once

#include <functional>
#include <vector>

#include "base/error.h"
#include "io/metadata.h"
#include "snapshot/entry.h"

namespace backstay::source {

enum class AccessTimes : std::uint8_t { kDrop, kKeep };

// Everything that status holds; the rest stays empty. Fails with unsupported on an unknown kind of
// file.
//
// The device number is kept only where it is needed, for files with several links: numbers of
// snapshots of volumes, of loop devices and of network mounts change from run to run, and would
// change every entry.
Result<snapshot::Entry> entry_from_status(const io::FileStatus& status, AccessTimes access_times);

// Takes over what reading costs more than a stat.
void copy_attributes(const snapshot::Entry& from, snapshot::Entry& to);
void set_xattrs(std::vector<io::NamedValue>& values, snapshot::Entry& entry);
// What a stat does not tell of an open file or folder. What cannot be read is reported and stays
// empty.
void set_open_attributes(int fd, io::XattrReader& xattrs, snapshot::Entry& entry,
                         const std::function<void(const Error&)>& report);

// What is said of a file that is not there any more, of one that is another by now, and of one that
// may not be read.
[[nodiscard]] Error vanished();
[[nodiscard]] Error replaced();
[[nodiscard]] Error with_reader_hint(Error error);

}  // namespace backstay::source
