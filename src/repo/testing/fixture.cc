#include "repo/testing/fixture.h"

#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::repo {

Bytes noise(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  SeededRng(seed).fill(bytes);
  return bytes;
}

void for_each_flip(ByteView whole,
                   const std::function<void(const Bytes& damaged, std::size_t at)>& each) {
  Bytes damaged = to_owned(whole);
  for (std::size_t at = 0; at < damaged.size(); ++at) {
    for (const std::uint8_t bits : {std::uint8_t{0xff}, std::uint8_t{0x01}}) {
      damaged[at] ^= bits;
      each(damaged, at);
      damaged[at] ^= bits;
    }
  }
}

void for_each_prefix(ByteView whole, const std::function<void(ByteView prefix)>& each) {
  for (std::size_t size = 0; size < whole.size(); ++size) each(whole.first(size));
}

Config small_config(Rng& rng) {
  Config config;
  rng.fill(config.id.bytes);
  config.created = {.seconds = 1'700'000'000, .nanos = 5};
  config.cut = {.min_bytes = 1024, .normal_bytes = 4096, .max_bytes = 16384};
  config.fixed_piece_bytes = 4096;
  config.pack_bytes = 64 * 1024;
  config.frame_bytes = 8 * 1024;
  config.program = "test";
  return config;
}

Credential test_credential() {
  return {.passphrase = "a passphrase", .recovery_key = {}};
}

Result<void> make_repository(backend::Backend& store, const Config& config,
                             const Credential& credential, Rng& rng) {
  const Bytes object = encode_config(config);
  Keyring keyring = Keyring::random(rng);
  keyring.config_digest = crypto::blake3(object);
  SlotInfo info{.kind = SlotKind::kNone,
                .created = config.created,
                .label = "test",
                .host = "host",
                .user = "user",
                .argon2 = kCheapArgon2};
  if (credential.passphrase) info.kind = SlotKind::kPassphrase;
  if (credential.recovery_key) info.kind = SlotKind::kRecoveryKey;
  const Bytes slot = TRY(seal_slot(keyring, info, credential, config.id, rng));
  TRY(store.put(object_name(ObjectKind::kKeySlot, id_of(slot)), slot));
  TRY(store.put("config", object));
  return store.barrier();
}

RepositoryFixture::RepositoryFixture() = default;

void RepositoryFixture::make() {
  const auto made = make_repository(memory_, small_config(rng_), test_credential(), rng_);
  ASSERT_EQ(problem(made), "");
}

Result<std::unique_ptr<Repository>> RepositoryFixture::try_open(const OpenOptions& options) {
  // A FaultBackend without faults only passes on.
  backend::Backend& faults = faults_;
  return Repository::open(std::make_unique<backend::FaultBackend>(faults), test_credential(),
                          options, {.clock = clock_, .rng = rng_, .threads = threads_});
}

static std::unique_ptr<Repository> with_index(Result<std::unique_ptr<Repository>> opened) {
  EXPECT_EQ(problem(opened), "");
  if (!opened) return nullptr;
  const auto loaded = (*opened)->load_index([](const ObjectId& id, const Error& error) {
    ADD_FAILURE() << "index run " << id.short_hex() << ": " << error.describe();
  });
  EXPECT_EQ(problem(loaded), "");
  return std::move(*opened);
}

std::unique_ptr<Repository> RepositoryFixture::open(const OpenOptions& options) {
  return with_index(try_open(options));
}

std::unique_ptr<Repository> RepositoryFixture::open_past_faults() {
  backend::Backend& store = memory_;
  return with_index(Repository::open(std::make_unique<backend::FaultBackend>(store),
                                     test_credential(), {},
                                     {.clock = clock_, .rng = rng_, .threads = threads_}));
}

std::vector<std::string> RepositoryFixture::names(std::string_view prefix) const {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : memory_.objects()) {
    if (name.starts_with(prefix)) names.push_back(name);
  }
  return names;
}

std::string RepositoryFixture::only_name(std::string_view prefix) const {
  const std::vector<std::string> found = names(prefix);
  EXPECT_EQ(found.size(), 1U) << "objects below " << prefix;
  return found.empty() ? std::string() : found.front();
}

void RepositoryFixture::replace(const std::string& name,
                                const std::function<void(Bytes&)>& change) {
  auto objects = memory_.objects();
  ASSERT_TRUE(objects.contains(name)) << name;
  change(objects[name]);
  memory_.set_objects(std::move(objects));
}

void RepositoryFixture::remove(const std::string& name) {
  ASSERT_EQ(problem(memory_.remove(name)), "");
}

chunk::ChunkRef RepositoryFixture::ref_of(const Repository& repository, ByteView plaintext) {
  return {.id = repository.chunk_id(plaintext),
          .length = static_cast<std::uint32_t>(plaintext.size())};
}

std::vector<chunk::ChunkRef> RepositoryFixture::store(Repository& repository, StoreSession& session,
                                                      const std::vector<Bytes>& plaintexts) {
  FrameEncoder encoder;
  std::vector<chunk::ChunkRef> refs;
  for (const Bytes& plaintext : plaintexts) {
    refs.push_back(ref_of(repository, plaintext));
    if (!session.claim(refs.back().id)) continue;
    const auto added = session.add({PackKind::kData, plaintext, {refs.back()}}, encoder);
    EXPECT_EQ(problem(added), "");
  }
  return refs;
}

}  // namespace backstay::repo
