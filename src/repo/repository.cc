#include "repo/repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "base/try.h"
#include "crypto/hash.h"
#include "io/machine.h"
#include "repo/key_epoch.h"
#include "repo/pack.h"
#include "repo/repository_state.h"
#include "repo/sealed_record.h"
#include "repo/snapshot_note.h"

namespace backstay::repo {

namespace {

constexpr std::size_t kSnapshotObjectMax = kFrameMax + 4096;
constexpr std::string_view kProgram = "backstay 0.1.0";

std::unexpected<Error> already_a_repository(const backend::Backend& backend) {
  return std::unexpected(
      Error(ErrorCode::kAlreadyExists, backend.describe() + " is a repository already")
          .with_hint("Use it as it is, or choose another place."));
}

}  // namespace

Repository::Repository(std::unique_ptr<State> state) : state_(std::move(state)) {}
Repository::~Repository() = default;

Result<std::unique_ptr<Repository>> Repository::init(std::unique_ptr<backend::Backend> backend,
                                                     const Credential& credential,
                                                     const InitOptions& options, World world) {
  const auto existing = backend->head("config");
  if (existing) return already_a_repository(*backend);
  if (existing.error().code() != ErrorCode::kNotFound)
    return std::unexpected(existing.error().clone());

  Config config;
  world.rng.fill(config.id.bytes);
  config.created = world.clock.now();
  config.suite = options.suite ? *options.suite : crypto::fastest_suite();
  config.compression = options.compression;
  config.pack_bytes = options.pack_bytes;
  config.program = kProgram;
  const Bytes config_object = encode_config(config);
  // Whatever the options are, what is stored can be read again.
  if (const auto again = decode_config(config_object); !again) {
    return fail(ErrorCode::kInvalidArgument,
                "these settings make no repository: " + again.error().describe());
  }

  Keyring keyring = Keyring::random(world.rng);
  keyring.config_digest = crypto::blake3(config_object);
  SlotInfo slot{.kind = SlotKind::kNone,
                .created = config.created,
                .label = options.label,
                .host = {},
                .user = {},
                .argon2 = options.argon2};
  slot.kind = credential.kind();
  if (config.suite != crypto::Suite::kPlain && slot.kind == SlotKind::kNone) {
    return fail(ErrorCode::kInvalidArgument, "an encrypted repository needs a passphrase or key");
  }
  std::vector<Bytes> slots;
  if (options.recovery_key_of_write_only) {
    slot.kind = SlotKind::kRecoveryKey;
    const Credential full{.passphrase = {}, .recovery_key = options.recovery_key_of_write_only};
    slots.push_back(TRY(seal_slot(keyring, slot, full, config.id, world.rng)));
    slot.kind = credential.kind();
    slot.write_only = true;
  }
  slots.push_back(TRY(seal_slot(keyring, slot, credential, config.id, world.rng)));

  // The config comes last: whoever sees it sees a whole repository (docs/format.md section 3.1). Of
  // two that are made at once at one place, one config wins; the slot of the other names another
  // repository and is ignored.
  for (const Bytes& object : slots) {
    TRY_DOING("creating the repository",
              backend->put(object_name(ObjectKind::kKeySlot, id_of(object)), object));
  }
  TRY(backend->barrier());
  auto created = backend->put("config", config_object);
  if (!created && created.error().code() == ErrorCode::kAlreadyExists) {
    return already_a_repository(*backend);
  }
  TRY_DOING("creating the repository", std::move(created));
  TRY(backend->barrier());
  return open(std::move(backend), credential, {}, world);
}

Result<std::unique_ptr<Repository>> Repository::open(std::unique_ptr<backend::Backend> backend,
                                                     const Credential& credential,
                                                     const OpenOptions& options, World world) {
  const auto config_object = get_object(*backend, "config", kPlainObjectMax);
  if (!config_object && config_object.error().code() == ErrorCode::kNotFound) {
    return std::unexpected(
        Error(ErrorCode::kNoRepository, "there is no repository at " + backend->describe())
            .with_hint("Make one with 'backstay init', or check --repo."));
  }
  if (!config_object) return std::unexpected(config_object.error().clone());
  std::unique_ptr<State> state(new State{.backend = std::move(backend),
                                         .world = world,
                                         .config = {},
                                         .keys = {},
                                         .cache_directory = {},
                                         .generations = {},
                                         .generation_trouble = {},
                                         .uncounted = {},
                                         .index = {},
                                         .pack_keys = {},
                                         .scan_mutex = {},
                                         .scan_ended = {},
                                         .told_of_scan = {}});
  state->config = TRY_DOING("reading the repository's config", decode_config(*config_object));
  state->keys = TRY(unlock_keys(state->key_place(), credential));
  if (state->keys.keyring.config_digest != crypto::blake3(*config_object)) {
    return std::unexpected(
        Error(ErrorCode::kCorruption, "the config is not the one that the key was made for")
            .with_hint("Somebody changed or exchanged it: take it from a copy of the repository."));
  }
  if (!options.cache_directory.empty()) {
    state->cache_directory = options.cache_directory + "/" + state->config.id.hex();
  }
  state->keys.keyring.late =
      late_epochs(*state->backend, state->config.id, state->keys.identity, state->keys.keyring);
  Index::Options index_options;
  if (!state->cache_directory.empty())
    index_options.cache_directory = state->cache_directory + "/index";
  state->index = std::make_unique<Index>(*state->backend, state->keys.keyring, state->config,
                                         state->world.rng, std::move(index_options));
  std::unique_ptr<Repository> repository(new Repository(std::move(state)));
  // Who only reads goes on; whoever takes a lease to write, or frees, is told.
  TRY(repository->look_at_generations());
  return repository;
}

const Config& Repository::config() const {
  return state_->config;
}
const Keyring& Repository::keyring() const {
  return state_->keys.keyring;
}
backend::Backend& Repository::store() const {
  return *state_->backend;
}
World Repository::world() const {
  return state_->world;
}
std::uint64_t Repository::generation() const {
  return state_->generations.empty() ? 1 : state_->generations.back().number;
}
const std::vector<Generation>& Repository::generations() const {
  return state_->generations;
}
const std::string& Repository::cache_directory() const {
  return state_->cache_directory;
}
Index& Repository::index() const {
  return *state_->index;
}

Result<void> Repository::look_at_generations() {
  GenerationsRead read = TRY(read_generations(*state_->backend, state_->config.id,
                                              state_->keys.keyring, state_->generations));
  state_->generations = std::move(read.generations);
  state_->generation_trouble = std::move(read.trouble);
  std::vector<ObjectId> condemned;
  for (const Generation& generation : state_->generations) {
    condemned.insert(condemned.end(), generation.condemned.begin(), generation.condemned.end());
  }
  state_->index->condemn(generation(), condemned);
  return {};
}

Result<void> Repository::refresh_generations() {
  TRY(look_at_generations());
  if (!state_->generation_trouble) return {};
  return std::unexpected(state_->generation_trouble->clone().with_hint(
      "Which packs may be relied on is not known without it. Restores and checks go on. Put a copy "
      "of the object back; docs/repair.md says what to do when there is none."));
}

const std::optional<Error>& Repository::generation_trouble() const {
  return state_->generation_trouble;
}

// A generation that protects all packs that may be there.
static std::uint64_t generation_to_read(const std::vector<Generation>& generations,
                                        std::uint64_t highest) {
  const auto waiting = std::ranges::find_if(
      generations, [](const Generation& one) { return !one.condemned.empty(); });
  return waiting == generations.end() ? highest : waiting->number - 1;
}

Result<std::unique_ptr<Lease>> Repository::take_lease(LeaseRecord record, LeaseUse use) {
  record.started = state_->world.clock.now();
  if (use == LeaseUse::kWriting) {
    record.generation = generation();
    auto lease = TRY(acquire_lease(std::move(record)));
    TRY(refresh_generations());
    return lease;
  }
  // One that began while this was listed, and is lower than what the lease names, would let go what
  // it condemns. The number cannot go down for ever: it stops at what still condemns a pack.
  for (;;) {
    record.generation = generation_to_read(state_->generations, generation());
    auto lease = TRY(acquire_lease(record));
    TRY(look_at_generations());
    if (generation_to_read(state_->generations, generation()) >= record.generation) return lease;
    TRY(lease->release());
  }
}

Result<std::unique_ptr<Lease>> Repository::acquire_lease(LeaseRecord record) {
  return Lease::acquire(*state_->backend, state_->config.id, std::move(record), state_->world.rng,
                        state_->world.renewal());
}

Result<void> Repository::load_index(const DamagedRun& damaged) {
  return state_->index->load(damaged);
}

Result<void> Repository::load_settled_index(const DamagedRun& damaged) {
  constexpr int kLoadsMax = 5;
  std::map<ObjectId, Error> found;
  std::vector<std::shared_ptr<const IndexRun>> before;
  bool settled = false;
  for (int times = 0; times < kLoadsMax && !settled; ++times) {
    found.clear();
    TRY(load_index([&](const ObjectId& id, const Error& error) {
      found.insert_or_assign(id, error.clone());
    }));
    auto runs = index().runs();
    std::ranges::sort(runs, {}, [](const auto& one) { return one->id(); });
    settled = std::exchange(before, runs) == runs && times > 0;
  }
  for (const auto& [id, error] : found) damaged(id, error);
  if (settled) return {};
  return std::unexpected(
      Error(ErrorCode::kUnavailable, "the index changes faster than it can be read")
          .with_hint("Run the command again when fewer backups run."));
}

static Result<snapshot::Snapshot> open_snapshot(ByteView stored, const Keyring& keyring,
                                                const RepositoryId& repository) {
  return snapshot::decode_snapshot(
      TRY(open_record(ObjectKind::kSnapshot, stored, keyring, repository)));
}

static Result<Bytes> get_snapshot(backend::Backend& store, const snapshot::SnapshotId& id) {
  const ObjectId object_id{id.bytes};
  Bytes stored =
      TRY(get_object(store, object_name(ObjectKind::kSnapshot, object_id), kSnapshotObjectMax));
  if (id_of(stored) != object_id)
    return fail(ErrorCode::kCorruption, "its bytes do not match its name");
  return stored;
}

Result<snapshot::Snapshot> Repository::read_snapshot(const snapshot::SnapshotId& id) {
  const Bytes stored = TRY(get_snapshot(*state_->backend, id));
  return open_snapshot(stored, state_->keys.keyring, state_->config.id);
}

Result<StoredSnapshot> Repository::read_stored(const snapshot::SnapshotId& id) {
  const Bytes stored = TRY(get_snapshot(*state_->backend, id));
  auto read = TRY(open_snapshot(stored, state_->keys.keyring, state_->config.id));
  const Header header = TRY(decode_header(stored));
  const bool by_full_key = header.key_mode == KeyMode::kDerived && !read.by_write_only_key;
  return StoredSnapshot{
      .id = id, .snapshot = std::move(read), .tags_known = true, .by_full_key = by_full_key};
}

const std::vector<snapshot::SnapshotId>& Repository::uncounted_snapshots() const {
  return state_->uncounted;
}

Result<std::vector<snapshot::SnapshotId>> Repository::list_snapshots() {
  std::vector<snapshot::SnapshotId> ids;
  TRY(state_->backend->list(name_prefix(ObjectKind::kSnapshot),
                            [&](const backend::ObjectInfo& info) -> Result<void> {
                              if (auto id = parse_object_name(ObjectKind::kSnapshot, info.name)) {
                                ids.push_back({id->bytes});
                              }
                              return {};
                            }));
  return ids;
}

// In an append-only store nothing was freed that a snapshot needs, and what is locked was confirmed
// before: there nobody hides a snapshot by saying that its lease was ended.
static bool store_vouches_for(backend::Backend& store, const ObjectId& snapshot) {
  using enum backend::LegalHold;
  const backend::Capabilities can = store.capabilities();
  if (can.append_only || !can.object_lock) return can.append_only;
  const std::string name = object_name(ObjectKind::kSnapshot, snapshot);
  if (store.legal_hold(name).value_or(kOff) == kOn) return true;
  const auto until = store.retention(name);
  return until && *until && store.store_time().value_or(**until) < **until;
}

// The highest generation has all that was ever ended.
bool Repository::was_committed(const snapshot::SnapshotId& id,
                               const snapshot::Snapshot& snapshot) const {
  if (!snapshot.lease || state_->generations.empty()) return true;
  const Generation& highest = state_->generations.back();
  const LeaseId lease{snapshot.lease->bytes};
  const ObjectId object{id.bytes};
  return std::ranges::find(highest.ended_leases, lease) == highest.ended_leases.end() ||
         std::ranges::find(highest.kept_snapshots, object) != highest.kept_snapshots.end();
}

bool Repository::counts(const snapshot::SnapshotId& id, const snapshot::Snapshot& snapshot) const {
  return was_committed(id, snapshot) || store_vouches_for(*state_->backend, ObjectId{id.bytes});
}

void sort_oldest_first(std::vector<StoredSnapshot>& snapshots) {
  std::ranges::sort(snapshots, [](const StoredSnapshot& a, const StoredSnapshot& b) {
    return std::tie(a.snapshot.started, a.id) < std::tie(b.snapshot.started, b.id);
  });
}

Result<std::vector<StoredSnapshot>> Repository::snapshots(const DamagedSnapshot& damaged) {
  // Else every snapshot would be told to be damaged.
  if (state_->keys.keyring.is_write_only())
    return std::unexpected(
        Error(ErrorCode::kWrongKey, "the key is write-only: it cannot read snapshots")
            .with_hint("Use a full key; 'backstay key list' shows which there are."));
  const std::vector<snapshot::SnapshotId> ids = TRY(list_snapshots());
  std::vector<StoredSnapshot> found;
  state_->uncounted.clear();
  for (const snapshot::SnapshotId& id : ids) {
    auto snapshot = read_stored(id);
    if (snapshot) {
      if (counts(id, snapshot->snapshot))
        found.push_back(std::move(*snapshot));
      else
        state_->uncounted.push_back(id);
    } else if (snapshot.error().code() == ErrorCode::kNotFound) {
      continue;  // forgotten after it was listed
    } else if (is_damage(snapshot.error().code())) {
      damaged(id, snapshot.error());
    } else {
      return std::unexpected(
          std::move(snapshot).error().with_context("reading snapshot " + id.short_hex()));
    }
  }
  TRY(apply_tag_changes(*this, found));
  sort_oldest_first(found);
  return found;
}

// Of a lease that was lost. Where a collection ended it, the collection decides whether the
// snapshot counts, and a forget may rely on what it says: only what it said does not count is
// removed. Else somebody removed the lease, and nothing protects what the snapshot refers to.
Result<bool> Repository::is_to_be_taken_back(const snapshot::SnapshotId& id,
                                             const snapshot::Snapshot& snapshot,
                                             const Lease& lease) {
  const auto listed = TRY(list_leases(*state_->backend, state_->config.id));
  const bool undecided = std::ranges::any_of(
      listed, [&](const ListedLease& one) { return one.record.id == lease.id() && one.ended; });
  TRY(look_at_generations());
  const bool decided = !state_->generations.empty() &&
                       std::ranges::find(state_->generations.back().ended_leases, lease.id()) !=
                           state_->generations.back().ended_leases.end();
  return decided ? !counts(id, snapshot) : !undecided;
}

// Whether a snapshot whose put failed so may still appear, now or later. Its lease must protect
// what it refers to until a collection has said that it does not count.
static bool may_take_effect(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kNoSpace:
    case ErrorCode::kUnsupported:
      return false;
    default:
      return true;
  }
}

Result<snapshot::SnapshotId> Repository::commit_snapshot(snapshot::Snapshot snapshot,
                                                         Lease& lease) {
  snapshot.lease = snapshot::CommitLease{lease.id().bytes};
  auto stored = store_snapshot(snapshot);
  if (!stored && may_take_effect(stored.error().code())) lease.abandon();
  const snapshot::SnapshotId id = TRY(std::move(stored));
  auto confirmed = lease.confirm();
  // And that nobody has said that it does not count, whatever he had seen.
  if (confirmed) {
    TRY_DOING("confirming snapshot " + id.short_hex() + ", which was stored",
              refresh_generations());
    if (was_committed(id, snapshot)) return id;
    confirmed = fail(ErrorCode::kConflict, "a collection took the lease for ended");
  }
  if (confirmed.error().code() != ErrorCode::kConflict) {
    return std::unexpected(std::move(confirmed).error().with_context(
        "confirming snapshot " + id.short_hex() + ", which was stored"));
  }
  if (TRY(is_to_be_taken_back(id, snapshot, lease))) {
    TRY_DOING("taking back a snapshot whose lease was ended",
              state_->backend->remove(object_name(ObjectKind::kSnapshot, ObjectId{id.bytes})));
  }
  return std::unexpected(std::move(confirmed).error().with_context("committing the snapshot"));
}

Result<snapshot::SnapshotId> Repository::commit_snapshot(const snapshot::Snapshot& snapshot) {
  snapshot::Snapshot without = snapshot;
  without.lease.reset();
  return store_snapshot(without);
}

Result<snapshot::SnapshotId> Repository::store_snapshot(const snapshot::Snapshot& snapshot) {
  Bytes record;
  snapshot::encode_snapshot(snapshot, record);
  if (record.size() > kFrameMax) {
    return fail(ErrorCode::kInvalidArgument, "the snapshot's description is larger than 16 MiB");
  }
  const Bytes stored = TRY(seal_record(ObjectKind::kSnapshot, record, state_->keys.keyring,
                                       state_->config, state_->world.rng));
  // The commit is what makes the run count: it is decoded as a restore will decode it.
  const auto again = snapshot::decode_snapshot(record);
  if (!again || *again != snapshot) {
    return fail(ErrorCode::kInvalidArgument,
                "the snapshot would not be read back as it is" +
                    (again ? std::string() : ": " + again.error().describe()));
  }
  const ObjectId id = id_of(stored);
  TRY_DOING("committing the snapshot",
            state_->backend->put(object_name(ObjectKind::kSnapshot, id), stored));
  TRY_DOING("committing the snapshot", state_->backend->barrier());
  return snapshot::SnapshotId{id.bytes};
}

chunk::ChunkId Repository::chunk_id(ByteView plaintext) const {
  return chunk::ChunkId{crypto::blake3_keyed(state_->keys.keyring.chunk_id_key, plaintext).bytes};
}

crypto::Blake3Stream Repository::chunk_id_stream() const {
  return crypto::Blake3Stream(state_->keys.keyring.chunk_id_key);
}

// A version or key epoch that is not known may be one of the future, or a flipped bit: the name
// tells, at the price of reading the whole pack.
static Error explain(Error error, backend::Backend& store, const FrameLocation& frame) {
  const bool strange =
      error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kWrongKey;
  if (!strange) return error;
  const auto named = verify_name(store, object_kind(frame.pack_kind), frame.pack);
  if (named || named.error().code() != ErrorCode::kCorruption) return error;
  return named.error().clone();
}

Result<FrameData> Repository::read_frame(const FrameLocation& frame) {
  if (auto kept = state_->frames.find(frame)) return kept;
  const std::string name = object_name(object_kind(frame.pack_kind), frame.pack);
  auto pack_key =
      state_->pack_keys.find_or_read(*state_->backend, name, object_kind(frame.pack_kind),
                                     frame.pack, state_->keys.keyring, state_->config.id);
  if (!pack_key) {
    return std::unexpected(explain(std::move(pack_key).error(), *state_->backend, frame)
                               .with_context("reading " + name));
  }
  if (frame.raw_length > kFrameMax || frame.sealed_length > kFrameMax + kFrameMax / 8) {
    return fail(ErrorCode::kCorruption, "the index states an absurd length for a frame of " + name);
  }
  Bytes sealed(frame.sealed_length);
  TRY_DOING("reading " + name, state_->backend->get_range(name, frame.offset, sealed));
  FrameDecoder decoder;
  auto data = std::make_shared<const Bytes>(
      TRY_DOING("reading " + name, decoder.decode(sealed, frame, pack_key->suite, pack_key->key)));
  // Data frames are read once, in order, by restore: only metadata is worth keeping.
  if (frame.pack_kind == PackKind::kMeta) state_->frames.keep(frame, data);
  return data;
}

Result<ByteView> Repository::chunk_in_frame(const Bytes& frame, std::uint32_t offset_in_frame,
                                            const chunk::ChunkRef& ref) const {
  if (offset_in_frame > frame.size() || ref.length > frame.size() - offset_in_frame) {
    return fail(ErrorCode::kCorruption, "the index points outside of a frame");
  }
  const ByteView chunk = ByteView(frame).subspan(offset_in_frame, ref.length);
  if (chunk_id(chunk) != ref.id) {
    return fail(ErrorCode::kCorruption,
                "the bytes of chunk " + ref.id.short_hex() + " do not match its id");
  }
  return chunk;
}

void Repository::recover_when_needed(Recovery told) {
  const MutexLock lock(state_->scan_mutex);
  state_->told_of_scan = std::move(told);
  if (state_->scan == State::Scan::kNotWanted) state_->scan = State::Scan::kWanted;
}

Result<RecoveredPacks> Repository::recover_now(const PackSurvey& survey) {
  RecoveredPacks recovered;
  // Readers ask the places of a chunk in the order in which they came into the index.
  for (const auto* packs : {&survey.strays, &survey.marked_strays, &survey.condemned_strays}) {
    recovered.append(TRY(recover_packs(*state_->backend, state_->keys.keyring, state_->config.id,
                                       *packs, {PackDepth::kDirectory, state_->world.readers()},
                                       [&](std::vector<PackEntries> found) {
                                         return state_->index->add_unstored(std::move(found));
                                       })));
  }
  return recovered;
}

// The first that misses a chunk looks for it, the others wait. A failure is that of the store.
Result<void> Repository::State::scan_once(Repository& repository) {
  {
    const MutexLock lock(scan_mutex);
    while (scan == Scan::kRunning) scan_ended.wait(scan_mutex);
    if (scan != Scan::kWanted) return {};
    scan = Scan::kRunning;
  }
  const auto recover = [&]() -> Result<RecoveredPacks> {
    // A collection may have moved what is missing (docs/format.md section 8.7).
    TRY(index->load([](const ObjectId&, const Error&) {}, Index::Superseded::kTakenToo));
    const PackSurvey survey = TRY(survey_packs(*backend, *index));
    return repository.recover_now(survey);
  };
  auto recovered = recover();
  if (recovered && !recovered->packs.empty()) told_of_scan(*recovered);
  const MutexLock lock(scan_mutex);
  scan = Scan::kDone;
  scan_ended.notify_all();
  if (!recovered) return std::unexpected(std::move(recovered).error());
  return {};
}

Result<std::optional<ChunkLocation>> Repository::locate(const chunk::ChunkId& id) {
  auto location = state_->index->find(id);
  if (location) return location;
  TRY(state_->scan_once(*this));
  return state_->index->find(id);
}

Result<Bytes> Repository::read_elsewhere(const chunk::ChunkRef& ref, const FrameLocation& bad,
                                         Error error) {
  // The failure to tell is that of the place that was known; but where a place could not be asked,
  // it is that one's: what it would have said is not known.
  const auto is_unanswered = [](const Error& one) {
    return !is_damage(one.code()) && one.code() != ErrorCode::kNotFound;
  };
  const auto from_any = [&]() -> std::optional<Bytes> {
    for (const ChunkLocation& at : state_->index->find_all(ref.id)) {
      if (at.frame == bad) continue;
      auto bytes = read_at(ref, at);
      if (bytes) return std::move(*bytes);
      if (is_unanswered(bytes.error()) && !is_unanswered(error)) error = std::move(bytes).error();
    }
    return std::nullopt;
  };
  if (auto bytes = from_any()) return std::move(*bytes);
  auto scanned = state_->scan_once(*this);
  if (!scanned) {
    if (!is_unanswered(error)) error = std::move(scanned).error();
    return std::unexpected(std::move(error));
  }
  if (auto bytes = from_any()) return std::move(*bytes);
  return std::unexpected(std::move(error));
}

Result<ByteView> Repository::chunk_of(const Result<FrameData>& frame, const ChunkLocation& at,
                                      const chunk::ChunkRef& ref, Bytes& kept) {
  auto bytes = frame ? chunk_in_frame(**frame, at.offset_in_frame, ref)
                     : Result<ByteView>(std::unexpected(frame.error().clone()));
  if (bytes) return bytes;
  kept = TRY(read_elsewhere(ref, at.frame, std::move(bytes).error()));
  return ByteView(kept);
}

Result<Bytes> Repository::read_at(const chunk::ChunkRef& ref, const ChunkLocation& at) {
  const FrameData frame = TRY(read_frame(at.frame));
  return to_owned(TRY(chunk_in_frame(*frame, at.offset_in_frame, ref)));
}

Result<Bytes> Repository::read(const chunk::ChunkRef& ref) {
  const auto location = TRY(locate(ref.id));
  if (!location) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, "chunk " + ref.id.short_hex() + " is not in the index")
            .with_hint("Run 'backstay check' to see what is affected."));
  }
  auto bytes = read_at(ref, *location);
  if (bytes) return bytes;
  return read_elsewhere(ref, location->frame, std::move(bytes).error());
}

}  // namespace backstay::repo
