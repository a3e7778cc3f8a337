#include "repo/parity_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/record.h"
#include "base/try.h"
#include "erasure/erasure_code.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

using snapshot::FieldScan;
using snapshot::FieldSet;

constexpr std::string_view kParityMagic = "BKSTPAR1";
constexpr std::size_t kDirectoryMax = 1024 * 1024;
constexpr std::uint64_t kCopyBytesMax = 32 * 1024 * 1024;
constexpr std::size_t kCopyNameMax = 200;
constexpr std::uint64_t kParityNanosMax = 999'999'999;
constexpr std::uint32_t kHundredthsMax = 100 * 100 * 10;
static_assert(erasure::is_geometry(kParitySlotsMax, kParityShardsMax));

constexpr snapshot::RecordShape kDirectoryShape{.name = "parity directory",
                                                .last = 10,
                                                .bytes = FieldSet(7, 8, 9, 10),
                                                .repeated = FieldSet(8, 9, 10)};
constexpr snapshot::RecordShape kMemberShape{
    .name = "pack of a parity group", .last = 4, .bytes = FieldSet(3), .repeated = {}};
constexpr snapshot::RecordShape kCopyShape{
    .name = "copy of an object", .last = 3, .bytes = FieldSet(1, 3), .repeated = {}};
constexpr snapshot::RecordShape kWishShape{
    .name = "parity wish", .last = 5, .bytes = {}, .repeated = {}};

std::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::kCorruption, std::move(what));
}

Result<unsigned> number_below(std::uint64_t value, std::uint64_t limit, std::string_view what) {
  if (value < limit) return static_cast<unsigned>(value);
  return corrupt(fmt::format("the {} of a parity object is {}", what, value));
}

Result<ParityMember> decode_member(ByteView record) {
  ParityMember member;
  FieldScan scan(record, kMemberShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.number == 1) {
      member.slot = TRY(number_below(field.value_number, kParitySlotsMax, "slot"));
    } else if (field.number == 2) {
      if (field.value_number != 3 && field.value_number != 4)
        return corrupt("a parity group has something that is no pack");
      member.kind = static_cast<PackKind>(field.value_number);
    } else if (field.number == 3) {
      const auto pack = ObjectId::from_bytes(field.value_bytes);
      if (!pack) return corrupt("the name of a pack has a wrong length");
      member.pack = *pack;
    } else {
      member.size_bytes = field.value_number;
    }
  }
  if (!scan.seen().has_all(FieldSet(1, 2, 3, 4))) return corrupt("a pack's entry is not whole");
  return member;
}

Result<ParityCopy> decode_copy(ByteView record) {
  ParityCopy copy;
  FieldScan scan(record, kCopyShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.number == 1) {
      if (field.value_bytes.size() > kCopyNameMax) return corrupt("the name of a copy is too long");
      copy.name = as_text(field.value_bytes);
    } else if (field.number == 2) {
      copy.size_bytes = field.value_number;
    } else {
      const auto digest = crypto::Digest::from_bytes(field.value_bytes);
      if (!digest) return corrupt("the digest of a copy has a wrong length");
      copy.digest = *digest;
    }
  }
  if (!scan.seen().has_all(FieldSet(1, 2, 3))) return corrupt("a copy's entry is not whole");
  return copy;
}

Result<void> check_shard(const ParityDirectory& directory) {
  if (directory.shards == 0 || directory.number >= directory.shards || directory.slots == 0)
    return corrupt("a parity group has no such shard");
  if (directory.block_bytes == 0 || directory.block_bytes % kParityBlockStep != 0 ||
      directory.block_bytes > kParityBlockMax)
    return corrupt(
        fmt::format("the blocks of a parity group have {} bytes", directory.block_bytes));
  std::uint64_t longest = 0;
  unsigned next_slot = 0;
  for (const ParityMember& member : directory.members) {
    if (member.slot < next_slot || member.slot >= directory.slots)
      return corrupt("the slots of a parity group are out of order");
    next_slot = member.slot + 1;
    if (member.size_bytes == 0) return corrupt("a parity group has an empty pack");
    longest = std::max(longest, member.size_bytes);
  }
  if (directory.members.empty() || directory.payload_bytes != longest ||
      longest > kParityPayloadMax || !directory.copies.empty() || !directory.removed.empty())
    return corrupt("the shards of a parity group are not as long as its longest pack");
  return {};
}

Result<void> check_copies(const ParityDirectory& directory) {
  std::uint64_t sum = 0;
  for (const ParityCopy& copy : directory.copies) {
    if (!backend::validate_name(copy.name)) return corrupt("a copy has a name that no object has");
    if (copy.size_bytes > kCopyBytesMax) return corrupt("a copy is too large");
    sum += copy.size_bytes;
  }
  if (sum != directory.payload_bytes || sum > kParityPayloadMax || !directory.members.empty() ||
      !directory.removed.empty())
    return corrupt("the copies are not as long as their payload");
  return {};
}

Result<void> check_removals(const ParityDirectory& directory) {
  const bool plain = directory.payload_bytes == 0 && directory.members.empty() &&
                     directory.copies.empty() && directory.removed.size() <= kParityRemovalsMax;
  if (plain) return {};
  return corrupt("a list of packs that were removed has more than that");
}

}  // namespace

BlockDigest block_digest(ByteView block) {
  BlockDigest digest;
  std::ranges::copy(crypto::blake3(block).view().first(BlockDigest::kSize), digest.bytes.begin());
  return digest;
}

std::uint64_t ParityDirectory::digest_count() const {
  if (type != ParityType::kShard) return 0;
  std::uint64_t count = shards * blocks_in(payload_bytes);
  for (const ParityMember& member : members) count += blocks_in(member.size_bytes);
  return count;
}

ParityGroupId ParityDirectory::group() const {
  ParityDirectory first = *this;
  first.number = 0;
  Bytes record;
  encode_parity_directory(first, record);
  ParityGroupId id;
  std::ranges::copy(crypto::blake3(record).view().first(ParityGroupId::kSize), id.bytes.begin());
  return id;
}

void encode_parity_directory(const ParityDirectory& directory, Bytes& record) {
  RecordWriter out(record);
  out.number(1, static_cast<std::uint64_t>(directory.type));
  out.number(2, directory.number);
  if (directory.type == ParityType::kShard) {
    out.number(3, directory.shards);
    out.number(4, directory.slots);
    out.number(5, directory.block_bytes);
  }
  out.number(6, directory.payload_bytes);
  if (directory.type == ParityType::kShard) out.bytes(7, directory.digests.view());
  for (const ParityMember& member : directory.members) {
    Bytes row;
    RecordWriter fields(row);
    fields.number(1, member.slot);
    fields.number(2, static_cast<std::uint64_t>(member.kind));
    fields.bytes(3, member.pack.view());
    fields.number(4, member.size_bytes);
    out.bytes(8, row);
  }
  for (const ParityCopy& copy : directory.copies) {
    Bytes row;
    RecordWriter fields(row);
    fields.text(1, copy.name);
    fields.number(2, copy.size_bytes);
    fields.bytes(3, copy.digest.view());
    out.bytes(9, row);
  }
  for (const ObjectId& pack : directory.removed) out.bytes(10, pack.view());
}

Result<ParityDirectory> decode_parity_directory(ByteView record) {
  ParityDirectory directory;
  FieldScan scan(record, kDirectoryShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
        if (field.value_number < 1 || field.value_number > 3)
          return fail(ErrorCode::kUnsupported, "a parity object of a kind that came later");
        directory.type = static_cast<ParityType>(field.value_number);
        break;
      case 2:
        directory.number = TRY(number_below(field.value_number, kParityShardsMax, "number"));
        break;
      case 3:
        directory.shards = TRY(number_below(field.value_number, kParityShardsMax + 1, "shards"));
        break;
      case 4:
        directory.slots = TRY(number_below(field.value_number, kParitySlotsMax + 1, "slots"));
        break;
      case 5:
        directory.block_bytes =
            TRY(number_below(field.value_number, kParityBlockMax + 1, "block size"));
        break;
      case 6:
        directory.payload_bytes = field.value_number;
        break;
      case 7: {
        const auto digest = crypto::Digest::from_bytes(field.value_bytes);
        if (!digest) return corrupt("the digest of block digests has a wrong length");
        directory.digests = *digest;
        break;
      }
      case 8:
        directory.members.push_back(TRY(decode_member(field.value_bytes)));
        break;
      case 9:
        directory.copies.push_back(TRY(decode_copy(field.value_bytes)));
        break;
      case 10: {
        const auto pack = ObjectId::from_bytes(field.value_bytes);
        if (!pack) return corrupt("the name of a pack has a wrong length");
        directory.removed.push_back(*pack);
        break;
      }
      default:
        break;
    }
  }
  if (!scan.seen().has_all(FieldSet(1, 2, 6))) return corrupt("the parity directory is not whole");
  const bool of_shards = directory.type == ParityType::kShard;
  for (const std::uint32_t number : {3U, 4U, 5U, 7U}) {
    if (scan.seen().has(number) != of_shards)
      return corrupt("the parity directory has the fields of another kind");
  }
  switch (directory.type) {
    case ParityType::kShard:
      TRY(check_shard(directory));
      break;
    case ParityType::kCopies:
      TRY(check_copies(directory));
      break;
    case ParityType::kRemovals:
      TRY(check_removals(directory));
      break;
  }
  return directory;
}

Bytes encode_parity_head(const ParityDirectory& directory, const RepositoryId& repository,
                         const std::vector<BlockDigest>& digests) {
  Bytes record;
  encode_parity_directory(directory, record);
  Bytes out(kHeaderSize);
  encode_header({.kind = ObjectKind::kParity, .repository = repository, .salt = {}}, out);
  append(out, as_bytes(kParityMagic));
  append_le(out, static_cast<std::uint32_t>(record.size()));
  append_le(out, std::uint32_t{0});
  append(out, record);
  append(out, crypto::blake3(out).view());
  for (const BlockDigest& digest : digests) append(out, digest.view());
  return out;
}

Result<std::size_t> parity_head_length(ByteView start) {
  if (start.size() < kParityStart) return corrupt("the parity object is cut short");
  const auto length = load_le<std::uint32_t>(&start[kHeaderSize + kParityMagic.size()]);
  if (as_text(start.subspan(kHeaderSize, kParityMagic.size())) != kParityMagic ||
      length > kDirectoryMax)
    return corrupt("the bytes are no parity object");
  return kParityStart + length + crypto::Digest::kSize;
}

Result<ParityHead> decode_parity_head(ByteView bytes, std::uint64_t size) {
  const std::size_t length = TRY(parity_head_length(bytes));
  if (bytes.size() < length) return corrupt("the parity object is cut short");
  const ByteView body = bytes.first(length - crypto::Digest::kSize);
  if (!std::ranges::equal(crypto::blake3(body).bytes,
                          bytes.subspan(body.size(), crypto::Digest::kSize)))
    return corrupt("the directory does not match its checksum");
  // Only now: a flipped bit must not pass for a version of the future.
  const Header header = TRY(decode_header(bytes));
  const bool plain = header.suite == crypto::Suite::kPlain && header.key_mode == KeyMode::kNone &&
                     header.epoch == 0 && header.salt == Salt{};
  if (header.kind != ObjectKind::kParity || !plain || load_le<std::uint32_t>(&bytes[76]) != 0)
    return corrupt("the object is not a parity object");
  ParityHead head;
  head.repository = header.repository;
  head.directory = TRY(decode_parity_directory(body.subspan(kParityStart)));
  head.digests_at = length;
  head.payload_at = length + head.directory.digest_count() * BlockDigest::kSize;
  if (size != head.payload_at + head.directory.payload_bytes)
    return corrupt("the parity object has another length than its directory says");
  return head;
}

Result<std::vector<BlockDigest>> decode_block_digests(ByteView bytes,
                                                      const ParityDirectory& directory) {
  if (bytes.size() != directory.digest_count() * BlockDigest::kSize ||
      crypto::blake3(bytes) != directory.digests)
    return corrupt("the block digests do not match the directory");
  std::vector<BlockDigest> digests(static_cast<std::size_t>(directory.digest_count()));
  for (std::size_t i = 0; i < digests.size(); ++i) {
    std::ranges::copy(bytes.subspan(i * BlockDigest::kSize, BlockDigest::kSize),
                      digests[i].bytes.begin());
  }
  return digests;
}

Result<ParityHead> read_parity_head(backend::Backend& store, const std::string& name,
                                    std::uint64_t size) {
  constexpr std::uint64_t kUsualLength = 16 * 1024;
  Bytes bytes(static_cast<std::size_t>(std::min(size, kUsualLength)));
  TRY(store.get_range(name, 0, bytes));
  const std::size_t length = TRY(parity_head_length(bytes));
  if (length > size) return corrupt("the parity object is cut short");
  if (length > bytes.size()) {
    bytes.resize(length);
    TRY(store.get_range(name, 0, bytes));
  }
  return decode_parity_head(bytes, size);
}

Result<std::vector<BlockDigest>> read_block_digests(backend::Backend& store,
                                                    const std::string& name,
                                                    const ParityHead& head) {
  Bytes bytes(static_cast<std::size_t>(head.payload_at - head.digests_at));
  TRY(store.get_range(name, head.digests_at, bytes));
  return decode_block_digests(bytes, head.directory);
}

// ---- the wish

Bytes encode_parity_wish(const ParityWish& wish, const RepositoryId& repository) {
  Bytes record;
  RecordWriter out(record);
  out.number(1, wish.hundredths);
  out.number(2, wish.shards);
  out.number(3, wish.slots);
  out.signed_number(4, wish.time.seconds);
  out.number(5, wish.time.nanos);
  return encode_plain_object(ObjectKind::kParityWish, repository, record);
}

Result<ParityWish> decode_parity_wish(ByteView stored, const RepositoryId& repository,
                                      std::uint64_t number) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kParityWish, stored));
  if (object.header.repository != repository)
    return corrupt("the parity wish belongs to another repository");
  ParityWish wish;
  wish.number = number;
  FieldScan scan(object.record, kWishShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.number == 1) {
      wish.hundredths = TRY(number_below(field.value_number, kHundredthsMax + 1, "overhead"));
    } else if (field.number == 2) {
      wish.shards = TRY(number_below(field.value_number, kParityShardsMax + 1, "shards"));
    } else if (field.number == 3) {
      wish.slots = TRY(number_below(field.value_number, kParitySlotsMax + 1, "slots"));
    } else if (field.number == 4) {
      wish.time.seconds = unzigzag(field.value_number);
    } else {
      wish.time.nanos = TRY(number_below(field.value_number, kParityNanosMax + 1, "time"));
    }
  }
  if (!scan.seen().has_all(FieldSet(1, 2, 3)) || wish.shards == 0 || wish.slots == 0)
    return corrupt("the parity wish is not whole");
  return wish;
}

static Result<std::vector<std::uint64_t>> wish_numbers(backend::Backend& store) {
  std::vector<std::uint64_t> numbers;
  TRY(store.list(name_prefix(ObjectKind::kParityWish),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   if (const auto number = parse_wish_name(info.name)) numbers.push_back(*number);
                   return {};
                 }));
  std::ranges::sort(numbers);
  return numbers;
}

Result<ParityWish> read_parity_wish(backend::Backend& store, const RepositoryId& repository) {
  constexpr int kTriesMax = 5;
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    const auto numbers = TRY_DOING("listing parity", wish_numbers(store));
    if (numbers.empty()) return ParityWish{};
    const auto stored = get_object(store, wish_name(numbers.back()), kPlainObjectMax);
    // Somebody made a newer one, and removed this.
    if (!stored && stored.error().code() == ErrorCode::kNotFound) continue;
    if (!stored) return std::unexpected(stored.error().clone());
    return TRY_DOING("reading " + wish_name(numbers.back()),
                     decode_parity_wish(*stored, repository, numbers.back()));
  }
  return fail(ErrorCode::kUnavailable, "the wish for parity changes faster than it can be read");
}

Result<ParityWish> store_parity_wish(backend::Backend& store, const RepositoryId& repository,
                                     ParityWish wish) {
  const auto numbers = TRY_DOING("listing parity", wish_numbers(store));
  wish.number = numbers.empty() ? 1 : numbers.back() + 1;
  const auto put = store.put(wish_name(wish.number), encode_parity_wish(wish, repository));
  if (!put && put.error().code() == ErrorCode::kAlreadyExists)
    return fail(ErrorCode::kConflict, "somebody else changed the wish for parity at the same time");
  if (!put)
    return std::unexpected(put.error().clone().with_context("recording the wish for parity"));
  TRY(store.barrier());
  // Only the highest counts: one that cannot be removed does no harm. Where lists are late they
  // might show that the others went and not yet that this one came.
  if (!store.capabilities().lists_at_once) return wish;
  for (const std::uint64_t number : numbers) (void)store.remove(wish_name(number));
  return wish;
}

}  // namespace backstay::repo
