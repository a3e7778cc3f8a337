// Snapshots made by hand in a repository in memory, and a target folder to restore them to. For
// tests only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/fault_backend.h"
#include "backend/memory_backend.h"
#include "base/rng.h"
#include "crypto/hash.h"
#include "engine/restore.h"
#include "engine/restore/run_with_limits.h"
#include "io/metadata.h"
#include "io/testing/temporary_folder.h"
#include "repo/store_session.h"
#include "repo/testing/fixture.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

class RestoreFixture : public testing::Test {
 protected:
  static constexpr std::size_t kChunkBytes = 1000;
  static constexpr std::size_t kChunksInFrame = 3;

  RestoreFixture() : memory_(clock_), faults_(memory_), rng_(7) {
    repo::InitOptions options;
    options.suite = crypto::Suite::kPlain;
    options.pack_bytes = 1 << 20;
    auto made = repo::Repository::init(through_faults(), {}, options, {clock_, rng_});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().describe());
    if (made) repository_ = *std::move(made);
    EXPECT_TRUE(repository_->load_index([](const auto&, const Error&) {}));
    limits_.threads = 2;
    snapshot_.paths = {"/"};
    options_.target = target();
  }

  // A way to the store for one repository; what faults_ is told to do holds for all.
  std::unique_ptr<backend::Backend> through_faults() {
    return std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(faults_));
  }

  // ---- making a snapshot

  // An entry of this type that any user can restore.
  static snapshot::Entry entry(snapshot::EntryType type) {
    snapshot::Entry entry;
    entry.type = type;
    entry.mode = type == snapshot::EntryType::kDirectory ? 0750 : 0640;
    entry.uid = io::process_owner().uid;
    entry.gid = io::process_owner().gid;
    entry.modified = {1'600'000'000, 123'456'789};
    entry.changed = entry.modified;
    return entry;
  }

  snapshot::Entry& add(const std::string& path, snapshot::Entry entry) {
    return entries_[snapshot::key_from_path(path)] = std::move(entry);
  }
  snapshot::Entry& add_folder(const std::string& path) {
    return add(path, entry(snapshot::EntryType::kDirectory));
  }
  snapshot::Entry& add_file(const std::string& path, const std::string& text) {
    snapshot::Entry file = entry(snapshot::EntryType::kFile);
    file.size_bytes = text.size();
    file.content.extents = store(text);
    return add(path, std::move(file));
  }
  // A file that is made of these extents.
  snapshot::Entry& add_file_of(const std::string& path, std::vector<snapshot::Extent> extents) {
    snapshot::Entry file = entry(snapshot::EntryType::kFile);
    for (const snapshot::Extent& extent : extents) file.size_bytes += extent.length;
    file.content.extents = std::move(extents);
    return add(path, std::move(file));
  }

  // Stores text as chunks of kChunkBytes, kChunksInFrame in a frame.
  std::vector<snapshot::Extent> store(std::string_view text) {
    std::vector<snapshot::Extent> extents;
    repo::StoreSession& session = open_session();
    repo::FrameEncoder encoder;
    repo::RawFrame frame;
    Bytes plaintext;
    const auto flush = [&] {
      if (frame.chunks.empty()) return;
      frame.bytes = plaintext;
      EXPECT_TRUE(session.add(frame, encoder));
      frame = {};
      plaintext.clear();
    };
    for (std::size_t at = 0; at < text.size(); at += kChunkBytes) {
      const ByteView chunk = as_bytes(text.substr(at, kChunkBytes));
      const chunk::ChunkId id = repository_->chunk_id(chunk);
      extents.push_back({.kind = snapshot::ExtentKind::kChunk,
                         .length = chunk.size(),
                         .id = id,
                         .list_length = 0});
      if (!session.claim(id)) continue;
      append(plaintext, chunk);
      frame.chunks.push_back({.id = id, .length = static_cast<std::uint32_t>(chunk.size())});
      if (frame.chunks.size() == kChunksInFrame) flush();
    }
    flush();
    return extents;
  }
  static snapshot::Extent hole(std::uint64_t length) {
    return {.kind = snapshot::ExtentKind::kHole, .length = length, .id = {}, .list_length = 0};
  }
  static snapshot::Extent zeros(std::uint64_t length) {
    return {.kind = snapshot::ExtentKind::kZeros, .length = length, .id = {}, .list_length = 0};
  }

  // Makes everything durable and the tree from what was added.
  snapshot::Snapshot& finish() {
    MetadataWriter writer(*repository_, open_session());
    const auto page_key =
        crypto::derive_key("backstay v1 tree pages", repository_->keyring().chunker_key.view());
    snapshot::TreeBuilder builder(writer, page_key);
    for (const auto& [key, item] : entries_) EXPECT_TRUE(builder.add(key, item));
    auto root = builder.finish();
    EXPECT_TRUE(root.has_value());
    EXPECT_TRUE(session_->flush());
    session_.reset();
    if (root) snapshot_.tree = *root;
    return snapshot_;
  }

  class MetadataWriter final : public chunk::ChunkWriter {
   public:
    MetadataWriter(repo::Repository& repository, repo::StoreSession& session)
        : repository_(repository), session_(session) {}
    Result<chunk::ChunkRef> write(ByteView plaintext) override {
      const chunk::ChunkRef ref{.id = repository_.chunk_id(plaintext),
                                .length = static_cast<std::uint32_t>(plaintext.size())};
      if (!session_.claim(ref.id)) return ref;
      TRY(session_.add({repo::PackKind::kMeta, plaintext, {ref}}, encoder_));
      return ref;
    }

   private:
    repo::Repository& repository_;
    repo::StoreSession& session_;
    repo::FrameEncoder encoder_;
  };
  repo::StoreSession& open_session() {
    if (session_ == nullptr) {
      repo::StoreSession::Options options;
      options.pack_bytes = 64 << 10;
      session_ = std::make_unique<repo::StoreSession>(*repository_, options,
                                                      repo::StoreSession::Mode::kStore);
    }
    return *session_;
  }

  // Opens the repository again, so that nothing is in its caches.
  void reopen() {
    auto opened = repo::Repository::open(through_faults(), {}, {}, {clock_, rng_});
    ASSERT_TRUE(opened.has_value());
    repository_ = *std::move(opened);
    ASSERT_TRUE(repository_->load_index([](const auto&, const Error&) {}));
  }

  // ---- damage
  void flip_bytes_of(std::string_view prefix, std::uint64_t offset) {
    for (const auto& [name, bytes] : memory_.objects())
      if (name.starts_with(prefix) && bytes.size() > offset) faults_.flip_byte(name, offset);
  }

  // ---- restoring
  Result<RestoreReport> restore() {
    Activity activity{.progress = progress_,
                      .stop = stop_.get_token(),
                      .report =
                          [this](const std::string& path, const Error& error) {
                            const std::lock_guard lock(mutex_);
                            troubles_.emplace_back(path, error.describe());
                          },
                      .note =
                          [this](const std::string& message) {
                            const std::lock_guard lock(mutex_);
                            notes_.push_back(message);
                          }};
    return restoring::restore_with_limits(*repository_, snapshot_, options_, limits_, activity);
  }
  // Restores and expects no trouble at all.
  RestoreReport restore_well() {
    const auto report = restore();
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.error().describe());
    for (const auto& [path, message] : troubles_) ADD_FAILURE() << path << ": " << message;
    return report ? *report : RestoreReport{};
  }
  [[nodiscard]] std::vector<std::string> trouble_paths() const {
    std::vector<std::string> paths;
    for (const auto& trouble : troubles_) paths.push_back(trouble.first);
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  // ---- the target
  [[nodiscard]] std::string target() const { return scratch_ / "target"; }
  [[nodiscard]] std::string at(const std::string& path) const { return target() + path; }
  [[nodiscard]] bool exists(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(at(path)));
  }
  [[nodiscard]] std::string text_of(const std::string& path) const {
    std::ifstream in(at(path), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void write(const std::string& path, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(at(path)).parent_path());
    std::ofstream(at(path), std::ios::binary) << text;
  }
  [[nodiscard]] struct ::stat stat_of(const std::string& path) const {
    struct ::stat status {};
    EXPECT_EQ(::lstat(at(path).c_str(), &status), 0) << path;
    return status;
  }
  void set_modified(const std::string& path, Timestamp time) const {
    const timespec times[2] = {{0, UTIME_OMIT}, {time.seconds, static_cast<long>(time.nanos)}};
    EXPECT_EQ(::utimensat(AT_FDCWD, at(path).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  // Every path below the target, in order.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::recursive_directory_iterator(target()))
      names.push_back(item.path().string().substr(target().size()));
    std::sort(names.begin(), names.end());
    return names;
  }

  // Bytes that do not repeat and do not compress.
  static std::string noise(std::size_t size, std::uint64_t seed) {
    std::string text(size, '\0');
    SeededRng rng(seed);
    rng.fill({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return text;
  }

  SystemClock clock_;
  backend::MemoryBackend memory_;
  backend::FaultBackend faults_;
  repo::SharedRng rng_;
  std::unique_ptr<repo::Repository> repository_;
  std::unique_ptr<repo::StoreSession> session_;
  std::map<std::string, snapshot::Entry> entries_;
  snapshot::Snapshot snapshot_;
  io::TemporaryFolder scratch_;
  RestoreOptions options_;
  restoring::Limits limits_;
  Progress progress_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> troubles_;
  std::vector<std::string> notes_;
};

}  // namespace backstay::engine
