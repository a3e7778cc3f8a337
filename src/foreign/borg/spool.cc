#include "foreign/borg/spool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "io/file.h"
#include "json/utf8.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::borg {

namespace {

constexpr std::uint64_t kBatchMin = 64 * kMiB;
constexpr std::uint64_t kBatchMax = std::uint64_t{32} << 30;
constexpr std::size_t kBatchFiles = 500'000;
// Patterns that cannot stand in a file go into the arguments, which have a limit.
constexpr std::size_t kArgumentBytesMax = 64 * 1024;
constexpr std::size_t kPieceBytes = 256 * 1024;

// As borg has it: without the folder that the archive is laid into.
std::string borg_path(const std::string& key, const std::string& base) {
  const std::string_view below =
      base.empty() ? std::string_view(key) : std::string_view(key).substr(base.size() + 1);
  return snapshot::path_from_key(below).substr(1);
}

bool ends_in_space(std::string_view path) {
  constexpr std::array<std::string_view, 21> kSpaces{" ",
                                                     "\xC2\x85",
                                                     "\xC2\xA0",
                                                     "\xE1\x9A\x80",
                                                     "\xE2\x80\x80",
                                                     "\xE2\x80\x81",
                                                     "\xE2\x80\x82",
                                                     "\xE2\x80\x83",
                                                     "\xE2\x80\x84",
                                                     "\xE2\x80\x85",
                                                     "\xE2\x80\x86",
                                                     "\xE2\x80\x87",
                                                     "\xE2\x80\x88",
                                                     "\xE2\x80\x89",
                                                     "\xE2\x80\x8A",
                                                     "\xE2\x80\xA8",
                                                     "\xE2\x80\xA9",
                                                     "\xE2\x80\xAF",
                                                     "\xE2\x81\x9F",
                                                     "\xE3\x80\x80",
                                                     "\xEF\xBB\xBF"};
  return std::ranges::any_of(kSpaces,
                             [&](std::string_view space) { return path.ends_with(space); });
}

}  // namespace

bool fits_a_line(std::string_view path) {
  const bool control = std::ranges::any_of(
      path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return !control && json::is_utf8(path) && !ends_in_space(path);
}

class Spool::SpooledFile final : public source::FileReader {
 public:
  SpooledFile(BatchPtr batch, std::uint64_t offset, snapshot::Entry entry)
      : batch_(std::move(batch)),
        offset_(offset),
        left_(entry.size_bytes),
        entry_(std::move(entry)) {}
  Result<std::optional<source::FileRun>> next_run() override {
    if (std::exchange(given_, true) || left_ == 0) return std::nullopt;
    return source::FileRun{.offset = 0, .length = left_, .hole = false};
  }
  Result<std::size_t> read(MutableByteView out) override {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_));
    if (part == 0) return part;
    const std::size_t got = TRY(io::pread_full(batch_->file.get(), out.first(part), offset_));
    if (got != part) return fail(ErrorCode::kInternal, "the scratch file is too short");
    offset_ += part;
    left_ -= part;
    return part;
  }
  // Nobody changes it meanwhile.
  Result<snapshot::Entry> entry_now() override { return entry_; }

 private:
  const BatchPtr batch_;
  std::uint64_t offset_;
  std::uint64_t left_;
  const snapshot::Entry entry_;
  bool given_ = false;
};

class Spool::StreamedFile final : public source::FileReader {
 public:
  StreamedFile(io::ChildProcess child, io::Fd patterns, snapshot::Entry entry, std::stop_token stop)
      : child_(std::move(child)),
        patterns_(std::move(patterns)),
        left_(entry.size_bytes),
        entry_(std::move(entry)),
        stop_(std::move(stop)) {}
  Result<std::optional<source::FileRun>> next_run() override {
    if (std::exchange(given_, true)) return std::nullopt;
    return source::FileRun{.offset = 0, .length = left_, .hole = false};
  }
  Result<std::size_t> read(MutableByteView out) override {
    if (left_ == 0) return std::size_t{0};
    const std::size_t got = TRY(child_.read_stdout(out, stop_));
    if (got == 0 || got > left_)
      return fail(ErrorCode::kCorruption, "borg gives another number of bytes than it says");
    left_ -= got;
    if (left_ > 0) return got;
    // Before the last bytes count, borg has to say that all went well.
    std::array<std::uint8_t, 1> more{};
    if (TRY(child_.read_stdout(more, stop_)) != 0)
      return fail(ErrorCode::kCorruption, "borg gives another number of bytes than it says");
    TRY(must_end_well(child_, ErrorCode::kCorruption, stop_));
    return got;
  }
  Result<snapshot::Entry> entry_now() override { return entry_; }

 private:
  io::ChildProcess child_;
  const io::Fd patterns_;
  std::uint64_t left_;
  const snapshot::Entry entry_;
  const std::stop_token stop_;
  bool given_ = false;
};

Spool::Spool(const BorgCommand& borg, std::shared_ptr<const Archive> archive,
             std::vector<bool> wanted, ForeignHooks hooks)
    : borg_(borg),
      archive_(std::move(archive)),
      wanted_(std::move(wanted)),
      hooks_(std::move(hooks)) {}

// From the first on, by key, what is wanted and fits.
Result<std::vector<std::uint32_t>> Spool::plan(std::uint32_t first) const {
  const std::vector<ArchiveEntry>& entries = archive_->entries;
  std::vector<std::uint32_t> numbers{entries[first].bytes_of};
  std::uint64_t bytes = entries[numbers.front()].size;
  std::size_t argument_bytes = 0;
  for (std::uint32_t i = first + 1; i < entries.size() && numbers.size() < kBatchFiles; ++i) {
    const std::uint64_t size = entries[i].size;
    if (!wanted_[i] || size == 0) continue;
    // What is too large for any batch is read directly, and the rest goes on without it.
    if (size > batch_bytes_) continue;
    if (bytes + size > batch_bytes_) break;
    const ArchiveEntry& has_bytes = entries[entries[i].bytes_of];
    if (!fits_a_line(borg_path(has_bytes.key, ""))) argument_bytes += has_bytes.key.size() + 32;
    if (argument_bytes > kArgumentBytesMax) break;
    numbers.push_back(entries[i].bytes_of);
    bytes += size;
  }
  std::ranges::sort(numbers, {}, [&](std::uint32_t number) { return entries[number].order; });
  const auto repeated = std::ranges::unique(numbers);
  numbers.erase(repeated.begin(), repeated.end());
  return numbers;
}

Result<io::ChildProcess> Spool::start(const std::vector<std::uint32_t>& numbers,
                                      io::Fd& patterns) const {
  const BorgOptions& options = borg_.options();
  std::string lines;
  std::vector<std::string> arguments{"--stdout"};
  for (const std::uint32_t number : numbers) {
    const std::string path = borg_path(archive_->entries[number].key, options.base);
    if (fits_a_line(path)) {
      lines += "+ pf:" + path + "\n";
    } else {
      arguments.push_back("--pattern=+ pf:" + path);
    }
  }
  lines += "- re:.*\n";
  patterns = TRY(io::create_nameless_file(options.scratch_folder));
  TRY(io::pwrite_full(patterns.get(), as_bytes(lines), 0));
  arguments.push_back(fmt::format("--patterns-from=/dev/fd/{}", patterns.get()));
  arguments.push_back(borg_.archive(archive_->name));
  return borg_.start({"extract"}, arguments, {patterns.get()});
}

Result<Spool::BatchPtr> Spool::fetch(const std::vector<std::uint32_t>& numbers) const {
  auto batch = std::make_shared<Batch>();
  std::uint64_t expected = 0;
  for (const std::uint32_t number : numbers) {
    batch->offsets.emplace(number, expected);
    expected += archive_->entries[number].size;
  }
  batch->file = TRY(io::create_nameless_file(borg_.options().scratch_folder));
  io::Fd patterns;
  io::ChildProcess child = TRY(start(numbers, patterns));
  Bytes piece(kPieceBytes);
  std::uint64_t offset = 0;
  for (;;) {
    const std::size_t got = TRY(child.read_stdout(piece, hooks_.stop));
    if (got == 0) break;
    if (got > expected - offset) break;
    TRY_DOING("writing to the scratch folder " + borg_.options().scratch_folder,
              io::pwrite_full(batch->file.get(), ByteView(piece).first(got), offset));
    offset += got;
  }
  if (offset == expected) {
    if (TRY(child.read_stdout(piece, hooks_.stop)) != 0) offset = 0;
  }
  const bool whole = offset == expected;
  if (whole) TRY(must_end_well(child, ErrorCode::kCorruption, hooks_.stop));
  if (!whole) {
    return std::unexpected(
        Error(ErrorCode::kCorruption, "borg gives another number of bytes than it says")
            .with_hint("Run 'borg check --verify-data' on that repository."));
  }
  return BatchPtr(std::move(batch));
}

Result<std::unique_ptr<source::FileReader>> Spool::open(std::uint32_t number,
                                                        snapshot::Entry entry) {
  const std::uint32_t has_bytes = archive_->entries[number].bytes_of;
  const MutexLock lock(mutex_);
  if (batch_bytes_ == 0) {
    const std::uint64_t free = TRY(io::free_bytes(borg_.options().scratch_folder));
    batch_bytes_ = std::clamp(free / 4, kBatchMin, kBatchMax);
  }
  if (entry.size_bytes > batch_bytes_) {
    io::Fd patterns;
    io::ChildProcess child = TRY(start({has_bytes}, patterns));
    return std::make_unique<StreamedFile>(std::move(child), std::move(patterns), std::move(entry),
                                          hooks_.stop);
  }
  const auto in_one = [&](const BatchPtr& batch) { return batch->offsets.contains(has_bytes); };
  auto found = std::ranges::find_if(batches_, in_one);
  if (entry.size_bytes > 0 && found == batches_.end()) {
    if (batches_.size() >= 2) batches_.erase(batches_.begin());
    batches_.push_back(TRY(fetch(TRY(plan(number)))));
    found = batches_.end() - 1;
  }
  if (entry.size_bytes == 0) return std::make_unique<SpooledFile>(nullptr, 0, std::move(entry));
  return std::make_unique<SpooledFile>(*found, (*found)->offsets.at(has_bytes), std::move(entry));
}

}  // namespace backstay::foreign::borg
