#include <fmt/format.h>

#include <algorithm>

#include "backend/forwarding_backend.h"
#include "base/try.h"
#include "engine/backup/settle_packs.h"
#include "engine/check.h"
#include "engine/forget.h"
#include "engine/prune.h"
#include "engine/repair.h"
#include "engine/restore/read_lease.h"
#include "engine/store_lock.h"
#include "repo/pack_survey.h"
#include "repo/store_session.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"
#include "world.h"

namespace backstay::sim {

namespace {

constexpr std::uint64_t kRenewSeconds = 300;
constexpr std::size_t kDifferentFiles = 24;

// What a file holds is one of a few things, so that snapshots share chunks all the time.
Bytes content_number(std::uint64_t number) {
  Bytes bytes(150 + number * 37 % 700);
  SeededRng(number + 1000).fill(bytes);
  return bytes;
}

// Tree pages and content lists straight into the session.
class PageWriter final : public chunk::ChunkWriter {
 public:
  PageWriter(const repo::Repository& repository, repo::StoreSession& session)
      : repository_(repository), session_(session) {}
  Result<chunk::ChunkRef> write(ByteView plaintext) override {
    const chunk::ChunkRef ref{.id = repository_.chunk_id(plaintext),
                              .length = static_cast<std::uint32_t>(plaintext.size())};
    if (session_.claim(ref.id)) {
      TRY(session_.add({.kind = repo::PackKind::kMeta, .bytes = plaintext, .chunks = {ref}},
                       encoder_));
    }
    return ref;
  }

 private:
  const repo::Repository& repository_;
  repo::StoreSession& session_;
  repo::FrameEncoder encoder_;
};

struct Silence {
  engine::Progress progress;
  engine::Activity activity{.progress = progress,
                            .stop = {},
                            .report = [](const std::string&, const Error&) {},
                            .note = [](const std::string&) {}};
};

snapshot::Entry file_entry(const Bytes& bytes, const chunk::ChunkRef& ref) {
  snapshot::Entry entry;
  entry.type = snapshot::EntryType::kFile;
  entry.mode = 0644;
  entry.size_bytes = bytes.size();
  entry.content.extents.push_back({.kind = snapshot::ExtentKind::kChunk,
                                   .length = bytes.size(),
                                   .id = ref.id,
                                   .list_length = 0});
  return entry;
}

}  // namespace

const char* to_string(Kind kind) {
  constexpr const char* kNames[] = {"writer", "pruner",  "forgetter", "tagger",
                                    "reader", "checker", "repairer"};
  return kNames[static_cast<std::size_t>(kind)];
}

Timestamp WrongClock::now() const {
  if (dice_.below(64) == 0)
    offset_ += static_cast<std::int64_t>(dice_.below(kSpread)) - kSpread / 2;
  return {.seconds = store_.now.seconds + offset_, .nanos = 0};
}

std::chrono::steady_clock::time_point WrongClock::monotonic() const {
  return std::chrono::steady_clock::time_point(std::chrono::seconds(now().seconds));
}

Actor::Actor(World& world, Kind kind, std::uint64_t seed, const Faults& faults)
    : fiber([this] { work(); }),
      world_(world),
      kind_(kind),
      dice_(seed),
      faults_(faults),
      clock_(world.store, dice_) {}

void Actor::tell(const std::string& what) {
  if (world_.story) world_.story(fmt::format("{} {}: {}", to_string(kind_), fmt::ptr(this), what));
}

bool Actor::sees_all() const {
  return !backend_->troubled() && !world_.store.lists_late();
}

void Actor::work() {
  const std::uint64_t commands = 1 + dice_.below(3);
  for (std::uint64_t i = 0; i < commands; ++i) {
    SimBackend backend(world_.store, dice_, faults_, [this] { fiber.yield(); });
    if (world_.story) backend.told = [this](const std::string& call) { tell("  " + call); };
    backend_ = &backend;
    tell("begins");
    Result<void> done;
    switch (kind_) {
      case Kind::kWriter:
        done = back_up();
        break;
      case Kind::kPruner:
        done = prune();
        break;
      case Kind::kForgetter:
        done = forget();
        break;
      case Kind::kTagger:
        done = tag();
        break;
      case Kind::kReader:
        done = read();
        break;
      case Kind::kChecker:
        done = check();
        break;
      case Kind::kRepairer:
        done = repair();
        break;
    }
    tell(done ? "has done it" : "fails: " + done.error().describe());
    const bool crashed = backend.crashed();
    backend_ = nullptr;
    if (crashed) return;
  }
}

Result<std::unique_ptr<repo::Repository>> Actor::open() {
  return repo::Repository::open(
      std::make_unique<backend::ForwardingBackend>(*backend_), {}, {},
      {.clock = clock_, .rng = dice_, .threads = repo::World::Threads::kCallersOnly});
}

Result<std::unique_ptr<repo::Lease>> Actor::lease(repo::Repository& repository,
                                                  repo::LeaseUse use) {
  repo::LeaseRecord record;
  record.operation = kind_ == Kind::kReader ? "restore" : "backup";
  record.renew_seconds = kRenewSeconds;
  renewed_ = world_.store.now.seconds;
  return repository.take_lease(std::move(record), use);
}

// As its thread would; a failure is told later, by confirm().
Result<void> Actor::renew_in_time(repo::Lease& lease) {
  if (world_.store.now.seconds - renewed_ < static_cast<std::int64_t>(kRenewSeconds) / 2) return {};
  renewed_ = world_.store.now.seconds;
  (void)lease.renew();
  if (backend_->crashed()) return fail(ErrorCode::kCancelled, "crashed");
  return {};
}

Result<void> Actor::store_files(repo::Repository& repository, repo::Lease& lease,
                                Contents& contents, snapshot::Snapshot& snapshot) {
  repo::StoreSession::Options options;
  options.compression.mode = repo::Compression::Mode::kOff;
  options.pack_bytes = static_cast<std::uint32_t>(600 + dice_.below(2000));
  options.uploads = 0;
  options.checkpoint_bytes = 1 + dice_.below(4000);
  repo::StoreSession session(repository, options, repo::StoreSession::Mode::kStore);
  repo::FrameEncoder encoder;
  PageWriter pages(repository, session);
  snapshot::TreeBuilder tree(
      pages, crypto::derive_key("backstay v1 tree pages", repository.keyring().chunker_key.view()));
  std::set<std::uint64_t> chosen;
  const std::uint64_t count = 2 + dice_.below(6);
  for (std::uint64_t i = 0; i < count; ++i) chosen.insert(dice_.below(kDifferentFiles));

  repo::RawFrame frame{.kind = repo::PackKind::kData, .bytes = {}, .chunks = {}};
  Bytes gathered;
  const auto flush = [&]() -> Result<void> {
    if (frame.chunks.empty()) return {};
    frame.bytes = gathered;
    TRY(session.add(frame, encoder));
    frame.chunks.clear();
    gathered.clear();
    return {};
  };
  for (const std::uint64_t number : chosen) {
    TRY(renew_in_time(lease));
    const Bytes bytes = content_number(number);
    const chunk::ChunkRef ref{.id = repository.chunk_id(bytes),
                              .length = static_cast<std::uint32_t>(bytes.size())};
    const std::string path = fmt::format("/f{:02}", number);
    if (session.claim(ref.id)) {
      append(gathered, bytes);
      frame.chunks.push_back(ref);
      if (dice_.below(2) == 0) TRY(flush());
    }
    TRY(tree.add(snapshot::key_from_path(path), file_entry(bytes, ref)));
    contents[path] = bytes;
  }
  TRY(flush());
  snapshot.tree = TRY(tree.finish());
  return session.flush();
}

Result<void> Actor::back_up() {
  const auto repository = TRY(open());
  const auto held = TRY(lease(*repository, repo::LeaseUse::kWriting));
  TRY(repository->snapshots([](const auto&, const Error&) {}));
  TRY(repository->load_index([](const auto&, const Error&) {}));
  Silence silence;
  TRY(engine::backup_stages::settle_packs(*repository, {.dry_run = false, .damaged_runs = {}},
                                          silence.activity));
  Contents contents;
  snapshot::Snapshot made;
  made.paths = {"/"};
  made.started =
      made.finished = {.seconds = static_cast<std::int64_t>(dice_.below(1'000'000)), .nanos = 0};
  TRY(store_files(*repository, *held, contents, made));
  TRY(renew_in_time(*held));
  const auto id = TRY(repository->commit_snapshot(made, *held));
  tell("committed " + id.short_hex());
  world_.truth.committed[id] = std::move(contents);
  return held->release();
}

Result<void> Actor::prune() {
  const auto repository = TRY(open());
  engine::PruneOptions options;
  options.unused_share_max = dice_.below(2) == 0 ? 0.0 : 0.3;
  options.repack_small = dice_.below(4) == 0;
  options.uploads = 0;
  Silence silence;
  const auto report = engine::prune(*repository, options, silence.activity);
  if (report && world_.store.lists_late()) world_.violate("a prune runs where lists may be late");
  if (report) {
    tell(fmt::format("freed {} packs, {} wait", report->packs_removed, report->packs_waiting));
    if (report->chunks_missing > 0 && !backend_->troubled())
      world_.violate("a prune misses chunks that snapshots need");
    return {};
  }
  if (report.error().code() == ErrorCode::kCorruption)
    world_.violate("a prune meets damage: " + report.error().describe());
  return std::unexpected(report.error().clone());
}

Result<void> Actor::forget() {
  const auto repository = TRY(open());
  const auto ids = TRY(repository->list_snapshots());
  if (ids.empty()) return {};
  const snapshot::SnapshotId id = ids[dice_.below(ids.size())];
  if (world_.store.lists_late()) return forget_by_the_engine(*repository, id);
  tell("forgets " + id.short_hex());
  world_.truth.forgotten.insert(id);
  return backend_->remove(repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{id.bytes}));
}

// Where lists are late that is refused: what is forgotten there counts as lost.
Result<void> Actor::forget_by_the_engine(repo::Repository& repository,
                                         const snapshot::SnapshotId& id) {
  engine::ForgetOptions options;
  options.named = {id};
  Silence silence;
  TRY(engine::forget(repository, options, {}, silence.activity));
  world_.violate("a snapshot is forgotten where lists may be late");
  return {};
}

// Whether a writer may refer to all that the snapshot refers to.
Result<bool> Actor::may_refer_to(repo::Repository& repository, const snapshot::TreeRoot& tree) {
  bool may = true;
  TRY(snapshot::for_each_page(
      repository, tree, [&](const chunk::ChunkRef& page, std::uint8_t level) -> Result<bool> {
        may = may && repository.index().contains(page.id);
        if (level > 0) return true;
        const Bytes bytes = TRY(repository.read(page));
        for (const snapshot::TreeItem& item : TRY(snapshot::decode_leaf(bytes))) {
          for (const snapshot::Extent& extent : item.entry.content.extents)
            may = may && repository.index().contains(extent.id);
        }
        return true;
      }));
  return may;
}

// A snapshot that is rewritten: the new one first, then the old one goes.
Result<void> Actor::tag() {
  const auto repository = TRY(open());
  const auto held = TRY(lease(*repository, repo::LeaseUse::kWriting));
  const auto snapshots = TRY(repository->snapshots([](const auto&, const Error&) {}));
  if (snapshots.empty()) return {};
  const repo::StoredSnapshot& old = snapshots[dice_.below(snapshots.size())];
  TRY(repository->load_index([](const auto&, const Error&) {}));
  const auto survey = TRY(repo::survey_packs(repository->store(), repository->index()));
  repository->index().distrust(survey.lost);
  if (!TRY(may_refer_to(*repository, old.snapshot.tree))) return {};
  snapshot::Snapshot tagged = old.snapshot;
  tagged.tags = {fmt::format("tag{}", dice_.below(1000))};
  TRY(renew_in_time(*held));
  const auto id = TRY(repository->commit_snapshot(tagged, *held));
  tell("tagged " + old.id.short_hex() + " as " + id.short_hex());
  if (const auto known = world_.truth.committed.find(old.id);
      known != world_.truth.committed.end()) {
    const Contents contents = known->second;
    world_.truth.committed[id] = contents;
  }
  TRY(engine::require_removals(*repository, "tag"));
  world_.truth.forgotten.insert(old.id);
  TRY(backend_->remove(
      repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{old.id.bytes})));
  return held->release();
}

// Some choose a snapshot first, as a restore does, and look for it again.
Result<void> Actor::read() {
  const auto repository = TRY(open());
  const bool chooses_first = dice_.below(2) == 0;
  std::unique_ptr<repo::Lease> held;
  if (!chooses_first) held = TRY(lease(*repository, repo::LeaseUse::kReading));
  const auto snapshots = TRY(repository->snapshots([](const auto&, const Error&) {}));
  if (snapshots.empty()) return {};
  repository->recover_when_needed([](const repo::RecoveredPacks&) {});
  TRY(repository->load_index([](const auto&, const Error&) {}));
  const repo::StoredSnapshot& chosen = snapshots[dice_.below(snapshots.size())];
  if (chooses_first) {
    held = TRY(lease(*repository, repo::LeaseUse::kReading));
    TRY(engine::restoring::require_snapshot(*repository, chosen.id));
  }
  TRY(renew_in_time(*held));
  const auto contents = read_contents(*repository, chosen.snapshot);
  if (!contents) {
    if (contents.error().code() == ErrorCode::kCorruption)
      world_.violate("a reader met damage: " + contents.error().describe());
    // Whoever holds a lease that stands reads to the end, if he is shown what is there.
    if (sees_all() && contents.error().code() == ErrorCode::kNotFound && held->confirm())
      world_.violate("a reader with a lease missed a chunk: " + contents.error().describe());
    return std::unexpected(contents.error().clone());
  }
  if (const auto known = world_.truth.committed.find(chosen.id);
      known != world_.truth.committed.end() && known->second != *contents) {
    world_.violate("a reader got other bytes than were backed up");
  }
  return held->release();
}

// Nothing is damaged in this world: whatever runs beside it, a check has nothing to say.
Result<void> Actor::check() {
  const auto repository = TRY(open());
  engine::CheckOptions options;
  options.read_data.mode =
      dice_.below(2) == 0 ? engine::ReadData::Mode::kAll : engine::ReadData::Mode::kNone;
  options.threads = 1;
  Silence silence;
  const auto report = TRY(engine::check(*repository, options, silence.activity));
  if (backend_->troubled()) return {};
  for (const engine::Damage& damage : report.damages) {
    // What no list shows yet cannot be found; but no object is called damaged or missing.
    const bool is_object = damage.object.contains('/');
    if (is_object || !world_.store.lists_late())
      world_.violate("a check finds damage: " + damage.object + ": " + damage.what);
  }
  return {};
}

// And a repair nothing to do but to take packs into the index that no run names.
Result<void> Actor::repair() {
  const auto repository = TRY(open());
  const engine::RepairAuthor author{.host = "host", .user = "user"};
  Silence silence;
  switch (dice_.below(3)) {
    case 0: {
      const auto report =
          TRY(engine::repair_index(*repository, {.author = author}, silence.activity));
      if (!report.damaged_runs.empty()) world_.violate("a repair finds a damaged index run");
      if (report.packs_missing > 0 && sees_all())
        world_.violate("a repair misses packs that runs name");
      if (!report.packs_unreadable.empty() && !backend_->troubled())
        world_.violate("a repair cannot read packs that no run names");
      return {};
    }
    case 1: {
      const auto report =
          TRY(engine::repair_packs(*repository, {.packs = {}, .author = author}, silence.activity));
      // One that no list shows yet is looked at, and found to be whole.
      const auto is_as_expected = [&](const engine::RepairedPack& pack) {
        return pack.outcome == engine::PackOutcome::kWhole && world_.store.lists_late();
      };
      if (!std::ranges::all_of(report.packs, is_as_expected))
        world_.violate("a repair finds a damaged pack");
      return {};
    }
    default: {
      const auto report = TRY(engine::repair_snapshots(
          *repository, {.snapshots = {}, .author = author},
          {.lost = [](const auto&) {}, .done = [](const auto&) {}}, silence.activity));
      const bool changed = report.replaced + report.kept + report.left > 0;
      if (changed && sees_all()) world_.violate("a repair rewrites whole snapshots");
      return {};
    }
  }
}

}  // namespace backstay::sim
