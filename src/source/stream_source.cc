#include "source/stream_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/try.h"
#include "io/metadata.h"
#include "io/process.h"
#include "io/stream.h"
#include "snapshot/tree_key.h"

namespace backstay::source {
namespace {

constexpr int kStandardInput = 0;

// Where the bytes come from, read by one thread.
class Stream {
 public:
  virtual ~Stream() = default;
  // 0 at the end; a failure when the stream did not end well.
  virtual Result<std::size_t> read(MutableByteView out) = 0;
};

class StandardInput final : public Stream {
 public:
  explicit StandardInput(std::stop_token stop) : stop_(std::move(stop)) {}

  Result<std::size_t> read(MutableByteView out) override {
    return TRY_DOING("reading standard input", io::read_stream(kStandardInput, out, stop_));
  }

 private:
  const std::stop_token stop_;
};

class CommandOutput final : public Stream {
 public:
  CommandOutput(std::string name, io::ChildProcess child, std::stop_token stop)
      : name_(std::move(name)), child_(std::move(child)), stop_(std::move(stop)) {}

  Result<std::size_t> read(MutableByteView out) override {
    if (!status_) {
      const std::size_t got = TRY(child_.read_stdout(out, stop_));
      if (got > 0) return got;
      status_ = TRY(child_.wait(stop_));
    }
    if (*status_ == 0) return std::size_t{0};
    const std::string what = fmt::format("the command {} ended with status {}", name_, *status_);
    return std::unexpected(Error(ErrorCode::kInvalidArgument, what)
                               .with_hint("Run the command alone to see why it fails."));
  }

 private:
  const std::string name_;
  io::ChildProcess child_;
  const std::stop_token stop_;
  std::optional<int> status_;  // once it has ended
};

class StreamReader final : public FileReader {
 public:
  StreamReader(std::unique_ptr<Stream> stream, snapshot::Entry entry, const Clock& clock)
      : stream_(std::move(stream)), entry_(std::move(entry)), clock_(clock) {}

  Result<std::optional<FileRun>> next_run() override {
    if (std::exchange(started_, true)) return std::nullopt;
    return FileRun{0, UINT64_MAX, false};
  }
  // Fills `out` as far as it can, so that a pipe's small pieces do not become small chunks.
  Result<std::size_t> read(MutableByteView out) override {
    std::size_t filled = 0;
    while (filled < out.size() && !ended_) {
      const std::size_t got = TRY(stream_->read(out.subspan(filled)));
      ended_ = got == 0;
      filled += got;
    }
    entry_.size_bytes += filled;
    return filled;
  }
  Result<snapshot::Entry> entry_now() override {
    entry_.modified = entry_.changed = clock_.now();
    return entry_;
  }

 private:
  const std::unique_ptr<Stream> stream_;
  snapshot::Entry entry_;
  const Clock& clock_;
  bool started_ = false;
  bool ended_ = false;
};

class StreamSource final : public Source {
 public:
  StreamSource(std::vector<SourceItem> items, std::unique_ptr<Stream> stream, const Clock& clock)
      : items_(std::move(items)), clock_(clock), stream_(std::move(stream)) {}

  Result<std::optional<SourceItem>> next() override {
    if (given_ == items_.size()) return std::nullopt;
    return items_[given_++];
  }

  Result<std::unique_ptr<FileReader>> open(SourceItem& item) override {
    if (item.key != items_.back().key) {
      return fail(ErrorCode::kInvalidArgument, "only the stream itself can be read");
    }
    std::unique_ptr<Stream> stream;
    {
      const MutexLock lock(mutex_);
      stream = std::move(stream_);
    }
    if (!stream) return fail(ErrorCode::kUnsupported, "a stream can be read only once");
    return std::make_unique<StreamReader>(std::move(stream), items_.back().entry, clock_);
  }

 private:
  const std::vector<SourceItem> items_;  // folders from the root down, then the stream
  std::size_t given_ = 0;
  const Clock& clock_;
  Mutex mutex_;
  std::unique_ptr<Stream> stream_ GUARDED_BY(mutex_);
};

std::vector<SourceItem> items_for(std::string_view key, std::uint32_t mode, Timestamp now) {
  const io::Owner owner = io::process_owner();
  std::vector<SourceItem> items;
  for (std::string_view part = key;; part = snapshot::parent_of_key(part)) {
    SourceItem& item = items.emplace_back();
    item.key = part;
    item.entry.type =
        items.size() == 1 ? snapshot::EntryType::kFile : snapshot::EntryType::kDirectory;
    item.entry.mode = items.size() == 1 ? mode : 0755;
    item.entry.uid = owner.uid;
    item.entry.gid = owner.gid;
    item.entry.modified = item.entry.changed = now;
    if (part.empty()) break;
  }
  std::reverse(items.begin(), items.end());
  return items;
}

}  // namespace

Result<std::unique_ptr<Source>> open_stream_source(StreamSourceOptions options,
                                                   const Clock& clock) {
  const std::string path = snapshot::clean_path(options.path, "/");
  const std::string key = snapshot::key_from_path(path);
  if (key.empty() || options.mode > 07777U || !snapshot::validate_key(key) ||
      options.path.find('\0') != options.path.npos) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "not the path of a file: " + options.path)
            .with_hint("Give the stream a name such as /dump.sql."));
  }
  std::unique_ptr<Stream> stream = std::make_unique<StandardInput>(options.stop);
  if (!options.command.empty()) {
    io::ChildProcess child = TRY(io::ChildProcess::start(options.command));
    stream = std::make_unique<CommandOutput>(options.command.front(), std::move(child),
                                             std::move(options.stop));
  }
  return std::make_unique<StreamSource>(items_for(key, options.mode, clock.now()),
                                        std::move(stream), clock);
}

}  // namespace backstay::source
