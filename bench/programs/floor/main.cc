// bench_floor FOLDER OUT: the least that a backup has to do. Threads read files, cut, hash,
// compress and encrypt their bytes and write them into files of 16 MiB. There is no tree, no index,
// no attributes, nothing is found to be stored already, nothing is verified, and nothing can be
// restored: it is the yardstick for the engine, and throw-away by intent.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "base/page_buffer.h"
#include "base/try.h"
#include "chunk/content_chunker.h"
#include "compress/zstd_codec.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "io/file.h"
#include "json/json.h"

namespace backstay::bench {
namespace {

constexpr std::size_t kReadBytes = 8 * 1024 * 1024;
constexpr std::size_t kPackBytes = 16 * 1024 * 1024;
constexpr std::size_t kBatchFiles = 64;
constexpr std::size_t kBatchesWaiting = 64;

struct FloorOptions {
  std::string folder;
  std::string out;
  std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  int level = -1;
  std::size_t frame_bytes = 1024 * 1024;
  bool unsynced = false;
};

struct Totals {
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint64_t> chunks{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> packs{0};
};

struct Keys {
  crypto::Secret chunk_id;
  crypto::Secret pack;
  chunk::GearTable gear;
};

// Everything from the open file to the pack, one a thread.
class Pipeline {
 public:
  Pipeline(const FloorOptions& options, const Keys& keys, Totals& totals)
      : options_(options),
        keys_(keys),
        totals_(totals),
        chunker_(keys.gear, {}),
        read_(kReadBytes),
        pack_(kPackBytes) {}

  Result<void> take(const std::string& path) {
    const io::Fd file = TRY(io::open_file(path, io::OpenMode::kReadNoAtime));
    std::size_t held = 0;
    while (true) {
      const MutableByteView room = read_.bytes().subspan(held);
      const std::size_t got = TRY(io::read_full(file.get(), room));
      const bool at_end = got < room.size();
      totals_.bytes += got;
      const ByteView data = read_.bytes().first(held + got);
      const std::size_t used = TRY(store_pieces(data, at_end));
      if (at_end) break;
      held = data.size() - used;
      std::memmove(read_.data(), data.data() + used, held);
    }
    ++totals_.files;
    return {};
  }
  Result<void> finish() {
    TRY(store_frame(group_));
    group_.clear();
    return write_pack();
  }

 private:
  Result<std::size_t> store_pieces(ByteView data, bool at_end) {
    lengths_.clear();
    const std::size_t used = chunker_.cut(data, at_end, lengths_);
    std::size_t at = 0;
    for (const std::uint32_t length : lengths_) {
      TRY(store_piece(data.subspan(at, length)));
      at += length;
    }
    return used;
  }
  // Small pieces in groups, as the engine does; a large one alone.
  Result<void> store_piece(ByteView piece) {
    // Nobody asks for the name, but making it is a part of the floor.
    static_cast<void>(crypto::blake3_keyed(keys_.chunk_id, piece));
    ++totals_.chunks;
    if (piece.size() >= options_.frame_bytes / 2) return store_frame(piece);
    append(group_, piece);
    if (group_.size() < options_.frame_bytes) return {};
    TRY(store_frame(group_));
    group_.clear();
    return {};
  }
  Result<void> store_frame(ByteView frame) {
    if (frame.empty()) return {};
    const ByteView packed = TRY(codec_.compress(frame, options_.level));
    const ByteView plain = packed.empty() ? frame : packed;
    const std::size_t sealed = plain.size() + crypto::kTagSize;
    if (pack_used_ + sealed > pack_.size()) TRY(write_pack());
    std::uint8_t nonce[crypto::kNonceSize]{};
    store_le(nonce, nonce_++);
    TRY(aead_.seal(crypto::Suite::kAes256Gcm, keys_.pack, nonce, plain,
                   pack_.bytes().subspan(pack_used_, sealed)));
    pack_used_ += sealed;
    return {};
  }
  Result<void> write_pack() {
    if (pack_used_ == 0) return {};
    const ByteView bytes = pack_.bytes().first(std::exchange(pack_used_, 0));
    const crypto::Digest name = crypto::blake3(bytes);
    totals_.stored += bytes.size();
    ++totals_.packs;
    const auto durability =
        options_.unsynced ? io::Durability::kUnsynced : io::Durability::kSyncedUncached;
    return io::create_file(options_.out + "/" + name.hex(), {&bytes, 1}, durability);
  }

  const FloorOptions& options_;
  const Keys& keys_;
  Totals& totals_;
  chunk::ContentChunker chunker_;
  compress::ZstdCodec codec_;
  crypto::Aead aead_;
  PageBuffer read_;
  PageBuffer pack_;
  std::size_t pack_used_ = 0;
  std::uint64_t nonce_ = 0;
  Bytes group_;
  std::vector<std::uint32_t> lengths_;
};

using Batch = std::vector<std::string>;

void read_batches(BoundedQueue<Batch>& queue, Pipeline& pipeline, Totals& totals) {
  const auto note = [&](const Result<void>& done) {
    if (done) return;
    ++totals.failures;
    fmt::print(stderr, "bench_floor: {}\n", done.error().describe());
  };
  while (const auto batch = queue.pop()) {
    for (const std::string& path : *batch) note(pipeline.take(path));
  }
  note(pipeline.finish());
}

void walk(const std::string& folder, BoundedQueue<Batch>& queue) {
  namespace fs = std::filesystem;
  Batch batch;
  std::error_code failed;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(folder, options, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (!at->is_regular_file(failed) || at->is_symlink(failed)) continue;
    batch.push_back(at->path());
    if (batch.size() >= kBatchFiles) queue.push(std::exchange(batch, {}));
  }
  if (!batch.empty()) queue.push(std::move(batch));
  queue.close();
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

void print(const Totals& totals, double wall) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  json::Json line;
  line["files"] = totals.files.load();
  line["bytes"] = totals.bytes.load();
  line["chunks"] = totals.chunks.load();
  line["packs"] = totals.packs.load();
  line["stored_bytes"] = totals.stored.load();
  line["failures"] = totals.failures.load();
  line["wall_seconds"] = wall;
  line["cpu_seconds"] = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  fmt::print("{}\n", json::to_line(line));
}

int run(const FloorOptions& options) {
  if (const auto made = io::make_directories(options.out); !made) {
    fmt::print(stderr, "bench_floor: {}\n", made.error().describe());
    return 1;
  }
  crypto::SystemRng rng;
  const auto chunker_key = crypto::Secret::random(rng);
  const Keys keys{.chunk_id = crypto::Secret::random(rng),
                  .pack = crypto::Secret::random(rng),
                  .gear = chunk::GearTable::from_key(chunker_key)};
  Totals totals;
  const auto start = std::chrono::steady_clock::now();
  {
    BoundedQueue<Batch> queue(kBatchesWaiting);
    std::vector<std::unique_ptr<Pipeline>> pipelines;
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < options.threads; ++i) {
      Pipeline& pipeline =
          *pipelines.emplace_back(std::make_unique<Pipeline>(options, keys, totals));
      threads.emplace_back([&] { read_batches(queue, pipeline, totals); });
    }
    walk(options.folder, queue);
    threads.clear();
  }
  if (!options.unsynced) static_cast<void>(io::sync_directory(options.out).has_value());
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  print(totals, wall.count());
  return totals.files == 0 ? 1 : 0;
}

int main_of(int count, char** values) {
  FloorOptions options;
  CLI::App app("Reads, cuts, hashes, compresses, encrypts, writes: the floor under a backup");
  app.add_option("folder", options.folder)->required();
  app.add_option("out", options.out)->required();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 256));
  app.add_option("--level", options.level, "of zstd; 0 is the program's own automatic level");
  app.add_option("--frame-bytes", options.frame_bytes);
  app.add_flag("--unsynced", options.unsynced, "do not wait for the disk");
  CLI11_PARSE(app, count, values);
  return run(options);
}

}  // namespace
}  // namespace backstay::bench

int main(int count, char** values) {
  return backstay::bench::main_of(count, values);
}
