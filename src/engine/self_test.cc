#include "engine/self_test.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "backend/memory_backend.h"
#include "base/hex.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/try.h"
#include "compress/zstd_codec.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "crypto/words.h"
#include "engine/backup.h"
#include "engine/check.h"
#include "engine/restore.h"
#include "io/file.h"
#include "source/file_source.h"

namespace backstay::engine {

namespace {

Result<void> expect(bool holds, std::string what) {
  if (holds) return {};
  return fail(ErrorCode::kInternal, std::move(what));
}

// The empty input's digest is the first of the published test vectors.
Result<void> test_hash() {
  return expect(crypto::blake3({}).hex() ==
                    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
                "BLAKE3 of nothing is wrong");
}

Result<void> test_cipher(crypto::Suite suite) {
  SeededRng rng(1);
  Bytes plain(100'000);
  rng.fill(plain);
  const crypto::Secret key = crypto::Secret::random(rng);
  const Bytes nonce(crypto::kNonceSize, 7);
  Bytes sealed(plain.size() + crypto::kTagSize);
  crypto::Aead aead;
  TRY(aead.seal(suite, key, nonce, plain, sealed));
  Bytes opened(plain.size());
  TRY(aead.open(suite, key, nonce, sealed, opened));
  TRY(expect(opened == plain, "what was sealed does not open to the same bytes"));
  sealed[500] ^= 1;
  return expect(!aead.open(suite, key, nonce, sealed, opened).has_value(),
                "a changed byte was not noticed");
}

Result<void> test_compression() {
  Bytes raw(300'000);
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::uint8_t>(i / 7 % 251);
  compress::ZstdCodec codec;
  Bytes packed;
  TRY(expect(TRY(codec.compress(raw, 3, packed)) > 0, "regular bytes were not compressed"));
  Bytes again(raw.size());
  TRY(codec.decompress(packed, again));
  return expect(again == raw, "what was compressed does not decode to the same bytes");
}

Result<void> test_words() {
  SeededRng rng(2);
  const crypto::Secret secret = crypto::Secret::random(rng);
  const crypto::Secret again = TRY(crypto::from_words(crypto::to_words(secret)));
  return expect(std::ranges::equal(secret.view(), again.view()),
                "a recovery key does not survive its words");
}

Result<void> test_passphrase_key() {
  const Bytes salt(crypto::kArgon2SaltSize, 3);
  const crypto::Argon2Parameters small{.memory_kib = 1024, .passes = 1};
  const crypto::Secret a = TRY(crypto::argon2id(as_bytes("one"), salt, small));
  const crypto::Secret b = TRY(crypto::argon2id(as_bytes("two"), salt, small));
  return expect(!std::ranges::equal(a.view(), b.view()), "two passphrases gave the same key");
}

Result<void> write_samples(const std::string& folder) {
  TRY(io::make_directories(folder + "/inner"));
  SeededRng rng(4);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{5000}, std::size_t{6'000'000}}) {
    Bytes bytes(size);
    rng.fill(bytes);
    const ByteView piece(bytes);
    TRY(io::create_file(folder + "/inner/" + std::to_string(size), {&piece, 1},
                        io::Durability::kUnsynced));
  }
  return {};
}

Result<void> compare_samples(const std::string& from, const std::string& to) {
  for (const char* name : {"0", "1", "5000", "6000000"}) {
    const Bytes a = TRY(io::read_file(from + "/inner/" + name, 1 << 24));
    const Bytes b = TRY(io::read_file(to + "/inner/" + name, 1 << 24));
    TRY(expect(a == b, std::string("the restored file differs: ") + name));
  }
  return {};
}

Result<void> test_round_trip(const std::string& scratch) {
  const std::string from = scratch + "/source";
  const std::string to = scratch + "/target";
  TRY(write_samples(from));
  const SystemClock clock;
  crypto::SystemRng rng;
  const repo::Credential credential{.passphrase = "self-test", .recovery_key = {}};
  repo::InitOptions init{
      .suite = {}, .compression = {}, .argon2 = {.memory_kib = 1024, .passes = 1}, .label = {}};
  auto repository = TRY(repo::Repository::init(std::make_unique<backend::MemoryBackend>(clock),
                                               credential, init, {.clock = clock, .rng = rng}));
  Progress progress;
  Mutex mutex;
  std::optional<Error> trouble;
  Activity activity{.progress = progress,
                    .stop = {},
                    .report =
                        [&](const std::string&, const Error& error) {
                          const MutexLock lock(mutex);
                          trouble = error.clone();
                        },
                    .note = [](const std::string&) {}};
  const auto open_source = [&](source::SourceHooks hooks) {
    source::FileSourceOptions source_options;
    source_options.paths = {from};
    return source::open_file_source(std::move(source_options), std::move(hooks.report));
  };
  BackupOptions options;
  options.paths = {from};
  options.host = "self-test";
  const BackupReport stored = TRY(backup(*repository, open_source, options, activity));
  RestoreOptions restore_options;
  restore_options.target = to;
  restore_options.subpath = from;
  restore_options.ownership = false;
  TRY(restore(*repository, stored.snapshot, restore_options, activity));
  CheckOptions check_options;
  check_options.read_data.mode = ReadData::Mode::kAll;
  const CheckReport checked = TRY(check(*repository, check_options, activity));
  if (trouble) return std::unexpected(std::move(*trouble));
  TRY(expect(checked.damages.empty(), "check found damage in a repository that was just made"));
  return compare_samples(from, to);
}

}  // namespace

std::vector<SelfTestStep> self_test(const std::string& scratch) {
  const std::vector<std::pair<std::string, std::function<Result<void>()>>> tests{
      {"BLAKE3", test_hash},
      {"AES-256-GCM", [] { return test_cipher(crypto::Suite::kAes256Gcm); }},
      {"ChaCha20-Poly1305", [] { return test_cipher(crypto::Suite::kChaCha20Poly1305); }},
      {"zstd", test_compression},
      {"Argon2id", test_passphrase_key},
      {"recovery words", test_words},
      {"backup, restore, check", [&] { return test_round_trip(scratch); }},
  };
  std::vector<SelfTestStep> steps;
  for (const auto& [name, test] : tests) {
    const auto start = std::chrono::steady_clock::now();
    const Result<void> result = test();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    steps.push_back({.name = name,
                     .passed = result.has_value(),
                     .detail = result ? std::string() : result.error().describe(),
                     .seconds = spent.count()});
  }
  return steps;
}

}  // namespace backstay::engine
