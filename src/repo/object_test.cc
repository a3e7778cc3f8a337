#include "repo/object.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

ObjectId some_id(std::uint8_t first) {
  ObjectId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i)
    id.bytes[i] = static_cast<std::uint8_t>(first + i);
  return id;
}

constexpr ObjectKind kHashNamed[] = {ObjectKind::kKeySlot, ObjectKind::kDataPack,
                                     ObjectKind::kMetaPack, ObjectKind::kIndexRun,
                                     ObjectKind::kSnapshot};

Header sample_header() {
  Header header{.kind = ObjectKind::kIndexRun,
                .suite = crypto::Suite::kChaCha20Poly1305,
                .key_mode = KeyMode::kDerived,
                .epoch = 0x01020304,
                .repository = {},
                .salt = {}};
  SeededRng rng(1);
  rng.fill(header.repository.bytes);
  rng.fill(header.salt.bytes);
  return header;
}

Bytes encoded(const Header& header) {
  Bytes out(kHeaderSize);
  encode_header(header, out);
  return out;
}

TEST(ObjectName, IsReadBackForEveryKind) {
  for (const ObjectKind kind : kHashNamed) {
    const ObjectId id = some_id(0xa0);
    const std::string name = object_name(kind, id);
    EXPECT_TRUE(name.starts_with(name_prefix(kind)));
    const auto parsed = parse_object_name(kind, name);
    ASSERT_EQ(problem(parsed), "");
    EXPECT_EQ(*parsed, id);
    EXPECT_TRUE(is_object_name(kind, name));
    for (const ObjectKind other : kHashNamed) {
      EXPECT_EQ(parse_object_name(other, name).has_value(), other == kind) << name;
    }
  }
}

TEST(ObjectName, OfPacksStandsInTheFolderOfItsFirstDigits) {
  const std::string hex = some_id(0xa0).hex();
  EXPECT_EQ(object_name(ObjectKind::kDataPack, some_id(0xa0)), "data/a0/" + hex);
  EXPECT_FALSE(parse_object_name(ObjectKind::kDataPack, "data/a1/" + hex));
  EXPECT_FALSE(parse_object_name(ObjectKind::kDataPack, "data/" + hex));
}

TEST(ObjectName, IsRefusedWhenItIsNotExactlyThat) {
  std::string upper = object_name(ObjectKind::kSnapshot, some_id(0xa0));
  for (const std::string& name :
       {std::string("snapshots/"), std::string("snapshots"), std::string(),
        upper.substr(0, upper.size() - 1), upper + "0", "x" + upper, upper + "/",
        std::string("snapshots/") + std::string(64, 'G'),
        std::string("snapshots/") + std::string(64, 'A')}) {
    EXPECT_EQ(code_of(parse_object_name(ObjectKind::kSnapshot, name)), "invalid_argument") << name;
  }
}

TEST(ObjectName, OfLeasesAndGenerationsHasItsOwnForm) {
  const std::string lease = "leases/" + std::string(32, 'a') + "-0000000007";
  EXPECT_TRUE(is_object_name(ObjectKind::kLease, lease));
  EXPECT_FALSE(is_object_name(ObjectKind::kLease, lease + "0"));
  EXPECT_FALSE(is_object_name(ObjectKind::kLease, "leases/" + std::string(43, 'a')));
  EXPECT_FALSE(is_object_name(ObjectKind::kLease, "leases/foo"));
  EXPECT_TRUE(is_object_name(ObjectKind::kGeneration, "generations/00000000000000000002"));
  EXPECT_FALSE(is_object_name(ObjectKind::kGeneration, "generations/2"));
  EXPECT_FALSE(is_object_name(ObjectKind::kGeneration, "generations/0000000000000000000a"));
  EXPECT_TRUE(is_object_name(ObjectKind::kConfig, "config"));
  EXPECT_FALSE(is_object_name(ObjectKind::kConfig, "config2"));
}

TEST(ObjectHeader, IsReadBack) {
  const Header header = sample_header();
  const auto decoded = decode_header(encoded(header), header.kind, header.repository);
  ASSERT_EQ(problem(decoded), "");
  EXPECT_EQ(decoded->suite, header.suite);
  EXPECT_EQ(decoded->key_mode, header.key_mode);
  EXPECT_EQ(decoded->epoch, header.epoch);
  EXPECT_EQ(decoded->salt, header.salt);
}

TEST(ObjectHeader, LooksAsTheFormatSays) {
  const Bytes bytes = encoded(sample_header());
  EXPECT_EQ(as_text(ByteView(bytes).first(4)), "BKST");
  EXPECT_EQ(bytes[4], 5);  // index run
  EXPECT_EQ(bytes[5], 1);  // format version
  EXPECT_EQ(bytes[6], 2);  // ChaCha20-Poly1305
  EXPECT_EQ(bytes[7], 1);  // derived key
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[8]), 0x01020304U);
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[12]), 0U);
}

TEST(ObjectHeader, OfTheFutureIsUnsupported) {
  const Bytes whole = encoded(sample_header());
  const auto code_with = [&](std::size_t at, std::uint8_t value) {
    Bytes changed = whole;
    changed[at] = value;
    return code_of(decode_header(changed));
  };
  EXPECT_EQ(code_with(5, 2), "unsupported");   // version
  EXPECT_EQ(code_with(6, 3), "unsupported");   // suite
  EXPECT_EQ(code_with(7, 2), "unsupported");   // key mode
  EXPECT_EQ(code_with(12, 1), "unsupported");  // an extension
  EXPECT_EQ(code_with(15, 1), "unsupported");
  EXPECT_EQ(code_with(0, 'X'), "corruption");
  EXPECT_EQ(code_with(4, 0), "corruption");
  EXPECT_EQ(code_with(4, 15), "corruption");
}

TEST(ObjectHeader, IsSealedToTheEpochOnlyOfPacksAndSnapshots) {
  for (std::uint8_t kind = 1; kind <= 14; ++kind) {
    Header header = sample_header();
    header.kind = static_cast<ObjectKind>(kind);
    header.key_mode = KeyMode::kSealed;
    const bool may = header.kind == ObjectKind::kDataPack || header.kind == ObjectKind::kMetaPack ||
                     header.kind == ObjectKind::kSnapshot;
    EXPECT_EQ(code_of(decode_header(encoded(header))), may ? "no failure" : "corruption")
        << to_string(header.kind);
  }
}

TEST(ObjectHeader, CutShortIsCorruption) {
  for_each_prefix(encoded(sample_header()),
                  [](ByteView prefix) { EXPECT_EQ(code_of(decode_header(prefix)), "corruption"); });
}

TEST(ObjectHeader, OfAnotherKindOrRepositoryIsCorruption) {
  const Header header = sample_header();
  EXPECT_EQ(code_of(decode_header(encoded(header), ObjectKind::kSnapshot, header.repository)),
            "corruption");
  EXPECT_EQ(code_of(decode_header(encoded(header), header.kind, RepositoryId{})), "corruption");
  Header plain = header;
  plain.key_mode = KeyMode::kNone;
  EXPECT_EQ(code_of(decode_header(encoded(plain), plain.kind, plain.repository)), "corruption");
}

TEST(PlainObject, IsReadBack) {
  const RepositoryId repository = sample_header().repository;
  for (const std::size_t size : {0U, 1U, 1000U}) {
    const Bytes record = noise(size, 3);
    const Bytes object = encode_plain_object(ObjectKind::kLease, repository, record);
    EXPECT_EQ(object.size(), kHeaderSize + size + 32);
    const auto decoded = decode_plain_object(ObjectKind::kLease, object);
    ASSERT_EQ(problem(decoded), "");
    EXPECT_EQ(decoded->record, record);
    EXPECT_EQ(decoded->header.repository, repository);
  }
}

TEST(PlainObject, WithAnyByteChangedIsRefused) {
  const Bytes object =
      encode_plain_object(ObjectKind::kLease, sample_header().repository, noise(50, 3));
  for_each_flip(object, [](const Bytes& damaged, std::size_t at) {
    const auto decoded = decode_plain_object(ObjectKind::kLease, damaged);
    ASSERT_FALSE(decoded) << "byte " << at;
    EXPECT_TRUE(is_damage(decoded.error().code())) << decoded.error().describe();
    // Only what a newer version may write says so.
    const bool may_be_newer = at >= 5 && at < 16;
    EXPECT_TRUE(may_be_newer || code_of(decoded) == "corruption") << "byte " << at;
  });
}

TEST(PlainObject, CutShortAnywhereIsCorruption) {
  const Bytes object =
      encode_plain_object(ObjectKind::kLease, sample_header().repository, noise(50, 3));
  for_each_prefix(object, [](ByteView prefix) {
    EXPECT_EQ(code_of(decode_plain_object(ObjectKind::kLease, prefix)), "corruption");
  });
}

// With a checksum that fits: what stands there was written so.
Bytes with_checksum(Bytes object) {
  object.resize(object.size() - 32);
  append(object, crypto::blake3(object).view());
  return object;
}

TEST(PlainObject, WithTheHeaderOfASealedOneIsCorruption) {
  const Bytes object = encode_plain_object(ObjectKind::kLease, sample_header().repository, {});
  for (const std::size_t at : {6U, 7U, 8U, 11U, 32U, 63U}) {
    Bytes changed = object;
    changed[at] = 1;
    EXPECT_EQ(code_of(decode_plain_object(ObjectKind::kLease, with_checksum(changed))),
              "corruption")
        << "byte " << at;
  }
}

TEST(PlainObject, OfAnotherKindIsCorruption) {
  const Bytes object = encode_plain_object(ObjectKind::kLease, sample_header().repository, {});
  EXPECT_EQ(code_of(decode_plain_object(ObjectKind::kGeneration, object)), "corruption");
}

TEST(PlainObject, LargerThanTheLimitIsCorruption) {
  const RepositoryId repository = sample_header().repository;
  const auto of_size = [&](std::size_t size) {
    return encode_plain_object(ObjectKind::kLease, repository, Bytes(size - kHeaderSize - 32));
  };
  EXPECT_EQ(problem(decode_plain_object(ObjectKind::kLease, of_size(kPlainObjectMax))), "");
  EXPECT_EQ(code_of(decode_plain_object(ObjectKind::kLease, of_size(kPlainObjectMax + 1))),
            "corruption");
}

TEST(Nonce, IsOffsetAndPurpose) {
  const Nonce nonce(0x0102030405060708, Purpose::kSnapshot);
  const Bytes expected{8, 7, 6, 5, 4, 3, 2, 1, 4, 0, 0, 0};
  EXPECT_EQ(to_owned(nonce.view()), expected);
}

TEST(GetObject, LargerThanItMayBeIsCorruption) {
  const ManualClock clock;
  backend::MemoryBackend store(clock);
  ASSERT_EQ(problem(store.put("config", as_bytes("12345"))), "");
  EXPECT_EQ(problem(get_object(store, "config", 5)), "");
  EXPECT_EQ(code_of(get_object(store, "config", 4)), "corruption");
  EXPECT_EQ(code_of(get_object(store, "keys", 4)), "not_found");
}

}  // namespace
}  // namespace backstay::repo
