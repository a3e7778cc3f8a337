#include "repo/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/assert.h"
#include "base/page_buffer.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "repo/index_object.h"
#include "repo/run_cache.h"
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

struct ListedRun {
  ObjectId id;
  std::uint64_t size_bytes = 0;
};

// A stored run that is read from front to back in pieces. Where the last byte is read, all bytes
// must be those that the name stands for; if they are not, nothing more is given. Who opens the run
// may start over.
class RunDownload {
 public:
  RunDownload(backend::Backend& store, const ListedRun& run)
      : store_(store), name_(object_name(ObjectKind::kIndexRun, run.id)), run_(run) {}

  Result<void> read(std::uint64_t offset, MutableByteView out) {
    if (wrong_) return not_its_bytes();
    if (offset < window_begin_ || offset + out.size() > window_begin_ + window_.size()) {
      TRY(fill(offset, out.size()));
    }
    const auto at = static_cast<std::size_t>(offset - window_begin_);
    std::copy_n(window_.data() + at, out.size(), out.data());
    return {};
  }

  // Reads what was not read yet: corruption when the bytes are not those of the name.
  Result<void> read_to_the_end() {
    if (wrong_) return not_its_bytes();
    while (hashed_ < run_.size_bytes) TRY(fill(hashed_, 1));
    return {};
  }

 private:
  static std::unexpected<Error> not_its_bytes() {
    return fail(ErrorCode::kCorruption, "its bytes do not match its name");
  }

  static constexpr std::size_t kWindowBytes = 4 * (kIndexSegmentSize + crypto::kTagSize);

  Result<void> fill(std::uint64_t offset, std::size_t least) {
    const std::uint64_t left = run_.size_bytes - offset;
    ASSERT(least <= left && least <= kWindowBytes);
    const MutableByteView bytes =
        buffer_.room_for(static_cast<std::size_t>(std::min<std::uint64_t>(left, kWindowBytes)));
    window_ = {};
    TRY(store_.get_range(name_, offset, bytes));
    window_begin_ = offset;
    window_ = bytes;
    const std::uint64_t end = offset + bytes.size();
    if (end <= hashed_) return {};
    ASSERT(offset <= hashed_);
    hash_.update(window_.subspan(static_cast<std::size_t>(hashed_ - offset)));
    hashed_ = end;
    wrong_ = hashed_ == run_.size_bytes && hash_.finish().bytes != run_.id.bytes;
    if (wrong_) return not_its_bytes();
    return {};
  }

  backend::Backend& store_;
  const std::string name_;
  const ListedRun run_;
  PageBuffer buffer_;
  ByteView window_;
  std::uint64_t window_begin_ = 0;
  crypto::Blake3Stream hash_;
  std::uint64_t hashed_ = 0;
  bool wrong_ = false;
};

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
  mutable Mutex mutex;
  std::shared_ptr<const RunSet> runs GUARDED_BY(mutex) = std::make_shared<RunSet>();
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
  void remove_superseded(const RunPtr& by);
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
                       .mutex = {},
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
  if (reader) return cache.keep(listed.id, (*reader)->body());
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
  return found;
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
  return cache.keep(written.id, reader->body());
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
  auto writer = TRY(IndexRunWriter::create(keyring, config, rng, head, options.cache_directory));
  while (const auto entry = merge.next()) TRY(writer->add(*entry));
  const auto written = TRY(writer->finish());
  writer.reset();
  for (const RunPtr& run : chosen) run->forget_pages();
  RunPtr merged = TRY(put(written, stored));
  append(merged);
  remove_superseded(merged);
  return {};
}

// The merged run is durable: what it supersedes may go. A failure here costs space, nothing else.
void Index::State::remove_superseded(const RunPtr& by) {
  for (const ObjectId& id : by->supersedes()) {
    if (store.remove(object_name(ObjectKind::kIndexRun, id))) {
      lingering.erase(id);
    } else {
      lingering.insert(id);
    }
    cache.forget(id);
  }
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
    const RunSet chosen = choose_merge(*current(), options.merged_entries_max);
    if (chosen.empty()) return {};
    TRY_DOING("merging index runs", merge(chosen, stored));
  }
}

Result<std::uint64_t> Index::add(std::vector<PackEntries> packs, std::vector<ObjectId> replaced) {
  std::uint64_t stored = 0;
  const auto written = TRY(state_->run_of(std::move(packs), std::move(replaced)));
  const RunPtr run = TRY(state_->put(written, stored));
  state_->append(run);
  state_->remove_superseded(run);
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

Result<std::uint64_t> Index::drop_packs(const std::unordered_set<ObjectId>& packs) {
  std::uint64_t stored = 0;
  RunSet together;
  std::uint64_t entries = 0;
  const auto write_anew = [&]() -> Result<void> {
    if (together.empty()) return {};
    entries = 0;
    return state_->merge(std::exchange(together, {}), stored, packs);
  };
  const auto live = state_->current();
  for (const RunPtr& run : *live) {
    if (!names_any(*run, packs)) continue;
    if (entries + run->size() > state_->options.merged_entries_max) TRY(write_anew());
    together.push_back(run);
    entries += run->size();
  }
  TRY_DOING("writing the index without packs that are gone", write_anew());
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
