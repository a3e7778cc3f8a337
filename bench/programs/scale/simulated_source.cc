#include "scale/simulated_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/rng.h"
#include "snapshot/tree_key.h"

namespace backstay::bench {
namespace {

constexpr std::size_t kPatternBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kStretchBytes = 4096;
constexpr std::int64_t kSomeTime = 1'700'000'000;
constexpr std::int64_t kADay = 86'400;
constexpr std::uint64_t kFirstInode = 1000;
constexpr std::uint64_t kChurnedBytes = 1ULL << 40U;  // added to what says which bytes a file has

Bytes noise_pattern() {
  Bytes pattern(kPatternBytes);
  SeededRng(1).fill(pattern);
  return pattern;
}

// Words of a small vocabulary, the first ones oftener, in lines.
Bytes text_pattern() {
  constexpr std::size_t kWords = 3000;
  SeededRng rng(2);
  std::vector<std::string> words;
  for (std::size_t i = 0; i < kWords; ++i) {
    std::string word;
    for (std::uint64_t left = 2 + rng.below(9); left > 0; --left)
      word += static_cast<char>('a' + rng.below(26));
    words.push_back(std::move(word));
  }
  std::string text;
  while (text.size() < kPatternBytes) {
    text += words[rng.below(1 + rng.below(kWords))];
    text += rng.below(11) == 0 ? '\n' : ' ';
  }
  text.resize(kPatternBytes);
  return to_owned(as_bytes(text));
}

// Entry number 0 is the top folder. In a tree every 1,000th one is a folder, and those that follow
// are in it.
bool is_folder(const Corpus& corpus, std::uint64_t number) {
  return number == 0 || (corpus.layout == Layout::kTree && number % kEntriesInFolder == 1);
}

bool is_churned(const Corpus& corpus, std::uint64_t number) {
  return corpus.churned && number % 100 == 37;
}

snapshot::Entry entry_of(const Corpus& corpus, std::uint64_t number) {
  snapshot::Entry entry;
  const bool folder = is_folder(corpus, number);
  entry.type = folder ? snapshot::EntryType::kDirectory : snapshot::EntryType::kFile;
  entry.mode = folder ? 0755 : 0644;
  entry.uid = entry.gid = 1000;
  // Times as a file system has them: spread, and with odd nanoseconds.
  entry.modified = {.seconds = kSomeTime + static_cast<std::int64_t>(number % 100'000),
                    .nanos = static_cast<std::uint32_t>(number * 7919 % 1'000'000'000)};
  if (is_churned(corpus, number)) entry.modified.seconds += kADay;
  entry.changed = entry.modified;
  entry.inode = kFirstInode + number;
  entry.device = 2049;
  entry.size_bytes = folder ? 0 : corpus.file_bytes;
  return entry;
}

class SimulatedFile final : public source::FileReader {
 public:
  SimulatedFile(const Corpus& corpus, const SimulatedBytes& bytes, const snapshot::Entry& entry)
      : bytes_(bytes),
        entry_(entry),
        content_(entry.inode +
                 (is_churned(corpus, entry.inode - kFirstInode) ? kChurnedBytes : 0)) {}

  Result<std::optional<source::FileRun>> next_run() override {
    if (at_ == entry_.size_bytes) return std::nullopt;
    return source::FileRun{.offset = 0, .length = entry_.size_bytes, .hole = false};
  }
  Result<std::size_t> read(MutableByteView out) override {
    const std::uint64_t wanted = std::min<std::uint64_t>(out.size(), entry_.size_bytes - at_);
    bytes_.fill(content_, at_, out.first(static_cast<std::size_t>(wanted)));
    at_ += wanted;
    return static_cast<std::size_t>(wanted);
  }
  Result<snapshot::Entry> entry_now() override { return entry_; }

 private:
  const SimulatedBytes& bytes_;
  const snapshot::Entry entry_;
  const std::uint64_t content_;
  std::uint64_t at_ = 0;
};

class SimulatedSource final : public source::Source {
 public:
  SimulatedSource(const Corpus& corpus, const SimulatedBytes& bytes)
      : corpus_(corpus), bytes_(bytes) {}

  Result<std::optional<source::SourceItem>> next() override {
    if (next_ > corpus_.entries) return std::nullopt;
    const std::uint64_t number = next_++;
    return source::SourceItem{.key = snapshot::key_from_path(path_of_entry(corpus_, number)),
                              .entry = entry_of(corpus_, number)};
  }
  Result<std::unique_ptr<source::FileReader>> open(source::SourceItem& item) override {
    return std::make_unique<SimulatedFile>(corpus_, bytes_, item.entry);
  }

 private:
  const Corpus corpus_;
  const SimulatedBytes& bytes_;
  std::uint64_t next_ = 0;
};

}  // namespace

std::string path_of_entry(const Corpus& corpus, std::uint64_t number) {
  if (number == 0) return std::string(kTopFolder);
  if (corpus.layout == Layout::kOneFolder) return fmt::format("{}/file-{:08}", kTopFolder, number);
  const std::uint64_t folder = (number - 1) / kEntriesInFolder;
  const std::uint64_t in_folder = (number - 1) % kEntriesInFolder;
  if (in_folder == 0) return fmt::format("{}/folder-{:06}", kTopFolder, folder);
  return fmt::format("{}/folder-{:06}/file-{:03}", kTopFolder, folder, in_folder);
}

std::string middle_file(const Corpus& corpus) {
  std::uint64_t number = std::max<std::uint64_t>(1, corpus.entries / 2);
  if (is_folder(corpus, number)) ++number;
  return path_of_entry(corpus, number);
}

SimulatedBytes::SimulatedBytes(Texture texture)
    : pattern_(texture == Texture::kNoise ? noise_pattern() : text_pattern()) {}

// Each stretch is one of the pattern, in order, and begins with a number that no other has.
void SimulatedBytes::fill(std::uint64_t file, std::uint64_t offset, MutableByteView out) const {
  while (!out.empty()) {
    const std::uint64_t stretch = offset / kStretchBytes;
    const std::uint64_t in_stretch = offset % kStretchBytes;
    const std::uint64_t from = (file + stretch) * kStretchBytes % kPatternBytes;
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), kStretchBytes - in_stretch));
    std::memcpy(out.data(), pattern_.data() + from + in_stretch, length);
    std::uint8_t number[2 * sizeof(std::uint64_t)];
    store_le(number, file);
    store_le(number + sizeof(std::uint64_t), stretch);
    if (in_stretch < sizeof number) {
      const std::size_t marked = std::min(length, sizeof number - in_stretch);
      std::memcpy(out.data(), number + in_stretch, marked);
    }
    offset += length;
    out = out.subspan(length);
  }
}

std::unique_ptr<source::Source> open_simulated_source(const Corpus& corpus,
                                                      const SimulatedBytes& bytes) {
  return std::make_unique<SimulatedSource>(corpus, bytes);
}

}  // namespace backstay::bench
