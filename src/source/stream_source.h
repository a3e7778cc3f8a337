// One file whose bytes come from standard input or from a command.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "source/source.h"

namespace backstay::source {

struct StreamSourceOptions {
  std::string path = "/stdin";       // where the stream appears in the snapshot
  std::vector<std::string> command;  // empty: standard input. No shell is involved.
  std::uint32_t mode = 0600;
  // Ends a read that waits for bytes, with `cancelled`; the command is ended then too.
  std::stop_token stop;
};

// The stream can be read once. A command that ends with a non-zero status makes the last read fail,
// so that half a dump is never taken for a whole one (restic asks for the same).
Result<std::unique_ptr<Source>> open_stream_source(StreamSourceOptions options, const Clock& clock);

}  // namespace backstay::source
