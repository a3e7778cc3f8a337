// Reads one open regular file run by run, leaving out its holes.
#pragma once

#include <memory>

#include "io/metadata.h"
#include "source/entry_status.h"
#include "source/source.h"

namespace backstay::source {

// Stops at the size that the file has when it is opened, so that a log that grows for ever comes to
// an end; what shrinks meanwhile ends early. `seen` is what the walk saw.
std::unique_ptr<FileReader> read_open_file(io::OpenNode file, const snapshot::Entry& seen,
                                           AccessTimes access_times);

}  // namespace backstay::source
