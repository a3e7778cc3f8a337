// What is done to every entry: pages written and read, the walk against the parent's tree.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <vector>

#include "backend/memory_backend.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "engine/backup.h"
#include "engine/backup/change_detector.h"
#include "scale/simulated_source.h"
#include "snapshot/page.h"
#include "snapshot/tree.h"

namespace backstay::bench {
namespace {

constexpr std::uint64_t kEntries = 100'000;

// Pages in memory. Used by one thread.
class PageStore final : public chunk::ChunkReader, public chunk::ChunkWriter {
 public:
  Result<Bytes> read(const chunk::ChunkRef& ref) override { return pages_.at(ref.id); }
  Result<chunk::ChunkRef> write(ByteView plaintext) override {
    const chunk::ChunkId id{crypto::blake3(plaintext).bytes};
    pages_.emplace(id, to_owned(plaintext));
    return chunk::ChunkRef{.id = id, .length = static_cast<std::uint32_t>(plaintext.size())};
  }

 private:
  std::map<chunk::ChunkId, Bytes> pages_;
};

std::vector<source::SourceItem> items_of(const Corpus& corpus) {
  const SimulatedBytes bytes(corpus.texture);
  const auto source = open_simulated_source(corpus, bytes);
  std::vector<source::SourceItem> items;
  while (auto item = source->next()) {
    if (!*item) break;
    items.push_back(**std::move(item));
  }
  return items;
}

Corpus some_tree() {
  return {.layout = Layout::kTree, .texture = Texture::kText, .entries = kEntries, .file_bytes = 0};
}

Result<snapshot::TreeRoot> write_tree(const std::vector<source::SourceItem>& items,
                                      PageStore& pages) {
  snapshot::TreeBuilder builder(pages, crypto::Secret());
  for (const source::SourceItem& item : items) {
    if (auto added = builder.add(item.key, item.entry); !added)
      return std::unexpected(std::move(added).error());
  }
  return builder.finish();
}

void set_entries(benchmark::State& state, std::size_t entries) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(entries));
}

void write_pages(benchmark::State& state) {
  const auto items = items_of(some_tree());
  for (auto _ : state) {
    PageStore pages;
    if (!write_tree(items, pages)) return state.SkipWithError("no tree");
  }
  set_entries(state, items.size());
}
BENCHMARK(write_pages)->Unit(benchmark::kMillisecond);

void read_pages(benchmark::State& state) {
  const auto items = items_of(some_tree());
  PageStore pages;
  const auto root = write_tree(items, pages);
  if (!root) return state.SkipWithError("no tree");
  for (auto _ : state) {
    snapshot::TreeCursor cursor(pages, *root);
    std::size_t seen = 0;
    for (auto item = cursor.next(); item && *item; item = cursor.next()) ++seen;
    if (seen != items.size()) return state.SkipWithError("not all of the tree");
  }
  set_entries(state, items.size());
}
BENCHMARK(read_pages)->Unit(benchmark::kMillisecond);

void encode_entries(benchmark::State& state) {
  const auto items = items_of(some_tree());
  Bytes out;
  for (auto _ : state) {
    out.clear();
    for (const source::SourceItem& item : items) snapshot::encode_entry(item.entry, out);
  }
  set_entries(state, items.size());
}
BENCHMARK(encode_entries)->Unit(benchmark::kMillisecond);

// A repository in memory that holds a backup of some_tree().
struct BackedUp {
  SystemClock clock;
  crypto::SystemRng rng;
  engine::Progress progress;
  engine::Activity activity{.progress = progress,
                            .stop = {},
                            .report = [](const std::string&, const Error&) {},
                            .note = [](const std::string&) {}};
  std::vector<std::string> paths{std::string(kTopFolder)};
  std::unique_ptr<repo::Repository> repository;
  snapshot::TreeRoot tree;

  bool make() {
    const repo::Credential credential{.passphrase = "simulated", .recovery_key = {}};
    repo::InitOptions init;
    init.argon2 = {.memory_kib = 8, .passes = 1};
    auto made = repo::Repository::init(std::make_unique<backend::MemoryBackend>(clock), credential,
                                       init, {clock, rng});
    if (!made) return false;
    repository = std::move(*made);
    const SimulatedBytes bytes(Texture::kText);
    engine::BackupOptions options;
    options.paths = paths;
    options.host = "simulated";
    const engine::OpenSource open = [&](const source::SourceHooks&) {
      return Result<std::unique_ptr<source::Source>>(open_simulated_source(some_tree(), bytes));
    };
    const auto report = engine::backup(*repository, open, options, activity);
    if (report) tree = report->snapshot.tree;
    return report.has_value();
  }
};

// The walk of an unchanged tree against the parent, without a file system.
void merge_with_parent(benchmark::State& state) {
  BackedUp backed_up;
  if (!backed_up.make()) return state.SkipWithError("no backup");
  auto items = items_of(some_tree());
  for (auto _ : state) {
    engine::backup_stages::ChangeDetector changes(
        *backed_up.repository, backed_up.tree, backed_up.paths, [](source::SourceItem&) {},
        backed_up.activity);
    for (source::SourceItem& item : items) benchmark::DoNotOptimize(changes.compare(item));
    changes.finish();
    if (changes.found_change()) return state.SkipWithError("the tree changed");
  }
  set_entries(state, items.size());
}
BENCHMARK(merge_with_parent)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace backstay::bench
