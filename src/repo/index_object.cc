#include "repo/index_object.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/assert.h"
#include "base/page_buffer.h"
#include "base/try.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "repo/run_layout.h"

namespace backstay::repo {

namespace {

constexpr std::size_t kSealedSegment = kIndexSegmentSize + crypto::kTagSize;

void encode_entry(const IndexRun::Entry& entry, std::uint8_t* out) {
  std::memcpy(out, entry.id.data(), entry.id.size());
  store_le(out + 20, entry.pack);
  store_le(out + 24, entry.frame_offset);
  store_le(out + 28, entry.sealed_length);
  store_le(out + 32, entry.raw_length | static_cast<std::uint32_t>(entry.codec) << kRawLengthBits);
  store_le(out + 36, entry.offset_in_frame);
}

bool is_signed(const IndexRunWriter::Head& head) {
  return !head.supersedes.empty();
}

Bytes encode_head(const IndexRunWriter::Head& head) {
  Bytes out;
  append(out, as_bytes(kRunMagic));
  append_le<std::uint32_t>(out, kIndexEntrySize);
  append_le<std::uint32_t>(out, 0);
  append_le<std::uint64_t>(out, head.entries);
  append_le(out, static_cast<std::uint32_t>(head.packs.size()));
  append_le(out, static_cast<std::uint32_t>(head.supersedes.size()));
  append_le<std::uint64_t>(out, head.generation);
  append_le<std::uint32_t>(out, is_signed(head) ? 1 : 0);
  out.resize(kRunHeadSize);
  for (const ObjectId& id : head.supersedes) append(out, id.view());
  for (const PackEntries& pack : head.packs) {
    append(out, pack.pack.view());
    append_le<std::uint64_t>(out, pack.size_bytes);
    append_le(out, static_cast<std::uint32_t>(pack.kind));
    append_le<std::uint32_t>(out, 0);
  }
  return out;
}

}  // namespace

struct IndexRunWriter::State {
  crypto::Suite suite = crypto::Suite::kAes256Gcm;
  crypto::Secret key;
  crypto::Aead aead;
  crypto::Blake3Stream hash;
  io::SpilledBytes object;
  Bytes segment;
  std::uint64_t entries_left = 0;
  // Of runs that are signed.
  std::optional<KeyEpoch> signer;
  RepositoryId repository;
  crypto::Blake3Stream body_hash;

  explicit State(io::SpilledBytes empty) : object(std::move(empty)) {}

  Result<void> put_out(ByteView bytes) {
    hash.update(bytes);
    return object.append(bytes);
  }
  Result<void> write(ByteView bytes) {
    if (signer) body_hash.update(bytes);
    while (!bytes.empty()) {
      const std::size_t room = kIndexSegmentSize - segment.size();
      const std::size_t taken = std::min(room, bytes.size());
      append(segment, bytes.first(taken));
      bytes = bytes.subspan(taken);
      if (segment.size() == kIndexSegmentSize) TRY(close_segment());
    }
    return {};
  }
  Result<void> close_segment() {
    const std::size_t length = segment.size();
    segment.resize(length + crypto::kTagSize);
    TRY(aead.seal(suite, key, Nonce(object.size(), Purpose::kIndexSegment).view(),
                  ByteView(segment).first(length), segment));
    TRY(put_out(segment));
    segment.clear();
    return {};
  }
};

// The epoch that confirms what a run supersedes.
static Result<KeyEpoch> signer_for(const Keyring& keyring, std::uint32_t number) {
  const std::optional<KeyEpoch> epoch = TRY(keyring.epoch(number));
  if (epoch && !epoch->is_write_only()) return *epoch;
  return fail(ErrorCode::kWrongKey, "a write-only key cannot take index runs away");
}

IndexRunWriter::IndexRunWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
IndexRunWriter::~IndexRunWriter() = default;

Result<std::unique_ptr<IndexRunWriter>> IndexRunWriter::create(const Keyring& keyring,
                                                               const Config& config, Rng& rng,
                                                               const Head& head,
                                                               const std::string& folder) {
  const std::uint64_t body = kRunHeadSize + 32 * head.supersedes.size() +
                             kPackRowSize * head.packs.size() + kIndexEntrySize * head.entries +
                             (is_signed(head) ? kRunSignatureSize : 0);
  const std::uint64_t size = kHeaderSize + body + (body / kIndexSegmentSize + 1) * crypto::kTagSize;
  auto state = std::make_unique<State>(io::SpilledBytes(folder, size));
  const Keyring::NewObject object = TRY(keyring.new_object(ObjectKind::kIndexRun, config, rng));
  ASSERT(object.prefix.size() == kHeaderSize);
  TRY(state->put_out(object.prefix));
  state->suite = config.suite;
  state->key = object.key;
  state->entries_left = head.entries;
  state->repository = config.id;
  if (is_signed(head)) state->signer = TRY(signer_for(keyring, object.header.epoch));
  state->segment.reserve(
      static_cast<std::size_t>(std::min<std::uint64_t>(kIndexSegmentSize, body)) +
      crypto::kTagSize);
  TRY(state->write(encode_head(head)));
  return std::unique_ptr<IndexRunWriter>(new IndexRunWriter(std::move(state)));
}

Result<void> IndexRunWriter::add(const IndexRun::Entry& entry) {
  ASSERT(state_->entries_left > 0);
  --state_->entries_left;
  std::uint8_t raw[kIndexEntrySize];
  encode_entry(entry, raw);
  return state_->write(raw);
}

Result<IndexRunWriter::Finished> IndexRunWriter::finish() {
  ASSERT(state_->entries_left == 0);
  if (state_->signer) {
    const Bytes message = run_message(state_->repository, state_->body_hash.finish());
    TRY(state_->write(state_->signer->sign(message)));
  }
  if (!state_->segment.empty()) TRY(state_->close_segment());
  return Finished{.id = ObjectId{state_->hash.finish().bytes}, .object = std::move(state_->object)};
}

struct IndexObjectReader::State {
  ReadAt read_at;
  std::uint64_t size = 0;
  std::uint64_t segments = 0;
  crypto::Suite suite = crypto::Suite::kAes256Gcm;
  crypto::Secret key;
  crypto::Aead aead;
  PageBuffer buffer{kSealedSegment};
  RunSigner signer{};

  Result<ByteView> segment(std::uint64_t number) {
    const std::uint64_t offset = kHeaderSize + number * kSealedSegment;
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(kSealedSegment, size - offset));
    const MutableByteView stored = buffer.bytes().first(length);
    TRY(read_at(offset, stored));
    const MutableByteView out = stored.first(length - crypto::kTagSize);
    TRY_DOING("opening the index run",
              aead.open(suite, key, Nonce(offset, Purpose::kIndexSegment).view(), stored, out));
    return ByteView(out);
  }
};

IndexObjectReader::IndexObjectReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
IndexObjectReader::~IndexObjectReader() = default;

Result<std::unique_ptr<IndexObjectReader>> IndexObjectReader::open(ReadAt read_at,
                                                                   std::uint64_t size,
                                                                   const Keyring& keyring,
                                                                   const RepositoryId& repository) {
  std::uint8_t raw[kHeaderSize];
  const auto header_size = static_cast<std::size_t>(std::min<std::uint64_t>(kHeaderSize, size));
  TRY(read_at(0, MutableByteView(raw).first(header_size)));
  const Header header =
      TRY(decode_header(ByteView(raw).first(header_size), ObjectKind::kIndexRun, repository));
  if (prefix_size(header) != kHeaderSize)
    return fail(ErrorCode::kCorruption, "the index run has a prefix that none has");
  const std::uint64_t sealed = size - kHeaderSize;
  const std::uint64_t last = sealed % kSealedSegment;
  if (last != 0 && last <= crypto::kTagSize)
    return fail(ErrorCode::kCorruption, "the index run is cut short");
  auto state = std::make_unique<State>();
  state->read_at = std::move(read_at);
  state->size = size;
  state->segments = sealed / kSealedSegment + (last != 0 ? 1U : 0U);
  state->suite = header.suite;
  state->key = TRY(keyring.object_key(raw));
  const std::optional<KeyEpoch> epoch = TRY(keyring.epoch(header.epoch));
  if (!epoch) return fail(ErrorCode::kWrongKey, "the index run's epoch is gone from the keyring");
  state->signer = {.key = epoch->signer, .repository = repository};
  return std::unique_ptr<IndexObjectReader>(new IndexObjectReader(std::move(state)));
}

StreamedBytes IndexObjectReader::body() {
  return {.size = state_->size - kHeaderSize - state_->segments * crypto::kTagSize,
          .piece_at = [this](std::uint64_t offset) -> Result<ByteView> {
            ASSERT(offset % kIndexSegmentSize == 0);
            return state_->segment(offset / kIndexSegmentSize);
          }};
}

RunSigner IndexObjectReader::signer() const {
  return state_->signer;
}

static Result<std::unique_ptr<IndexObjectReader>> reader_of(ByteView stored, const Keyring& keyring,
                                                            const RepositoryId& repository) {
  const auto read_at = [stored](std::uint64_t offset, MutableByteView out) -> Result<void> {
    std::memcpy(out.data(), stored.data() + offset, out.size());
    return {};
  };
  return IndexObjectReader::open(read_at, stored.size(), keyring, repository);
}

Result<Bytes> open_index_object(ByteView stored, const Keyring& keyring,
                                const RepositoryId& repository) {
  const auto reader = TRY(reader_of(stored, keyring, repository));
  return gathered(reader->body());
}

Result<std::shared_ptr<const IndexRun>> open_index_run(ByteView stored, const Keyring& keyring,
                                                       const RepositoryId& repository) {
  const auto reader = TRY(reader_of(stored, keyring, repository));
  Bytes body = TRY(gathered(reader->body()));
  const RunTrust trust = trust_in(reader->signer(), body);
  return IndexRun::open(id_of(stored), std::move(body), trust);
}

}  // namespace backstay::repo
