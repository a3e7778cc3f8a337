// A source without a disk behind it: names, attributes and bytes are computed, so that ten million
// files or a hundred GiB can be backed up on a machine that has room for neither, and the cost that
// is measured is the engine's own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "source/source.h"

namespace backstay::bench {

enum class Layout : std::uint8_t {
  kTree,       // folders of 1,000 entries
  kOneFolder,  // everything in a single one
};

enum class Texture : std::uint8_t {
  kNoise,  // does not compress
  kText,   // compresses about as source code does
};

struct Corpus {
  Layout layout = Layout::kTree;
  Texture texture = Texture::kText;
  std::uint64_t entries = 0;     // files, and the folders below the top one
  std::uint64_t file_bytes = 0;  // of each file
  bool churned = false;          // one file in a hundred has other bytes, and a later time
};

inline constexpr std::uint64_t kEntriesInFolder = 1000;

// The folder that holds everything, as a snapshot names it.
inline constexpr std::string_view kTopFolder = "/simulated";
// Entries count from 1 in the order of the walk.
[[nodiscard]] std::string path_of_entry(const Corpus& corpus, std::uint64_t number);
// The path of the file in the middle of the corpus.
[[nodiscard]] std::string middle_file(const Corpus& corpus);

// The bytes of any file at any place, without state but a pattern of 4 MiB that all share: no two
// stretches of 4 KiB are the same, in one file or in two.
class SimulatedBytes {
 public:
  explicit SimulatedBytes(Texture texture);
  void fill(std::uint64_t file, std::uint64_t offset, MutableByteView out) const;

 private:
  Bytes pattern_;
};

// `bytes` outlives the source.
[[nodiscard]] std::unique_ptr<source::Source> open_simulated_source(const Corpus& corpus,
                                                                    const SimulatedBytes& bytes);

}  // namespace backstay::bench
