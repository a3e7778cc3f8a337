#include "repo/store_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "base/bounded_queue.h"
#include "base/try.h"
#include "compress/zstd_codec.h"
#include "repo/claim_set.h"
#include "repo/open_pack.h"

namespace backstay::repo {

namespace {

constexpr std::size_t kOpenPacksPerKind = 2;  // docs/format.md section 5.4
// Full packs that wait until one that is being put is done: one is enough for the next put to begin
// at once, and more of them would be memory without speed.
constexpr std::size_t kPacksWaiting = 1;
// Claims between two calls of Index::forget_pages(). New chunks seldom get past the filters, but
// each one that does brings 64 KiB of a mapped run into memory, and soon all of it: 40 bytes a
// chunk. Faults for 256 claims that are all found cost about half a millisecond.
constexpr std::uint64_t kForgetAfterClaims = 256;
constexpr std::uint32_t kMetaPackDivisor =
    4;  // metadata packs are smaller: they are written less often

// What is sealed of a frame: the codec's own buffer, or the plaintext where that is no larger.
struct PackedFrame {
  ByteView bytes;
  compress::Codec codec;
};

}  // namespace

struct FrameEncoder::State {
  crypto::Aead aead;
  compress::ZstdCodec codec;
  PageBuffer decoded;
};

FrameEncoder::FrameEncoder() : state_(std::make_unique<State>()) {}
FrameEncoder::~FrameEncoder() = default;
FrameEncoder::FrameEncoder(FrameEncoder&&) noexcept = default;

struct StoreSession::State {
  Repository& repository;
  Options options;
  Mode mode;
  ClaimSet claims;
  std::atomic<std::uint64_t> asked{0};
  BoundedQueue<std::unique_ptr<OpenPack>> finished;
  std::vector<std::jthread> uploaders;

  Mutex packs_mutex;
  CondVar buffer_back;
  std::vector<PageBuffer> spare_buffers GUARDED_BY(packs_mutex);
  std::uint64_t buffer_bytes GUARDED_BY(packs_mutex) = 0;  // of all, spare or not
  std::size_t packs_leaving GUARDED_BY(packs_mutex) = 0;   // full, and not stored yet
  std::array<std::array<std::unique_ptr<OpenPack>, kOpenPacksPerKind>, 2> open
      GUARDED_BY(packs_mutex);

  Mutex index_mutex;
  std::vector<PackEntries> unindexed GUARDED_BY(index_mutex);
  std::uint64_t unindexed_bytes GUARDED_BY(index_mutex) = 0;
  std::uint64_t unindexed_chunks GUARDED_BY(index_mutex) = 0;
  std::chrono::steady_clock::time_point last_checkpoint GUARDED_BY(index_mutex);
  // Held while a checkpoint is written: who finds the next one due waits for it, so that what is
  // stored and not indexed stays bounded. All others go on, with the locks above.
  Mutex checkpoint_mutex;

  Mutex failure_mutex;
  std::optional<Error> failure GUARDED_BY(failure_mutex);
  std::atomic<bool> failed{false};
  std::atomic<bool> ended{false};

  std::atomic<std::uint64_t> bytes_added{0};
  std::atomic<std::uint64_t> bytes_stored{0};
  std::atomic<std::uint64_t> chunks_added{0};
  std::atomic<std::uint64_t> packs{0};

  State(Repository& repo, const Options& session_options, Mode session_mode)
      : repository(repo), options(session_options), mode(session_mode), finished(kPacksWaiting) {}

  // The first failure is what everybody is told from then on.
  void note_failure(Error error) {
    const MutexLock lock(failure_mutex);
    if (!failure) failure = std::move(error);
    failed = true;
  }
  // abort() drops packs and waits for their writers, so no writer calls this with a reservation.
  void fail_with(Error error) {
    note_failure(std::move(error));
    finished.abort();
    const MutexLock lock(packs_mutex);
    buffer_back.notify_all();
  }
  Result<void> check_failure() {
    if (!failed) return {};
    const MutexLock lock(failure_mutex);
    return std::unexpected(failure->clone());
  }

  struct Placed {
    OpenPack* pack = nullptr;
    OpenPack::Reservation reservation;
  };
  using Slot = std::unique_ptr<OpenPack>;
  std::optional<PageBuffer> buffer_of(std::size_t bytes) REQUIRES(packs_mutex);
  void keep_buffer(PageBuffer buffer) EXCLUDES(packs_mutex);
  Result<Placed> place(PackKind kind, FrameRecord record) EXCLUDES(packs_mutex);
  Result<PackedFrame> pack_frame(const RawFrame& frame, FrameEncoder::State& encoder);
  Result<void> seal(const RawFrame& frame, const PackedFrame& packed, FrameEncoder::State& encoder);
  void upload_all();
  Result<void> upload_one(Slot pack);
  bool hand_over(Slot pack);
  Result<void> put_once(const std::string& name, std::span<const ByteView> pieces);
  Result<void> upload(OpenPack& pack);
  bool checkpoint_due() EXCLUDES(index_mutex);
  Result<void> checkpoint() EXCLUDES(index_mutex);
  [[nodiscard]] std::size_t capacity_of(PackKind kind) const {
    return kind == PackKind::kData ? options.pack_bytes : options.pack_bytes / kMetaPackDivisor;
  }
};

StoreSession::StoreSession(Repository& repository, const Options& options, Mode mode)
    : state_(std::make_unique<State>(repository, options, mode)) {
  {
    const MutexLock lock(state_->index_mutex);
    state_->last_checkpoint = repository.world().clock.monotonic();
  }
  if (mode == Mode::kDryRun) return;
  for (std::size_t i = 0; i < options.uploads; ++i) {
    state_->uploaders.emplace_back([state = state_.get()] { state->upload_all(); });
  }
}

StoreSession::~StoreSession() {
  state_->finished.abort();
  // A put that is under way still writes to the state.
  state_->uploaders.clear();
}

bool StoreSession::claim(const chunk::ChunkId& id) {
  const IdPrefix prefix = prefix_of(id);
  // A chunk leaves the claims only after its index run is findable: who asks in this order never
  // misses it.
  if (!state_->claims.insert(prefix)) return false;
  const Index& index = state_->repository.index();
  if (++state_->asked % kForgetAfterClaims == 0) index.forget_pages();
  if (!index.contains(id)) return true;
  state_->claims.erase(prefix);
  return false;
}

// Compresses and proves that it decodes to the same bytes: library and memory faults are found
// here, not at the restore.
Result<PackedFrame> StoreSession::State::pack_frame(const RawFrame& frame,
                                                    FrameEncoder::State& encoder) {
  PackedFrame packed{.bytes = {}, .codec = compress::Codec::kZstd};
  if (options.compression.mode != Compression::Mode::kOff) {
    const int level = options.compression.mode == Compression::Mode::kLevel
                          ? options.compression.level
                          : compress::kLevelAutomatic;
    packed.bytes = TRY(encoder.codec.compress(frame.bytes, level));
  }
  if (packed.bytes.empty()) {
    packed = {.bytes = frame.bytes, .codec = compress::Codec::kStored};
    return packed;
  }
  const MutableByteView check = encoder.decoded.room_for(frame.bytes.size());
  const auto decoded = encoder.codec.decompress(packed.bytes, check);
  if (!decoded || !same_bytes(check, frame.bytes)) {
    return std::unexpected(
        Error(ErrorCode::kInternal, "a compressed frame does not decode to what went in")
            .with_hint("Test this machine's memory: faulty memory is the usual cause."));
  }
  return packed;
}

// Nothing when memory_bound() is reached and a pack on its way to the store will give its buffer
// back. Where none is on its way, the bound gives in: a frame may be larger than a whole pack.
std::optional<PageBuffer> StoreSession::State::buffer_of(std::size_t bytes) {
  const auto spare = std::ranges::find(spare_buffers, bytes, &PageBuffer::size);
  if (spare != spare_buffers.end()) {
    PageBuffer buffer = std::move(*spare);
    spare_buffers.erase(spare);
    return buffer;
  }
  while (!spare_buffers.empty() && buffer_bytes + bytes > memory_bound(options)) {
    buffer_bytes -= spare_buffers.back().size();
    spare_buffers.pop_back();
  }
  if (packs_leaving > 0 && buffer_bytes + bytes > memory_bound(options)) return std::nullopt;
  buffer_bytes += bytes;
  return PageBuffer(bytes);
}

void StoreSession::State::keep_buffer(PageBuffer buffer) {
  const MutexLock lock(packs_mutex);
  --packs_leaving;
  spare_buffers.push_back(std::move(buffer));
  buffer_back.notify_all();
}

// Who waits here holds neither a pack nor a place in one, so that the uploader never waits for a
// writer that waits for the uploader.
Result<StoreSession::State::Placed> StoreSession::State::place(PackKind kind, FrameRecord record) {
  const std::size_t slot = repository.world().rng.below(kOpenPacksPerKind);
  constexpr std::size_t kPrefixMax = kHeaderSize + kKeyExtensionSize;
  const std::size_t capacity = std::max(capacity_of(kind), kPrefixMax + record.sealed_length);
  while (true) {
    Slot full;
    {
      const MutexLock lock(packs_mutex);
      if (failed) break;
      Slot& pack = open[kind == PackKind::kMeta ? 1 : 0][slot];
      if (pack == nullptr) {
        auto buffer = buffer_of(capacity);
        if (!buffer) {
          buffer_back.wait(packs_mutex);
          continue;
        }
        pack = TRY(OpenPack::create(kind, std::move(*buffer), repository.keyring(),
                                    repository.config(), repository.world().rng));
      }
      if (pack->fits(record)) {
        return Placed{.pack = pack.get(), .reservation = pack->reserve(std::move(record))};
      }
      full = std::exchange(pack, nullptr);
      ++packs_leaving;
    }
    if (!hand_over(std::move(full))) break;
  }
  TRY(check_failure());
  return fail(ErrorCode::kInternal, "the store session has ended");
}

Result<void> StoreSession::State::seal(const RawFrame& frame, const PackedFrame& packed,
                                       FrameEncoder::State& encoder) {
  FrameRecord record{
      .sealed_length = static_cast<std::uint32_t>(packed.bytes.size() + crypto::kTagSize),
      .raw_length = static_cast<std::uint32_t>(frame.bytes.size()),
      .codec = packed.codec,
      .chunks = frame.chunks};
  Placed placed = TRY(place(frame.kind, std::move(record)));
  const Nonce nonce(placed.reservation.offset, Purpose::kFrame);
  OpenPack& pack = *placed.pack;
  auto sealed = encoder.aead.seal(pack.suite(), pack.key(), nonce.view(), packed.bytes,
                                  placed.reservation.place);
  const MutableByteView check = encoder.decoded.room_for(packed.bytes.size());
  if (sealed) {
    sealed =
        encoder.aead.open(pack.suite(), pack.key(), nonce.view(), placed.reservation.place, check);
  }
  if (!sealed || !same_bytes(check, packed.bytes)) {
    // Before the pack counts as written: nobody is to store it.
    note_failure(Error(ErrorCode::kInternal, "a sealed frame does not open to what went in")
                     .with_hint("Test this machine's memory: faulty memory is the usual cause."));
  }
  pack.written();
  return check_failure();
}

Result<void> StoreSession::add(const RawFrame& frame, FrameEncoder& encoder) {
  TRY(state_->check_failure());
  if (state_->ended) return fail(ErrorCode::kInternal, "the store session has been flushed");
  const PackedFrame packed = TRY(state_->pack_frame(frame, *encoder.state_));
  state_->bytes_added += frame.bytes.size();
  state_->chunks_added += frame.chunks.size();
  if (state_->mode == Mode::kDryRun) {
    state_->bytes_stored += packed.bytes.size() + crypto::kTagSize;
    return {};
  }
  return state_->seal(frame, packed, *encoder.state_);
}

Result<void> StoreSession::State::upload_one(Slot pack) {
  auto done = upload(*pack);
  keep_buffer(pack->take_buffer());
  pack.reset();
  if (done && checkpoint_due()) {
    // The others go on meanwhile, until the next one is due: then they wait here.
    const MutexLock lock(checkpoint_mutex);
    if (checkpoint_due()) done = checkpoint();
  }
  return done;
}

void StoreSession::State::upload_all() {
  while (auto pack = finished.pop()) {
    auto done = upload_one(*std::move(pack));
    if (!done) {
      fail_with(std::move(done).error());
      return;
    }
  }
}

// False when the session has failed.
bool StoreSession::State::hand_over(Slot pack) {
  if (options.uploads > 0) return finished.push(std::move(pack));
  auto done = upload_one(std::move(pack));
  if (done) return true;
  fail_with(std::move(done).error());
  return false;
}

// The name is the hash of bytes that are unlike any others: where it is taken, it is by an earlier
// attempt whose answer was lost.
Result<void> StoreSession::State::put_once(const std::string& name,
                                           std::span<const ByteView> pieces) {
  auto put = repository.store().put(name, pieces);
  if (!put && put.error().code() == ErrorCode::kAlreadyExists) return {};
  return put;
}

Result<void> StoreSession::State::upload(OpenPack& pack) {
  OpenPack::Finished done = TRY(pack.finish(repository.world().rng));
  // Its writers are through; should one of them have failed, it stays here.
  TRY(check_failure());
  const ByteView pieces[] = {pack.frames(), done.tail};
  TRY_DOING("storing a pack", put_once(object_name(object_kind(pack.kind()), done.id), pieces));
  bytes_stored += done.entries.size_bytes;
  ++packs;
  const MutexLock lock(index_mutex);
  unindexed_bytes += done.entries.size_bytes;
  unindexed_chunks += done.entries.chunks.size();
  unindexed.push_back(std::move(done.entries));
  return {};
}

bool StoreSession::State::checkpoint_due() {
  const auto now = repository.world().clock.monotonic();
  const MutexLock lock(index_mutex);
  return unindexed_bytes >= options.checkpoint_bytes ||
         unindexed_chunks >= options.checkpoint_entries ||
         now - last_checkpoint >= options.checkpoint_interval;
}

// Packs durable, then the index run that names them (docs/format.md section 8.1), then the claims.
Result<void> StoreSession::State::checkpoint() {
  TRY(check_failure());
  std::vector<PackEntries> taken;
  {
    const MutexLock lock(index_mutex);
    taken.swap(unindexed);
    unindexed_bytes = 0;
    unindexed_chunks = 0;
    last_checkpoint = repository.world().clock.monotonic();
  }
  if (taken.empty()) return {};
  TRY_DOING("making packs durable", repository.store().barrier());
  std::vector<IdPrefix> ids;
  for (const PackEntries& pack : taken) {
    for (const PackEntries::Chunk& chunk : pack.chunks) ids.push_back(chunk.id);
  }
  bytes_stored += TRY_DOING("writing the index", repository.index().add(std::move(taken)));
  for (const IdPrefix& id : ids) claims.erase(id);
  return {};
}

Result<void> StoreSession::flush() {
  TRY(state_->check_failure());
  state_->ended = true;
  if (state_->mode == Mode::kDryRun) return {};
  std::vector<std::unique_ptr<OpenPack>> last;
  {
    const MutexLock lock(state_->packs_mutex);
    for (auto& kind : state_->open) {
      for (auto& pack : kind) {
        if (pack != nullptr) last.push_back(std::move(pack));
      }
    }
    state_->packs_leaving += last.size();
  }
  for (auto& pack : last) {
    if (!state_->hand_over(std::move(pack))) break;
  }
  state_->finished.close();
  state_->uploaders.clear();
  TRY(state_->check_failure());
  auto done = state_->checkpoint();
  if (!done) state_->note_failure(done.error().clone());
  return done;
}

StoreSession::Totals StoreSession::totals() const {
  return {.bytes_added = state_->bytes_added,
          .bytes_stored = state_->bytes_stored,
          .chunks_added = state_->chunks_added,
          .packs = state_->packs};
}

std::uint64_t StoreSession::memory_bound(const Options& options) {
  // Open data packs, packs queued and being put; metadata packs are smaller by kMetaPackDivisor.
  const std::uint64_t in_flight =
      kOpenPacksPerKind + (options.uploads > 0 ? kPacksWaiting + options.uploads : 0);
  return options.pack_bytes * in_flight + options.pack_bytes / kMetaPackDivisor * kOpenPacksPerKind;
}

// A checkpoint begins when a pack made it due, and meanwhile all other packs may fill; where others
// upload, as much again as made it due.
std::uint64_t StoreSession::unindexed_chunks_max(const Options& options) {
  const std::uint64_t packs = 1 + kOpenPacksPerKind + kPacksWaiting + options.uploads;
  return (options.uploads > 1 ? 2 : 1) * options.checkpoint_entries + packs * OpenPack::kChunksMax;
}

// Each is claimed, and stands in the directory of a pack or in what that brings into the index;
// while a run is written, half of them are sorted, too.
const std::size_t StoreSession::kBytesOfUnindexedChunk =
    ClaimSet::kBytesEach + sizeof(PackEntries::Chunk) + sizeof(IndexRun::Entry) / 2;

}  // namespace backstay::repo
