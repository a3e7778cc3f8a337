// The shell around everything stored: names, the 64-byte header, plain objects (docs/format.md
// section 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/strong_id.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

namespace backstay::repo {

enum class ObjectKind : std::uint8_t {
  kConfig = 1,
  kKeySlot = 2,
  kDataPack = 3,
  kMetaPack = 4,
  kIndexRun = 5,
  kSnapshot = 6,
  kLease = 7,
  kGeneration = 8,
  kParity = 9,
  kDamageMark = 10,
  kHold = 11,
  kTagChange = 12,
  kKeyEpoch = 13,
  kParityWish = 14,
};
[[nodiscard]] std::string_view to_string(
    ObjectKind kind);  // "config", "key slot", "data pack", ...

enum class KeyMode : std::uint8_t { kNone = 0, kDerived = 1, kSealed = 2, kIndex = 3 };

using RepositoryId = StrongId<struct RepositoryIdTag, 16>;
using Salt = StrongId<struct SaltTag>;
// BLAKE3-256 of an object's stored bytes: its name.
using ObjectId = StrongId<struct ObjectIdTag>;

inline constexpr std::size_t kHeaderSize = 64;
inline constexpr std::size_t kKeyExtensionSize = 80;  // in key mode 2
inline constexpr std::size_t kPlainObjectMax = 1024 * 1024;
inline constexpr std::uint64_t kPackMax = (std::uint64_t{4} << 30) - 1;
inline constexpr std::uint32_t kFrameMax = 16 * 1024 * 1024;  // plaintext of a chunk, frame, page

// True for failures that say that what is stored there is of no use: corruption, something that
// this version does not know, an epoch that the keyring does not have. False for failures of the
// store or of this machine, which say nothing about what is stored.
[[nodiscard]] bool is_damage(ErrorCode code);
// Of something that another object refers to: it is damaged, or not there.
[[nodiscard]] bool is_damage_or_loss(ErrorCode code);

// "data/3f/3f…", "index/…": the name of an object that is called by its hash.
[[nodiscard]] std::string object_name(ObjectKind kind, const ObjectId& id);
// "data/", "snapshots/", ...
[[nodiscard]] std::string_view name_prefix(ObjectKind kind);
// The hash in a name of this kind; invalid_argument when the name is not of that form.
Result<ObjectId> parse_object_name(ObjectKind kind, std::string_view name);
// Whether an object of this kind may have this name; others MUST be ignored (section 3).
[[nodiscard]] bool is_object_name(ObjectKind kind, std::string_view name);
[[nodiscard]] ObjectId id_of(ByteView stored);

// Of a hold or a change of tags: which snapshot it is about, its number, BLAKE3 of its bytes
// (docs/format.md sections 7.1 and 7.2).
struct NoteName {
  ObjectId snapshot;
  std::uint64_t number = 0;
  ObjectId bytes;
  friend bool operator==(const NoteName&, const NoteName&) = default;
};
inline constexpr std::uint64_t kNoteNumberMax = 9'999'999'999;
[[nodiscard]] std::string note_name(ObjectKind kind, const NoteName& name);
Result<NoteName> parse_note_name(ObjectKind kind, std::string_view name);

// Of an object that begins a key epoch: its number, and, of the copy, BLAKE3 of its bytes
// (docs/format.md section 4.6).
struct EpochName {
  std::uint32_t number = 0;
  std::optional<ObjectId> bytes = {};
};
[[nodiscard]] std::string epoch_name(const EpochName& name);
Result<EpochName> parse_epoch_name(std::string_view name);

// "parity/wish-0000000003" (docs/format.md section 10.1).
[[nodiscard]] std::string wish_name(std::uint64_t number);
Result<std::uint64_t> parse_wish_name(std::string_view name);

// The whole object; corruption when it is larger than one of its kind may be.
Result<Bytes> get_object(backend::Backend& store, const std::string& name, std::uint64_t size_max);

struct Header {
  ObjectKind kind = ObjectKind::kConfig;
  crypto::Suite suite = crypto::Suite::kPlain;
  KeyMode key_mode = KeyMode::kNone;
  std::uint32_t epoch = 0;
  RepositoryId repository;
  Salt salt;
};
// Of the header and the extension behind it.
[[nodiscard]] std::size_t prefix_size(const Header& header);
void encode_header(const Header& header, MutableByteView out);  // kHeaderSize bytes
// unsupported for versions and modes of the future, corruption for anything else that is off.
Result<Header> decode_header(ByteView stored);
// As above for sealed objects; refuses another kind, another repository's object, a plain object.
Result<Header> decode_header(ByteView stored, ObjectKind kind, const RepositoryId& repository);

[[nodiscard]] Bytes encode_plain_object(ObjectKind kind, const RepositoryId& repository,
                                        ByteView record);
// The whole prefix of the sealed object of that name. As decode_header().
Result<Bytes> read_prefix(backend::Backend& store, const std::string& name, ObjectKind kind,
                          const RepositoryId& repository);

struct PlainObject {
  Header header;
  Bytes record;
};
// Checks the size, the trailing BLAKE3 before anything is believed of what stands before it, the
// kind, and that the prefix is that of a plain object.
Result<PlainObject> decode_plain_object(ObjectKind kind, ByteView stored);

enum class Purpose : std::uint32_t {
  kFrame = 1,
  kDirectory = 2,
  kIndexSegment = 3,
  kSnapshot = 4,
  kNote = 5
};
// The nonce of a sealed segment that starts at `offset` of its object (docs/format.md section 4.3).
struct Nonce {
  std::uint8_t bytes[crypto::kNonceSize];
  Nonce(std::uint64_t offset, Purpose purpose);
  [[nodiscard]] ByteView view() const { return bytes; }
};

}  // namespace backstay::repo
