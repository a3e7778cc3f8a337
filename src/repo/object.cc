#include "repo/object.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/hex.h"
#include "base/try.h"

namespace backstay::repo {

namespace {

constexpr std::string_view kMagic = "BKST";
constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string_view to_string(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kConfig:
      return "config";
    case ObjectKind::kKeySlot:
      return "key slot";
    case ObjectKind::kDataPack:
      return "data pack";
    case ObjectKind::kMetaPack:
      return "metadata pack";
    case ObjectKind::kIndexRun:
      return "index run";
    case ObjectKind::kSnapshot:
      return "snapshot";
    case ObjectKind::kLease:
      return "lease";
    case ObjectKind::kGeneration:
      return "generation";
    case ObjectKind::kDamageMark:
      return "damage mark";
    case ObjectKind::kHold:
      return "hold";
    case ObjectKind::kParity:
      return "parity object";
    case ObjectKind::kParityWish:
      return "parity wish";
    case ObjectKind::kKeyEpoch:
      return "key epoch";
    case ObjectKind::kTagChange:
      return "change of tags";
  }
  return "object";
}

std::string_view name_prefix(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kConfig:
      return "config";
    case ObjectKind::kKeySlot:
      return "keys/";
    case ObjectKind::kDataPack:
      return "data/";
    case ObjectKind::kMetaPack:
      return "meta/";
    case ObjectKind::kIndexRun:
      return "index/";
    case ObjectKind::kSnapshot:
      return "snapshots/";
    case ObjectKind::kLease:
      return "leases/";
    case ObjectKind::kGeneration:
      return "generations/";
    case ObjectKind::kDamageMark:
      return "damaged/";
    case ObjectKind::kHold:
      return "holds/";
    case ObjectKind::kTagChange:
      return "tags/";
    case ObjectKind::kParity:
    case ObjectKind::kParityWish:
      return "parity/";
    case ObjectKind::kKeyEpoch:
      return "epochs/";
  }
  return "";
}

bool is_damage(ErrorCode code) {
  return code == ErrorCode::kCorruption || code == ErrorCode::kUnsupported ||
         code == ErrorCode::kWrongKey;
}

bool is_damage_or_loss(ErrorCode code) {
  return is_damage(code) || code == ErrorCode::kNotFound;
}

static bool has_fan_out(ObjectKind kind) {
  return kind == ObjectKind::kDataPack || kind == ObjectKind::kMetaPack ||
         kind == ObjectKind::kParity;
}

std::string object_name(ObjectKind kind, const ObjectId& id) {
  const std::string hex = id.hex();
  if (has_fan_out(kind)) return fmt::format("{}{}/{}", name_prefix(kind), hex.substr(0, 2), hex);
  return fmt::format("{}{}", name_prefix(kind), hex);
}

Result<ObjectId> parse_object_name(ObjectKind kind, std::string_view name) {
  const std::size_t slash = name.rfind('/');
  if (slash != std::string_view::npos) {
    auto id = ObjectId::from_hex(name.substr(slash + 1));
    if (id && object_name(kind, *id) == name) return id;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is not the name of a {}", name, to_string(kind)));
}

static bool consists_of(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_object_name(ObjectKind kind, std::string_view name) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  if (kind == ObjectKind::kConfig) return name == "config";
  if (kind == ObjectKind::kHold || kind == ObjectKind::kTagChange) {
    return parse_note_name(kind, name).has_value();
  }
  if (kind == ObjectKind::kKeyEpoch) return parse_epoch_name(name).has_value();
  if (kind == ObjectKind::kParityWish) return parse_wish_name(name).has_value();
  if (kind != ObjectKind::kLease && kind != ObjectKind::kGeneration) {
    return parse_object_name(kind, name).has_value();
  }
  if (!name.starts_with(name_prefix(kind))) return false;
  name.remove_prefix(name_prefix(kind).size());
  if (kind == ObjectKind::kGeneration) return name.size() == 20 && consists_of(name, kDigits);
  return name.size() == 43 && consists_of(name.substr(0, 32), kHexDigits) && name[32] == '-' &&
         consists_of(name.substr(33), kDigits);
}

std::string note_name(ObjectKind kind, const NoteName& name) {
  return fmt::format("{}{}-{:010}-{}", name_prefix(kind), name.snapshot.hex(), name.number,
                     name.bytes.hex());
}

Result<NoteName> parse_note_name(ObjectKind kind, std::string_view name) {
  constexpr std::size_t kIdDigits = 64;
  constexpr std::size_t kNumberDigits = 10;
  const std::string_view prefix = name_prefix(kind);
  if (name.starts_with(prefix) &&
      name.size() == prefix.size() + kIdDigits + 1 + kNumberDigits + 1 + kIdDigits) {
    const std::string_view rest = name.substr(prefix.size());
    const auto snapshot = ObjectId::from_hex(rest.substr(0, kIdDigits));
    const auto bytes = ObjectId::from_hex(rest.substr(kIdDigits + 1 + kNumberDigits + 1));
    NoteName parsed;
    const std::string_view number = rest.substr(kIdDigits + 1, kNumberDigits);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), parsed.number);
    if (snapshot && bytes && error == std::errc{}) {
      parsed.snapshot = *snapshot;
      parsed.bytes = *bytes;
      // Of all ways to write a name one is right.
      if (note_name(kind, parsed) == name) return parsed;
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is not the name of a {}", name, to_string(kind)));
}

std::string wish_name(std::uint64_t number) {
  return fmt::format("{}wish-{:010}", name_prefix(ObjectKind::kParityWish), number);
}

Result<std::uint64_t> parse_wish_name(std::string_view name) {
  std::uint64_t number = 0;
  const std::size_t digits = name.rfind('-') + 1;
  std::from_chars(name.data() + digits, name.data() + name.size(), number);
  if (number >= 1 && number <= kNoteNumberMax && wish_name(number) == name) return number;
  return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not the name of a wish", name));
}

std::string epoch_name(const EpochName& name) {
  const std::string main = fmt::format("{}{:010}", name_prefix(ObjectKind::kKeyEpoch), name.number);
  return name.bytes ? fmt::format("{}-{}", main, name.bytes->hex()) : main;
}

Result<EpochName> parse_epoch_name(std::string_view name) {
  constexpr std::size_t kNumberDigits = 10;
  const std::string_view prefix = name_prefix(ObjectKind::kKeyEpoch);
  const std::size_t digits_end = prefix.size() + kNumberDigits;
  if (name.starts_with(prefix) && name.size() >= digits_end) {
    EpochName parsed;
    const auto [end, error] =
        std::from_chars(name.data() + prefix.size(), name.data() + digits_end, parsed.number);
    if (name.size() > digits_end + 1) {
      if (const auto id = ObjectId::from_hex(name.substr(digits_end + 1))) parsed.bytes = *id;
    }
    // Of all ways to write a name one is right.
    if (error == std::errc{} && parsed.number > 0 && epoch_name(parsed) == name) return parsed;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is not the name of a key epoch", name));
}

ObjectId id_of(ByteView stored) {
  return ObjectId{crypto::blake3(stored).bytes};
}

Result<Bytes> get_object(backend::Backend& store, const std::string& name, std::uint64_t size_max) {
  auto stored = store.get(name, size_max);
  // Backends give this code for an object larger than asked for, and our names are valid.
  if (!stored && stored.error().code() == ErrorCode::kInvalidArgument) {
    return fail(ErrorCode::kCorruption, fmt::format("{} is larger than {} bytes", name, size_max));
  }
  return stored;
}

std::size_t prefix_size(const Header& header) {
  return kHeaderSize + (header.key_mode == KeyMode::kSealed ? kKeyExtensionSize : 0);
}

void encode_header(const Header& header, MutableByteView out) {
  std::fill_n(out.begin(), kHeaderSize, std::uint8_t{0});
  std::memcpy(out.data(), kMagic.data(), kMagic.size());
  out[4] = static_cast<std::uint8_t>(header.kind);
  out[5] = kVersion;
  out[6] = static_cast<std::uint8_t>(header.suite);
  out[7] = static_cast<std::uint8_t>(header.key_mode);
  store_le<std::uint32_t>(&out[8], header.epoch);
  store_le(&out[12], static_cast<std::uint32_t>(prefix_size(header) - kHeaderSize));
  std::memcpy(&out[16], header.repository.bytes.data(), RepositoryId::kSize);
  std::memcpy(&out[32], header.salt.bytes.data(), Salt::kSize);
}

// What clients may make that cannot read. Everything else needs a full key: what it says counts.
static bool may_be_sealed(ObjectKind kind) {
  return kind == ObjectKind::kDataPack || kind == ObjectKind::kMetaPack ||
         kind == ObjectKind::kSnapshot;
}

Result<Header> decode_header(ByteView stored) {
  if (stored.size() < kHeaderSize) return fail(ErrorCode::kCorruption, "the object is cut short");
  if (as_text(stored.first(4)) != kMagic) {
    return fail(ErrorCode::kCorruption, "the bytes are not a Backstay object");
  }
  const auto mode = static_cast<KeyMode>(stored[7]);
  const std::size_t extension = mode == KeyMode::kSealed ? kKeyExtensionSize : 0;
  if (stored[5] != kVersion || mode > KeyMode::kIndex ||
      load_le<std::uint32_t>(&stored[12]) != extension) {
    return std::unexpected(
        Error(ErrorCode::kUnsupported,
              fmt::format("the object has format version {}, key mode {}", stored[5], stored[7]))
            .with_hint("Use a newer backstay for this repository."));
  }
  const bool known = stored[4] >= 1 && stored[4] <= 14;
  if (!known) return fail(ErrorCode::kCorruption, "the object has an unknown kind");
  Header header;
  header.kind = static_cast<ObjectKind>(stored[4]);
  header.suite = TRY(crypto::suite_from_number(stored[6]));
  header.key_mode = mode;
  if (mode == KeyMode::kIndex && header.kind != ObjectKind::kIndexRun) {
    return fail(ErrorCode::kCorruption, "the object has the key mode of an index run");
  }
  if (mode == KeyMode::kSealed && !may_be_sealed(header.kind)) {
    return fail(ErrorCode::kCorruption,
                fmt::format("the object is a {} in the key mode of packs and snapshots",
                            to_string(header.kind)));
  }
  header.epoch = load_le<std::uint32_t>(&stored[8]);
  std::memcpy(header.repository.bytes.data(), &stored[16], RepositoryId::kSize);
  std::memcpy(header.salt.bytes.data(), &stored[32], Salt::kSize);
  return header;
}

Result<Header> decode_header(ByteView stored, ObjectKind kind, const RepositoryId& repository) {
  Header header = TRY(decode_header(stored));
  if (header.kind != kind) {
    return fail(ErrorCode::kCorruption, fmt::format("the object is a {} where a {} should be",
                                                    to_string(header.kind), to_string(kind)));
  }
  if (header.repository != repository) {
    return fail(ErrorCode::kCorruption, "the object belongs to another repository");
  }
  if (header.key_mode == KeyMode::kNone) {
    return fail(ErrorCode::kCorruption, "the object is plain where a sealed one should be");
  }
  return header;
}

Result<Bytes> read_prefix(backend::Backend& store, const std::string& name, ObjectKind kind,
                          const RepositoryId& repository) {
  Bytes prefix(kHeaderSize);
  TRY(store.get_range(name, 0, prefix));
  const Header header = TRY(decode_header(prefix, kind, repository));
  prefix.resize(prefix_size(header));
  if (prefix.size() == kHeaderSize) return prefix;
  TRY(store.get_range(name, kHeaderSize, MutableByteView(prefix).subspan(kHeaderSize)));
  return prefix;
}

Bytes encode_plain_object(ObjectKind kind, const RepositoryId& repository, ByteView record) {
  Bytes out(kHeaderSize);
  encode_header({.kind = kind, .repository = repository, .salt = {}}, out);
  append(out, record);
  append(out, crypto::blake3(out).view());
  return out;
}

static bool is_plain(const Header& header) {
  return header.suite == crypto::Suite::kPlain && header.key_mode == KeyMode::kNone &&
         header.epoch == 0 && header.salt == Salt{};
}

Result<PlainObject> decode_plain_object(ObjectKind kind, ByteView stored) {
  constexpr std::size_t kDigestSize = crypto::Digest::kSize;
  if (stored.size() < kHeaderSize + kDigestSize) {
    return fail(ErrorCode::kCorruption, "the object is cut short");
  }
  if (stored.size() > kPlainObjectMax) {
    return fail(ErrorCode::kCorruption, "the object is larger than 1 MiB");
  }
  const ByteView body = stored.first(stored.size() - kDigestSize);
  if (!std::ranges::equal(crypto::blake3(body).bytes, stored.last(kDigestSize))) {
    return fail(ErrorCode::kCorruption, "the bytes do not match their checksum");
  }
  // Only now: a flipped bit must not pass for a version of the future.
  PlainObject object;
  object.header = TRY(decode_header(stored));
  if (object.header.kind != kind || !is_plain(object.header)) {
    return fail(ErrorCode::kCorruption, fmt::format("the object is not a {}", to_string(kind)));
  }
  object.record = to_owned(body.subspan(kHeaderSize));
  return object;
}

Nonce::Nonce(std::uint64_t offset, Purpose purpose) : bytes{} {
  store_le(bytes, offset);
  store_le(bytes + 8, static_cast<std::uint32_t>(purpose));
}

}  // namespace backstay::repo
