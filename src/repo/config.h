// What never changes about a repository (docs/format.md section 3.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "chunk/content_chunker.h"
#include "crypto/aead.h"
#include "repo/object.h"

namespace backstay::repo {

// off, auto, or a zstd level.
struct Compression {
  enum class Mode : std::uint8_t { kOff, kAuto, kLevel };
  Mode mode = Mode::kAuto;
  int level = 1;  // kLevel only
  friend bool operator==(const Compression&, const Compression&) = default;
};
Result<Compression> parse_compression(std::string_view text);  // "off", "auto", "-7" ... "22"
[[nodiscard]] std::string to_string(const Compression& compression);

struct Config {
  RepositoryId id;
  std::vector<std::string> required_features;
  std::vector<std::string> optional_features;
  Timestamp created;
  crypto::Suite suite = crypto::Suite::kAes256Gcm;
  chunk::CutSizes cut;
  std::uint32_t fixed_piece_bytes = 32 * 1024;
  Compression compression;
  std::uint32_t pack_bytes = 16 * 1024 * 1024;
  std::uint32_t frame_bytes = 1024 * 1024;
  std::string program;
};

[[nodiscard]] Bytes encode_config(const Config& config);  // the whole object
Result<Config> decode_config(ByteView stored);

}  // namespace backstay::repo
