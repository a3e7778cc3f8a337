#include "repo/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/assert.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "repo/index_object.h"
#include "repo/run_cache.h"
#include "repo/run_download.h"
#include "repo/run_merge.h"

namespace backstay::repo {

namespace {

constexpr std::uint64_t kRunObjectMax = (4ULL << 30) + (64ULL << 20);
constexpr std::size_t kMergeAt = 8;       // so many runs of one size class are merged
constexpr std::size_t kLiveRunsMax = 48;  // beyond it merged runs may grow past their usual size
constexpr int kListingTries = 5;

// The whole part of log8.
unsigned size_class(std::uint64_t entries) {
  unsigned size = 0;
  while (entries >= 8) {
    entries /= 8;
    ++size;
  }
  return size;
}

}  // namespace

using RunPtr = std::shared_ptr<const IndexRun>;
using RunSet = std::vector<RunPtr>;

namespace {

// The object as it is stored. It may come from a file that was read once before, to verify it: what
// leaves must still be what the name stands for.
class CheckedObject {
 public:
  explicit CheckedObject(const IndexRunWriter::Finished& written)
      : id_(written.id), inner_(written.object.stream()) {}

  [[nodiscard]] StreamedBytes stream() {
    return {.size = inner_.size, .piece_at = [this](std::uint64_t offset) -> Result<ByteView> {
              const ByteView piece = TRY(inner_.piece_at(offset));
              if (offset == 0) hash_.restart();
              hash_.update(piece);
              const bool at_end = offset + piece.size() == inner_.size;
              if (!at_end || hash_.finish().bytes == id_.bytes) return piece;
              return std::unexpected(
                  Error(ErrorCode::kInternal, "a new index run reads otherwise than it was written")
                      .with_hint("Test this machine's memory and the disk of the cache, or run "
                                 "without the cache (--no-cache)."));
            }};
  }

 private:
  const ObjectId id_;
  const StreamedBytes inner_;
  crypto::Blake3Stream hash_;
};

}  // namespace

struct Index::State {
  backend::Backend& store;
  const Keyring& keyring;
  const Config& config;
  Rng& rng;
  Options options;
  RunCache cache;
  std::unordered_set<ObjectId> condemned;
  std::unordered_set<ObjectId> distrusted;
  KnownElsewhere elsewhere;  // may be empty
  mutable Mutex mutex;
  std::shared_ptr<const RunSet> runs GUARDED_BY(mutex) = std::make_shared<RunSet>();
  // Held over the listing and reading of runs: one load() at a time, whoever asks for it.
  Mutex loading;
  // Runs that another one supersedes and that are still in the store. For load() and add() only.
  std::unordered_set<ObjectId> lingering;

  // Kept by the caller while he goes through it: `for (... : *current())` would not keep it.
  std::shared_ptr<const RunSet> current() const EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    return runs;
  }
  void replace(RunSet next) EXCLUDES(mutex) {
    auto fresh = std::make_shared<const RunSet>(std::move(next));
    const MutexLock lock(mutex);
    runs = std::move(fresh);
  }
  Result<RunPtr> fetch(const ListedRun& listed);
  struct Listing {
    RunSet runs;
    std::vector<std::pair<ObjectId, Error>> failures;
    bool vanished = false;  // a run was gone when it was asked for
  };
  Listing take_in(const std::vector<ListedRun>& listed, std::map<ObjectId, RunPtr>& known);
  Result<RunPtr> open_written(const IndexRunWriter::Finished& written);
  Result<RunPtr> put(const IndexRunWriter::Finished& written, std::uint64_t& stored);
  Result<IndexRunWriter::Finished> run_of(std::vector<PackEntries> packs,
                                          std::vector<ObjectId> supersedes);
  [[nodiscard]] bool is_trusted(const IndexRun& run, const IndexRun::Entry& entry) const {
    if (condemned.empty() && distrusted.empty()) return true;
    const ObjectId pack = run.pack_id(entry.pack);
    return !condemned.contains(pack) && !distrusted.contains(pack);
  }
  // Calls `each` for every place, until it returns false.
  template <typename Each>
  void for_each_place(const IdPrefix& prefix, const Each& each) const;
  template <typename Wanted>
  std::vector<Pack> packs_where(const Wanted& wanted) const;
  void append(RunPtr run);
  Result<void> merge_where_due(std::uint64_t& stored);
  Result<void> merge(const RunSet& chosen, std::uint64_t& stored,
                     const std::unordered_set<ObjectId>& dropped = {});
  void remove_runs(const std::vector<ObjectId>& ids);
  Result<void> drop(const RunSet& from, const std::unordered_set<ObjectId>& packs,
                    std::uint64_t& stored);
};

Index::Index(backend::Backend& store, const Keyring& keyring, const Config& config, Rng& rng,
             const Options& options)
    : state_(new State{.store = store,
                       .keyring = keyring,
                       .config = config,
                       .rng = rng,
                       .options = options,
                       .cache = RunCache(options.cache_directory, keyring),
                       .condemned = {},
                       .distrusted = {},
                       .elsewhere = {},
                       .mutex = {},
                       .loading = {},
                       .lingering = {}}) {}

Index::~Index() = default;

// From the cache when it is whole there, else from the store; what the store gives is checked
// against its name.
Result<RunPtr> Index::State::fetch(const ListedRun& listed) {
  if (auto cached = cache.load(listed.id)) return std::move(*cached);
  if (listed.size_bytes > kRunObjectMax) {
    return fail(ErrorCode::kCorruption, fmt::format("it is larger than {} bytes", kRunObjectMax));
  }
  RunDownload download(store, listed);
  const auto reader = IndexObjectReader::open(
      [&](std::uint64_t offset, MutableByteView out) { return download.read(offset, out); },
      listed.size_bytes, keyring, config.id);
  if (reader) return cache.keep(listed.id, (*reader)->body(), (*reader)->signer());
  // A header that makes no sense is that of another program only where the bytes are the right
  // ones.
  if (is_damage(reader.error().code())) TRY(download.read_to_the_end());
  return std::unexpected(reader.error().clone());
}

// The names of the runs in the store, once.
static Result<std::vector<ListedRun>> list_runs(backend::Backend& store) {
  std::vector<ListedRun> runs;
  TRY(store.list(name_prefix(ObjectKind::kIndexRun),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   if (auto id = parse_object_name(ObjectKind::kIndexRun, info.name))
                     runs.push_back({.id = *id, .size_bytes = info.size_bytes});
                   return {};
                 }));
  return runs;
}

// Runs that another one supersedes hold nothing that it has not. Gives all that is superseded.
static std::unordered_set<ObjectId> superseded_by(const RunSet& runs) {
  std::unordered_set<ObjectId> superseded;
  for (const RunPtr& run : runs)
    superseded.insert(run->supersedes().begin(), run->supersedes().end());
  return superseded;
}

static std::unordered_set<ObjectId> drop_superseded(RunSet& runs) {
  std::unordered_set<ObjectId> superseded = superseded_by(runs);
  std::erase_if(runs, [&](const RunPtr& run) { return superseded.contains(run->id()); });
  return superseded;
}

// Takes in the listed runs: those that are known as they are, the others from the cache or the
// store.
Index::State::Listing Index::State::take_in(const std::vector<ListedRun>& listed,
                                            std::map<ObjectId, RunPtr>& known) {
  Listing listing;
  for (const ListedRun& found : listed) {
    RunPtr& run = known[found.id];
    if (run == nullptr) {
      auto fetched = fetch(found);
      if (!fetched) {
        // A merge may have removed the run after it was listed: its successor is in the next
        // listing.
        listing.vanished = listing.vanished || fetched.error().code() == ErrorCode::kNotFound;
        listing.failures.emplace_back(found.id, std::move(fetched).error());
        continue;
      }
      run = std::move(*fetched);
    }
    listing.runs.push_back(run);
  }
  return listing;
}

Result<void> Index::load(const DamagedRun& damaged, Superseded how) {
  const MutexLock one_at_a_time(state_->loading);
  std::map<ObjectId, RunPtr> known;
  const auto live = state_->current();
  for (const RunPtr& run : *live) known.emplace(run->id(), run);
  std::vector<ListedRun> listed = TRY(list_runs(state_->store));
  State::Listing listing = state_->take_in(listed, known);
  for (int attempt = 1; listing.vanished && attempt < kListingTries; ++attempt) {
    listed = TRY(list_runs(state_->store));
    listing = state_->take_in(listed, known);
  }
  const std::unordered_set<ObjectId> superseded =
      how == Superseded::kIgnored ? drop_superseded(listing.runs) : superseded_by(listing.runs);
  for (const auto& [id, error] : listing.failures) {
    if (!is_damage(error.code()) && error.code() != ErrorCode::kNotFound) {
      return std::unexpected(error.clone().with_context("reading index run " + id.short_hex()));
    }
    if (!superseded.contains(id)) damaged(id, error);
  }
  state_->lingering.clear();
  for (const ListedRun& run : listed) {
    if (superseded.contains(run.id)) state_->lingering.insert(run.id);
  }
  state_->cache.keep_only(listing.runs);
  state_->replace(std::move(listing.runs));
  return {};
}

template <typename Each>
void Index::State::for_each_place(const IdPrefix& prefix, const Each& each) const {
  const auto live = current();
  for (const RunPtr& run : *live) {
    for (auto at = run->find(prefix); at && *at < run->size(); ++*at) {
      const IndexRun::Entry entry = run->entry(*at);
      if (entry.id != prefix) break;
      if (!each(*run, entry, is_trusted(*run, entry))) return;
    }
  }
}

void Index::condemn(std::uint64_t generation, const std::vector<ObjectId>& packs) {
  state_->options.generation = generation;
  state_->condemned = {packs.begin(), packs.end()};
}

void Index::distrust(const std::vector<ObjectId>& packs) {
  state_->distrusted.insert(packs.begin(), packs.end());
}

bool Index::is_condemned(const ObjectId& pack) const {
  return state_->condemned.contains(pack);
}

void Index::trust(const ObjectId& pack) {
  state_->distrusted.erase(pack);
}

std::optional<ChunkLocation> Index::find(const chunk::ChunkId& id) const {
  std::optional<ChunkLocation> found;
  state_->for_each_place(prefix_of(id), [&](const IndexRun& run, const auto& entry, bool trusted) {
    if (trusted || !found) found = run.location(entry);
    return !trusted;
  });
  return found;
}

std::vector<ChunkLocation> Index::find_all(const chunk::ChunkId& id) const {
  std::vector<ChunkLocation> places;
  std::size_t trusted_places = 0;
  state_->for_each_place(prefix_of(id), [&](const IndexRun& run, const auto& entry, bool trusted) {
    const auto end =
        trusted ? places.begin() + static_cast<std::ptrdiff_t>(trusted_places++) : places.end();
    places.insert(end, run.location(entry));
    return true;
  });
  return places;
}

bool Index::contains(const chunk::ChunkId& id) const {
  bool found = false;
  state_->for_each_place(prefix_of(id), [&](const IndexRun&, const auto&, bool trusted) {
    found = trusted;
    return !found;
  });
  return found || (state_->elsewhere && state_->elsewhere(id));
}

void Index::rely_elsewhere(KnownElsewhere known) {
  state_->elsewhere = std::move(known);
}

void Index::forget_pages() const {
  const auto live = state_->current();
  for (const RunPtr& run : *live) run->forget_pages();
}

// From the bytes that were stored or, unless they change, will be: which proves that they open.
Result<RunPtr> Index::State::open_written(const IndexRunWriter::Finished& written) {
  const auto read_at = [&](std::uint64_t offset, MutableByteView out) {
    return written.object.read(offset, out);
  };
  const auto reader =
      TRY(IndexObjectReader::open(read_at, written.object.size(), keyring, config.id));
  return cache.keep(written.id, reader->body(), reader->signer());
}

Result<RunPtr> Index::State::put(const IndexRunWriter::Finished& written, std::uint64_t& stored) {
  RunPtr run = TRY_DOING("verifying a new index run", open_written(written));
  CheckedObject object(written);
  auto put = store.put_streamed(object_name(ObjectKind::kIndexRun, written.id), object.stream());
  if (!put && put.error().code() == ErrorCode::kAlreadyExists) put = {};
  if (!put) put = std::unexpected(std::move(put).error().with_context("storing an index run"));
  if (put) put = store.barrier();
  if (!put) {
    cache.forget(written.id);
    return std::unexpected(std::move(put).error());
  }
  stored += written.object.size();
  return run;
}

Result<IndexRunWriter::Finished> Index::State::run_of(std::vector<PackEntries> packs,
                                                      std::vector<ObjectId> supersedes) {
  std::vector<IndexRun::Entry> entries = entries_of(packs);
  for (PackEntries& pack : packs) pack.chunks = {};
  std::ranges::sort(entries, entry_before);
  const IndexRunWriter::Head head{.entries = entries.size(),
                                  .generation = options.generation,
                                  .supersedes = std::move(supersedes),
                                  .packs = std::move(packs)};
  auto writer = TRY(IndexRunWriter::create(keyring, config, rng, head, options.cache_directory));
  for (const IndexRun::Entry& entry : entries) TRY(writer->add(entry));
  return writer->finish();
}

void Index::State::append(RunPtr run) {
  RunSet next = *current();
  next.push_back(std::move(run));
  drop_superseded(next);
  replace(std::move(next));
}

Result<void> Index::State::merge(const RunSet& chosen, std::uint64_t& stored,
                                 const std::unordered_set<ObjectId>& dropped) {
  RunMerge merge(chosen, dropped);
  IndexRunWriter::Head head = merge.head(options.generation, lingering);
  const std::vector<ObjectId> merged_ids = head.supersedes;
  if (keyring.is_write_only()) head.supersedes.clear();
  auto writer = TRY(IndexRunWriter::create(keyring, config, rng, head, options.cache_directory));
  while (const auto entry = merge.next()) TRY(writer->add(*entry));
  const auto written = TRY(writer->finish());
  writer.reset();
  for (const RunPtr& run : chosen) run->forget_pages();
  RunPtr merged = TRY(put(written, stored));
  RunSet next = *current();
  std::erase_if(next, [&](const RunPtr& run) {
    return std::ranges::find(merged_ids, run->id()) != merged_ids.end();
  });
  next.push_back(merged);
  replace(std::move(next));
  remove_runs(merged_ids);
  return {};
}

// What stands in another run that is durable may go. A failure here costs space, nothing else.
// Where lists are late the other run may not be seen yet: there all stay.
void Index::State::remove_runs(const std::vector<ObjectId>& ids) {
  const bool may_go = store.capabilities().lists_at_once;
  for (const ObjectId& id : ids) {
    if (may_go && store.remove(object_name(ObjectKind::kIndexRun, id))) {
      lingering.erase(id);
    } else {
      lingering.insert(id);
    }
    cache.forget(id);
  }
}

// Who may only write takes nothing away: he leaves alone what supersedes others, because they would
// count again without it (docs/format.md section 5.5).
static RunSet mergeable(const RunSet& live, const Keyring& keyring) {
  RunSet runs = live;
  if (keyring.is_write_only())
    std::erase_if(runs, [](const RunPtr& run) { return !run->supersedes().empty(); });
  return runs;
}

// The runs to merge next, or none: eight of one class, or the smallest when too many are live.
static RunSet choose_merge(const RunSet& live, std::uint64_t entries_max) {
  std::map<unsigned, RunSet> classes;
  for (const RunPtr& run : live) classes[size_class(run->size())].push_back(run);
  for (auto& [size, runs] : classes) {
    if (runs.size() < kMergeAt) continue;
    // Eight of them, and not all: where more stand there than may be merged, none ever would be.
    std::ranges::sort(runs, {}, &IndexRun::size);
    runs.resize(kMergeAt);
    std::uint64_t sum = 0;
    for (const RunPtr& run : runs) sum += run->size();
    if (sum <= entries_max) return runs;
  }
  if (live.size() <= kLiveRunsMax) return {};
  RunSet smallest = live;
  std::ranges::sort(smallest, {}, &IndexRun::size);
  smallest.resize(kMergeAt);
  return smallest;
}

Result<void> Index::State::merge_where_due(std::uint64_t& stored) {
  while (true) {
    const RunSet chosen = choose_merge(mergeable(*current(), keyring), options.merged_entries_max);
    if (chosen.empty()) return {};
    TRY_DOING("merging index runs", merge(chosen, stored));
  }
}

Result<std::uint64_t> Index::add(std::vector<PackEntries> packs, std::vector<ObjectId> replaced) {
  std::uint64_t stored = 0;
  if (state_->keyring.is_write_only()) replaced.clear();
  const auto written = TRY(state_->run_of(std::move(packs), replaced));
  state_->append(TRY(state_->put(written, stored)));
  state_->remove_runs(replaced);
  TRY(state_->merge_where_due(stored));
  return stored;
}

Result<void> Index::add_unstored(std::vector<PackEntries> packs) {
  state_->append(TRY(state_->open_written(TRY(state_->run_of(std::move(packs), {})))));
  return {};
}

Index::Totals Index::totals() const {
  Totals totals;
  const auto live = state_->current();
  for (const RunPtr& run : *live) {
    ++totals.runs;
    totals.entries += run->size();
    totals.filter_bytes += run->filter_bytes();
    totals.body_bytes += run->body_bytes();
  }
  return totals;
}

template <typename Wanted>
std::vector<Index::Pack> Index::State::packs_where(const Wanted& wanted) const {
  std::unordered_set<ObjectId> seen;
  std::vector<Pack> packs;
  const auto live = current();
  for (const RunPtr& run : *live) {
    for (std::size_t i = 0; i < run->pack_count(); ++i) {
      const ObjectId id = run->pack_id(i);
      if (!wanted(id) || !seen.insert(id).second) continue;
      packs.push_back({.id = id, .kind = run->pack_kind(i), .size_bytes = run->pack_size(i)});
    }
  }
  return packs;
}

std::vector<Index::Pack> Index::packs() const {
  return state_->packs_where([&](const ObjectId& id) { return !is_condemned(id); });
}

std::vector<Index::Pack> Index::condemned_packs() const {
  return state_->packs_where([&](const ObjectId& id) { return is_condemned(id); });
}

std::vector<RunPtr> Index::runs() const {
  return *state_->current();
}

static bool names_any(const IndexRun& run, const std::unordered_set<ObjectId>& packs) {
  for (std::size_t i = 0; i < run.pack_count(); ++i) {
    if (packs.contains(run.pack_id(i))) return true;
  }
  return false;
}

Result<void> Index::State::drop(const RunSet& from, const std::unordered_set<ObjectId>& packs,
                                std::uint64_t& stored) {
  RunSet together;
  std::uint64_t entries = 0;
  const auto write_anew = [&]() -> Result<void> {
    if (together.empty()) return {};
    entries = 0;
    return merge(std::exchange(together, {}), stored, packs);
  };
  for (const RunPtr& run : from) {
    if (!names_any(*run, packs)) continue;
    if (entries + run->size() > options.merged_entries_max) TRY(write_anew());
    together.push_back(run);
    entries += run->size();
  }
  return write_anew();
}

Result<std::uint64_t> Index::drop_packs(const std::unordered_set<ObjectId>& packs) {
  std::uint64_t stored = 0;
  const auto live = state_->current();
  TRY_DOING("writing the index without packs that are gone", state_->drop(*live, packs, stored));
  return stored;
}

// The new run comes first, so that nothing is ever without a place.
Result<std::uint64_t> Index::replace_packs(std::vector<PackEntries> packs) {
  std::uint64_t stored = 0;
  std::unordered_set<ObjectId> ids;
  for (const PackEntries& pack : packs) ids.insert(pack.pack);
  const auto live = state_->current();
  const auto written = TRY(state_->run_of(std::move(packs), {}));
  const RunPtr run = TRY(state_->put(written, stored));
  TRY_DOING("writing the index anew", state_->drop(*live, ids, stored));
  state_->append(run);
  return stored;
}

Result<std::uint64_t> Index::tidy() {
  std::uint64_t stored = 0;
  if (!state_->lingering.empty()) {
    // Who wrote what supersedes them may have died before it was durable.
    const auto live = state_->current();
    bool there = true;
    for (const RunPtr& run : *live) {
      if (run->supersedes().empty()) continue;
      const auto adopted = state_->store.adopt(object_name(ObjectKind::kIndexRun, run->id()));
      there = there && adopted.has_value();
      if (!adopted && adopted.error().code() != ErrorCode::kNotFound)
        return std::unexpected(adopted.error().clone());
    }
    TRY(state_->store.barrier());
    // Else somebody merges at this moment, and removes them himself.
    if (there) state_->remove_runs({state_->lingering.begin(), state_->lingering.end()});
  }
  TRY(state_->merge_where_due(stored));
  return stored;
}

void Index::for_each_entry(
    const std::function<void(const IdPrefix&, const ChunkLocation&)>& each) const {
  const auto live = state_->current();
  for (const RunPtr& run : *live) {
    for (std::uint64_t i = 0; i < run->size(); ++i) {
      const IndexRun::Entry entry = run->entry(i);
      each(entry.id, run->location(entry));
      run->pass(i);
    }
    run->forget_pages();
  }
}

}  // namespace backstay::repo
