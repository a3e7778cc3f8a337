#include "repo/key_slot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/record.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

class KeySlot : public ::testing::Test {
 protected:
  KeySlot() {
    rng_.fill(repository_.bytes);
    keyring_ = Keyring::random(rng_);
    rng_.fill(keyring_.config_digest.bytes);
    keyring_.epochs.push_back(KeyEpoch::from_secret(7, crypto::Secret::random(rng_)));
    keyring_.current_epoch = 7;
  }

  static SlotInfo info(SlotKind kind) {
    return {.kind = kind,
            .created = {.seconds = -5, .nanos = 999'999'999},
            .label = "label",
            .host = "host",
            .user = "user",
            .argon2 = kCheapArgon2};
  }
  static Credential passphrase(const std::string& text) {
    return {.passphrase = text, .recovery_key = {}};
  }
  Credential recovery_key() {
    return {.passphrase = {}, .recovery_key = crypto::Secret::random(rng_)};
  }
  Bytes seal(SlotKind kind, const Credential& credential) {
    auto sealed = seal_slot(keyring_, info(kind), credential, repository_, rng_);
    EXPECT_EQ(problem(sealed), "");
    return sealed ? std::move(*sealed) : Bytes{};
  }
  static Bytes encoded(const Keyring& keyring) {
    Bytes out;
    encode_keyring(keyring, out);
    return out;
  }
  void expect_opens(const Bytes& slot, const Credential& credential) {
    const auto opened = open_slot(slot, credential);
    ASSERT_EQ(problem(opened), "");
    EXPECT_EQ(encoded(*opened), encoded(keyring_));
  }
  // The slot with another record, and a checksum that fits.
  Bytes with_public_part(const Bytes& slot, const std::function<void(Bytes&)>& change) {
    const auto object = decode_plain_object(ObjectKind::kKeySlot, slot);
    Bytes record;
    RecordWriter writer(record);
    RecordReader reader(object->record);
    while (!reader.done()) {
      const auto field = reader.next();
      Bytes value = to_owned(field->value_bytes);
      if (field->number == 1) change(value);
      writer.bytes(field->number, value);
    }
    return encode_plain_object(ObjectKind::kKeySlot, repository_, record);
  }
  Bytes with_argon2(std::uint64_t memory_kib, std::uint64_t passes) {
    return with_public_part(seal(SlotKind::kPassphrase, passphrase("p")), [&](Bytes& part) {
      const Bytes before = std::exchange(part, {});
      RecordReader reader(before);
      RecordWriter writer(part);
      while (!reader.done()) {
        const auto field = reader.next();
        if (field->number == 8) {
          writer.number(8, memory_kib);
        } else if (field->number == 9) {
          writer.number(9, passes);
        } else if (field->is_bytes) {
          writer.bytes(field->number, field->value_bytes);
        } else {
          writer.number(field->number, field->value_number);
        }
      }
    });
  }

  SharedRng rng_{11};
  RepositoryId repository_;
  Keyring keyring_;
};

TEST_F(KeySlot, OpensWithThePassphraseThatMadeIt) {
  for (const std::string text : {"p", "", "a b\n", "\xff\x00 bytes"}) {
    expect_opens(seal(SlotKind::kPassphrase, passphrase(text)), passphrase(text));
  }
}

TEST_F(KeySlot, OpensWithTheRecoveryKeyThatMadeIt) {
  const Credential key = recovery_key();
  expect_opens(seal(SlotKind::kRecoveryKey, key), key);
}

TEST_F(KeySlot, OpensWithTheKeyFileOrCommandThatMadeIt) {
  const Credential file{
      .passphrase = {}, .recovery_key = {}, .key_file = crypto::Secret::random(rng_)};
  expect_opens(seal(SlotKind::kKeyFile, file), file);
  SlotInfo of_command = info(SlotKind::kCommand);
  of_command.ciphertext = to_owned(as_bytes("for the key manager"));
  Bytes seen;
  const Credential command{.passphrase = {},
                           .recovery_key = {},
                           .key_command = [&](ByteView ciphertext) -> Result<crypto::Secret> {
                             seen = to_owned(ciphertext);
                             return *file.key_file;
                           }};
  const auto slot = seal_slot(keyring_, of_command, command, repository_, rng_);
  ASSERT_EQ(problem(slot), "");
  expect_opens(*slot, command);
  EXPECT_EQ(seen, of_command.ciphertext);
  EXPECT_EQ(read_slot_info(*slot)->ciphertext, of_command.ciphertext);
  EXPECT_EQ(code_of(open_slot(*slot, file)), "wrong_key");
  EXPECT_EQ(code_of(open_slot(seal(SlotKind::kKeyFile, file), command)), "wrong_key");
  const Credential broken{
      .passphrase = {}, .recovery_key = {}, .key_command = [](ByteView) -> Result<crypto::Secret> {
        return fail(ErrorCode::kPermissionDenied, "not today");
      }};
  EXPECT_EQ(code_of(open_slot(*slot, broken)), "permission_denied");
}

TEST_F(KeySlot, ThatIsWriteOnlyHoldsNoSecretOfAnyEpoch) {
  SlotInfo less = info(SlotKind::kPassphrase);
  less.write_only = true;
  const auto slot = seal_slot(keyring_, less, passphrase("p"), repository_, rng_);
  ASSERT_EQ(problem(slot), "");
  const auto opened = open_slot(*slot, passphrase("p"));
  ASSERT_EQ(problem(opened), "");
  EXPECT_TRUE(opened->is_write_only());
  for (const KeyEpoch& epoch : opened->epochs) EXPECT_FALSE(epoch.secret.has_value());
  Bytes ring;
  encode_keyring(*opened, ring);
  for (const KeyEpoch& epoch : keyring_.epochs)
    EXPECT_TRUE(std::ranges::search(ring, epoch.secret->view()).empty());
  EXPECT_TRUE(read_slot_info(*slot)->write_only);
}

TEST_F(KeySlot, IsSignedByItsEpochAndByNoOther) {
  const auto slot = read_public_slot(seal(SlotKind::kPassphrase, passphrase("p")));
  ASSERT_EQ(problem(slot), "");
  EXPECT_EQ(slot->info.epoch, 7U);
  EXPECT_TRUE(crypto::is_signed_by(keyring_.current().signer, slot->signed_bytes, slot->signature));
  EXPECT_FALSE(
      crypto::is_signed_by(keyring_.epochs[0].signer, slot->signed_bytes, slot->signature));
  const auto unsigned_slot = read_public_slot(seal(SlotKind::kNone, {}));
  EXPECT_EQ(unsigned_slot->info.epoch, 0U);
  EXPECT_TRUE(unsigned_slot->signature.empty());
}

TEST_F(KeySlot, WithAnotherKeyIsTheWrongKey) {
  const Bytes slot = seal(SlotKind::kPassphrase, passphrase("right"));
  for (const std::string text : {"wrong", "Right", "right ", ""}) {
    EXPECT_EQ(code_of(open_slot(slot, passphrase(text))), "wrong_key");
  }
  EXPECT_EQ(code_of(open_slot(slot, recovery_key())), "wrong_key");
  EXPECT_EQ(code_of(open_slot(slot, {})), "wrong_key");
  const Bytes recovery = seal(SlotKind::kRecoveryKey, recovery_key());
  EXPECT_EQ(code_of(open_slot(recovery, recovery_key())), "wrong_key");
  EXPECT_EQ(code_of(open_slot(recovery, passphrase("right"))), "wrong_key");
}

TEST_F(KeySlot, WithoutEncryptionOpensForNobodyWhoBringsAKey) {
  const Bytes slot = seal(SlotKind::kNone, {});
  expect_opens(slot, {});
  EXPECT_EQ(code_of(open_slot(slot, passphrase("mine"))), "wrong_key");
  EXPECT_EQ(code_of(open_slot(slot, recovery_key())), "wrong_key");
}

TEST_F(KeySlot, ShowsItsPublicPartWithoutAKey) {
  const auto read = read_slot_info(seal(SlotKind::kPassphrase, passphrase("p")));
  ASSERT_EQ(problem(read), "");
  EXPECT_EQ(read->kind, SlotKind::kPassphrase);
  EXPECT_EQ(read->created, (Timestamp{.seconds = -5, .nanos = 999'999'999}));
  EXPECT_EQ(read->label, "label");
  EXPECT_EQ(read->host, "host");
  EXPECT_EQ(read->user, "user");
  EXPECT_EQ(read->argon2.memory_kib, kCheapArgon2.memory_kib);
  EXPECT_EQ(read->argon2.passes, kCheapArgon2.passes);
}

TEST_F(KeySlot, HoldsNothingOfTheKeysInClear) {
  const Bytes slot = seal(SlotKind::kPassphrase, passphrase("p"));
  for (const ByteView secret : {keyring_.chunk_id_key.view(), keyring_.chunker_key.view(),
                                keyring_.epochs[0].secret->view(), keyring_.config_digest.view()}) {
    EXPECT_TRUE(std::ranges::search(slot, secret).empty());
  }
}

TEST_F(KeySlot, TwoSlotsOfOnePassphraseShareNothing) {
  const Bytes one = seal(SlotKind::kPassphrase, passphrase("p"));
  const Bytes two = seal(SlotKind::kPassphrase, passphrase("p"));
  EXPECT_NE(ByteView(one).last(100)[0], 0);
  EXPECT_FALSE(std::ranges::equal(ByteView(one).last(64), ByteView(two).last(64)));
}

TEST_F(KeySlot, WithAnyByteChangedIsDamaged) {
  for (const Credential& credential : {passphrase("p"), recovery_key(), Credential{}}) {
    const SlotKind kind = credential.passphrase     ? SlotKind::kPassphrase
                          : credential.recovery_key ? SlotKind::kRecoveryKey
                                                    : SlotKind::kNone;
    for_each_flip(seal(kind, credential), [&](const Bytes& damaged, std::size_t at) {
      const auto opened = open_slot(damaged, credential);
      ASSERT_FALSE(opened) << "byte " << at;
      EXPECT_TRUE(is_damage(opened.error().code())) << opened.error().describe();
    });
  }
}

TEST_F(KeySlot, WithAnyByteOfItsPublicPartExchangedOpensForNobody) {
  const Bytes slot = seal(SlotKind::kPassphrase, passphrase("p"));
  std::size_t size = 0;
  (void)with_public_part(slot, [&](Bytes& part) { size = part.size(); });
  ASSERT_GT(size, 40U);
  for (std::size_t at = 0; at < size; ++at) {
    const Bytes changed = with_public_part(slot, [&](Bytes& part) { part[at] ^= 1; });
    EXPECT_FALSE(open_slot(changed, passphrase("p"))) << "byte " << at;
  }
}

TEST_F(KeySlot, CutShortAnywhereIsCorruption) {
  const Bytes slot = seal(SlotKind::kRecoveryKey, recovery_key());
  for_each_prefix(slot, [](ByteView prefix) {
    EXPECT_EQ(code_of(read_slot_info(prefix)), "corruption");
    EXPECT_EQ(code_of(open_slot(prefix, {})), "corruption");
  });
}

TEST_F(KeySlot, WithAbsurdCostsIsCorruptionAndCostsNothing) {
  EXPECT_EQ(code_of(open_slot(with_argon2(7, 1), passphrase("p"))), "corruption");
  EXPECT_EQ(code_of(open_slot(with_argon2(4 * 1024 * 1024 + 1, 1), passphrase("p"))), "corruption");
  EXPECT_EQ(code_of(open_slot(with_argon2(8, 65), passphrase("p"))), "corruption");
  EXPECT_EQ(code_of(open_slot(with_argon2(8, 0), passphrase("p"))), "corruption");
  EXPECT_EQ(code_of(open_slot(with_argon2(1ULL << 40, 1), passphrase("p"))), "corruption");
  // Other costs than it was made with give another key.
  EXPECT_EQ(code_of(open_slot(with_argon2(16, 1), passphrase("p"))), "wrong_key");
  EXPECT_EQ(problem(open_slot(with_argon2(8, 1), passphrase("p"))), "");
}

TEST_F(KeySlot, OfALaterKindIsUnsupported) {
  const Bytes slot = seal(SlotKind::kNone, {});
  const auto with_kind = [&](std::uint8_t kind) {
    return with_public_part(slot, [&](Bytes& part) { part[1] = kind; });
  };
  for (const std::uint8_t kind : Bytes{6, 7, 100}) {
    EXPECT_EQ(code_of(read_slot_info(with_kind(kind))), "unsupported");
  }
  EXPECT_EQ(code_of(read_slot_info(with_kind(0))), "corruption");
}

TEST_F(KeySlot, WithoutAPassphraseIsNoPassphraseSlot) {
  const auto sealed = seal_slot(keyring_, info(SlotKind::kPassphrase), {}, repository_, rng_);
  EXPECT_EQ(code_of(sealed), "wrong_key");
}

TEST(KeyringRecord, IsReadBackAndRefusedWhenIncomplete) {
  SharedRng rng(3);
  Keyring keyring = Keyring::random(rng);
  rng.fill(keyring.config_digest.bytes);
  Bytes whole;
  encode_keyring(keyring, whole);
  ASSERT_EQ(problem(decode_keyring(whole)), "");
  for_each_prefix(
      whole, [](ByteView prefix) { EXPECT_EQ(code_of(decode_keyring(prefix)), "corruption"); });
}

TEST(KeyringRecord, WithoutItsCurrentEpochIsCorruption) {
  SharedRng rng(3);
  Keyring keyring = Keyring::random(rng);
  keyring.current_epoch = 2;
  Bytes record;
  encode_keyring(keyring, record);
  EXPECT_EQ(code_of(decode_keyring(record)), "corruption");
}

TEST(KeyringRecord, GivesEveryObjectAKeyOfItsOwn) {
  SharedRng rng(3);
  const Keyring keyring = Keyring::random(rng);
  Bytes header(kHeaderSize);
  encode_header({.kind = ObjectKind::kDataPack,
                 .key_mode = KeyMode::kDerived,
                 .epoch = 1,
                 .repository = {},
                 .salt = {}},
                header);
  const auto key = keyring.object_key(header);
  ASSERT_EQ(problem(key), "");
  for (std::size_t at = 0; at < header.size(); ++at) {
    Bytes changed = header;
    changed[at] ^= 1;
    const auto other = keyring.object_key(changed);
    const bool same = other && std::ranges::equal(other->view(), key->view());
    EXPECT_FALSE(same) << "byte " << at;
  }
  header[8] = 2;
  EXPECT_EQ(code_of(keyring.object_key(header)), "wrong_key");
}

}  // namespace
}  // namespace backstay::repo
