// Where data comes from. A source gives its entries in the order of tree keys, without their bytes;
// the engine then opens those it needs, on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "snapshot/entry.h"

namespace backstay::source {

struct SourceItem {
  std::string key;  // snapshot/tree_key.h
  snapshot::Entry entry;
  bool incomplete = false;   // some attributes could not be read
  bool complete = false;     // nothing of the entry is to be taken from an older one, or to be read
  bool read_anyway = false;  // the source knows that the bytes are others, whatever the times say
};

// A run of a file: data to be read, or a hole that was never allocated.
struct FileRun {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool hole = false;
};

// An open regular file. Used by one thread at a time.
class FileReader {
 public:
  virtual ~FileReader() = default;
  // The next run in file order: nothing at the end of the file. A data run is read() to its end
  // before the next call. The length of a stream's run is not known beforehand: it is UINT64_MAX
  // then.
  virtual Result<std::optional<FileRun>> next_run() = 0;
  // Reads up to out.size() bytes of the current run; 0 at its end (also when the file shrank
  // meanwhile).
  virtual Result<std::size_t> read(MutableByteView out) = 0;
  // After the last byte: the file's entry as it is now (size, times). The engine compares it with
  // what open() saw and marks the entry when the file changed while it was read.
  virtual Result<snapshot::Entry> entry_now() = 0;
};

// Things that a source could not read. The run goes on and ends as partial.
using ReportError = std::function<void(const std::string& path, const Error& error)>;

// What the engine gives to a source when it opens it.
struct SourceHooks {
  ReportError report;
  // Requested when the run ends early, for whatever reason: nothing may be waited for after that.
  std::stop_token stop;
};

class Source {
 public:
  virtual ~Source() = default;
  // The next item in strictly ascending key order, or nothing at the end. Trouble with single files
  // goes to ReportError and the file is left out; a failure here ends the run. One thread calls it.
  //
  // The entry may lack what costs more than a look (extended attributes, inode flags, project id),
  // which nobody needs of what did not change: open() adds it for regular files, read_attributes()
  // for the rest.
  virtual Result<std::optional<SourceItem>> next() = 0;
  // Adds what next() left out of an entry that is no regular file. What cannot be read goes to
  // ReportError and stays empty. One thread calls it, while another calls next().
  virtual void read_attributes(SourceItem& /*item*/) {}
  // Opens a regular file that next() gave, and makes its entry complete but for the content: as the
  // file is now, should it have changed since then. Thread-safe. not_found when it vanished
  // meanwhile, conflict when something else has its name.
  virtual Result<std::unique_ptr<FileReader>> open(SourceItem& item) = 0;
};

}  // namespace backstay::source
