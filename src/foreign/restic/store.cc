#include "foreign/restic/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "base/try.h"
#include "compress/zstd_codec.h"
#include "crypto/scrypt.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "json/reader.h"

namespace backstay::foreign::restic {

namespace {

using crypto::AesPoly1305;

// An index or snapshot, also when it is unpacked. restic writes some 50,000 pieces into an index.
constexpr std::uint64_t kFileMax = std::uint64_t{1} << 30;
constexpr std::uint64_t kSnapshotFileMax = 8 << 20;
constexpr std::uint64_t kKeyFileMax = 64 * 1024;
constexpr std::size_t kKeyFilesMax = 1000;
constexpr std::size_t kPacksOpen = 16;

Result<Bytes> read_regular_file(const std::string& path, std::uint64_t size_max) {
  const io::Fd file = TRY(io::open_file(path, io::OpenMode::kReadObject));
  return TRY_DOING("reading " + path, io::read_open_file(file.get(), size_max));
}

// What the medium cannot give back, or what is longer than it may be, is damage of this file: the
// rest of the repository may be whole.
template <typename T>
Result<T> as_damage(Result<T> read) {
  if (read) return read;
  const Error& error = read.error();
  const bool damage =
      error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kInvalidArgument;
  if (!damage) return read;
  return fail(ErrorCode::kCorruption, error.describe());
}

Result<void> compare_name(const Id& name, ByteView bytes) {
  if (crypto::sha256(bytes) == name.bytes) return {};
  return fail(ErrorCode::kCorruption, "its bytes do not match its name");
}

struct MacKey {
  Bytes k;
  Bytes r;
};

Result<MacKey> read_mac_key(json::Reader& reader) {
  MacKey key;
  TRY(reader.enter_object());
  while (const auto part = TRY(reader.next_key())) {
    if (*part == "k") {
      key.k = TRY(from_base64(TRY(reader.string())));
    } else if (*part == "r") {
      key.r = TRY(from_base64(TRY(reader.string())));
    } else {
      TRY(reader.skip());
    }
  }
  return key;
}

Error no_repository(const std::string& folder) {
  return Error(ErrorCode::kNoRepository, fmt::format("{} is no restic repository", folder))
      .with_hint(
          "Give the folder that has 'config', 'keys' and 'snapshots' in it. A repository in a "
          "store (S3, SFTP, rest-server) must be mounted or copied to this machine first.");
}

}  // namespace

Result<KeyFile> parse_key_file(std::string_view text) {
  json::Reader reader(text);
  KeyFile key;
  std::string kdf;
  TRY(reader.enter_object());
  while (const auto name = TRY(reader.next_key())) {
    if (*name == "kdf") {
      kdf = TRY(reader.string());
    } else if (*name == "N") {
      key.n = TRY(reader.number());
    } else if (*name == "r" || *name == "p") {
      const std::uint64_t value = TRY(reader.number());
      if (value > UINT32_MAX) return fail(ErrorCode::kCorruption, "a parameter is out of bounds");
      (*name == "r" ? key.r : key.p) = static_cast<std::uint32_t>(value);
    } else if (*name == "salt") {
      key.salt = TRY(from_base64(TRY(reader.string())));
    } else if (*name == "data") {
      key.data = TRY(from_base64(TRY(reader.string())));
    } else {
      TRY(reader.skip());
    }
  }
  TRY(reader.finish());
  if (kdf != "scrypt") return fail(ErrorCode::kUnsupported, "the key is not of scrypt");
  if (key.data.size() < AesPoly1305::kOverhead)
    return fail(ErrorCode::kCorruption, "the key file holds no key");
  return key;
}

Result<Bytes> parse_master_key(std::string_view text) {
  json::Reader reader(text);
  Bytes encrypt;
  MacKey mac;
  TRY(reader.enter_object());
  while (const auto name = TRY(reader.next_key())) {
    if (*name == "encrypt") {
      encrypt = TRY(from_base64(TRY(reader.string())));
    } else if (*name == "mac") {
      mac = TRY(read_mac_key(reader));
    } else {
      TRY(reader.skip());
    }
  }
  TRY(reader.finish());
  if (encrypt.size() != 32 || mac.k.size() != 16 || mac.r.size() != 16)
    return fail(ErrorCode::kCorruption, "the master key has a wrong length");
  append(encrypt, mac.k);
  append(encrypt, mac.r);
  return encrypt;
}

Result<Config> parse_config(std::string_view text) {
  json::Reader reader(text);
  Config config;
  bool has_id = false;
  TRY(reader.enter_object());
  while (const auto name = TRY(reader.next_key())) {
    if (*name == "version") {
      config.version = TRY(reader.number());
    } else if (*name == "id") {
      const auto id = Id::from_hex(TRY(reader.string()));
      if (!id) return fail(ErrorCode::kCorruption, "the repository's id is none");
      config.id = *id;
      has_id = true;
    } else {
      TRY(reader.skip());
    }
  }
  TRY(reader.finish());
  if (config.version < 1 || config.version > 2) {
    return std::unexpected(
        Error(ErrorCode::kUnsupported,
              fmt::format("the restic repository has format {}; 1 and 2 are known", config.version))
            .with_hint("A newer version of this program may know it."));
  }
  if (!has_id) return fail(ErrorCode::kCorruption, "the repository has no id");
  return config;
}

Result<Bytes> unpacked(Bytes plain) {
  constexpr std::uint8_t kZstd = 2;
  if (plain.empty() || plain[0] == '{' || plain[0] == '[') return plain;
  if (plain[0] != kZstd) return fail(ErrorCode::kCorruption, "it is neither JSON nor compressed");
  const ByteView packed = ByteView(plain).subspan(1);
  return compress::ZstdCodec().decompress_up_to(packed, kFileMax);
}

Result<std::unique_ptr<Store>> Store::open(const std::string& folder, std::string_view password,
                                           const std::stop_token& stop) {
  std::unique_ptr<Store> store(new Store(folder));
  const auto config = io::file_info(folder + "/config");
  const auto keys = io::file_info(folder + "/keys");
  if (!config || !keys || !config->is_regular || !keys->is_directory)
    return std::unexpected(no_repository(folder));
  TRY(store->open_key(password, stop));
  TRY_DOING("reading the config of " + folder, store->read_config());
  return store;
}

Result<void> Store::open_key(std::string_view password, const std::stop_token& stop) {
  std::vector<Id> names = TRY(list("keys"));
  if (names.size() > kKeyFilesMax) names.resize(kKeyFilesMax);
  std::optional<Error> damage;
  for (const Id& name : names) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const auto try_key = [&]() -> Result<bool> {
      const Bytes text =
          TRY(read_regular_file(fmt::format("{}/keys/{}", folder_, name.hex()), kKeyFileMax));
      const KeyFile key = TRY(parse_key_file(as_text(text)));
      Bytes derived(AesPoly1305::kKeySize);
      TRY(crypto::scrypt(as_bytes(password), key.salt, {.n = key.n, .r = key.r, .p = key.p},
                         derived));
      const AesPoly1305 wrapping = TRY(AesPoly1305::from_key(derived));
      crypto::wipe(derived);
      Bytes master(key.data.size() - AesPoly1305::kOverhead);
      if (!wrapping.open(key.data, master)) return false;
      Bytes bytes = TRY(parse_master_key(as_text(master)));
      crypto::wipe(master);
      key_ = TRY(AesPoly1305::from_key(bytes));
      crypto::wipe(bytes);
      return true;
    };
    const Result<bool> opened = try_key();
    if (opened && *opened) return {};
    if (!opened) damage = opened.error().clone().with_context("reading key " + name.short_hex());
  }
  if (damage) return std::unexpected(std::move(*damage));
  return std::unexpected(
      Error(ErrorCode::kWrongKey, "no key of the restic repository opens with this password")
          .with_hint("Check it with 'restic -r REPO snapshots'; give it with "
                     "--from-password-file, or in RESTIC_PASSWORD."));
}

Result<void> Store::read_config() {
  const Bytes sealed = TRY(read_regular_file(folder_ + "/config", kKeyFileMax));
  const Bytes text = TRY(unsealed(sealed));
  repository_id_ = TRY(parse_config(as_text(text))).id;
  return {};
}

Result<Bytes> Store::unsealed(ByteView sealed) const {
  if (sealed.size() < AesPoly1305::kOverhead)
    return fail(ErrorCode::kCorruption, "it is too short to be sealed");
  Bytes plain(sealed.size() - AesPoly1305::kOverhead);
  TRY(key_->open(sealed, plain));
  return unpacked(std::move(plain));
}

Result<std::vector<Id>> Store::list(const std::string& kind) const {
  std::vector<Id> names;
  for (const std::string& name : TRY(io::list_directory(folder_ + "/" + kind))) {
    if (const auto id = Id::from_hex(name); id && name.size() == 2 * Id::kSize)
      names.push_back(*id);
  }
  std::ranges::sort(names);
  return names;
}

Result<Bytes> Store::read(const std::string& kind, const Id& id) const {
  const std::string path = fmt::format("{}/{}/{}", folder_, kind, id.hex());
  const std::uint64_t size_max = kind == "snapshots" ? kSnapshotFileMax : kFileMax;
  const Bytes sealed = TRY(as_damage(read_regular_file(path, size_max)));
  TRY_DOING("reading " + path, compare_name(id, sealed));
  return TRY_DOING("reading " + path, unsealed(sealed));
}

Result<std::shared_ptr<const io::Fd>> Store::open_pack(const Id& pack) const {
  {
    const MutexLock lock(mutex_);
    const auto known = std::ranges::find(open_, pack, [](const auto& pair) { return pair.first; });
    if (known != open_.end()) {
      std::rotate(known, known + 1, open_.end());
      return open_.back().second;
    }
  }
  const std::string hex = pack.hex();
  auto file = io::open_file(fmt::format("{}/data/{}/{}", folder_, hex.substr(0, 2), hex),
                            io::OpenMode::kReadObject);
  // Repositories of the first versions have no folders there.
  if (!file && file.error().code() == ErrorCode::kNotFound) {
    auto flat = io::open_file(fmt::format("{}/data/{}", folder_, hex), io::OpenMode::kReadObject);
    if (flat) file = std::move(flat);
  }
  if (!file) return std::unexpected(std::move(file).error());
  auto opened = std::make_shared<const io::Fd>(std::move(*file));
  const MutexLock lock(mutex_);
  if (open_.size() >= kPacksOpen) open_.erase(open_.begin());
  open_.emplace_back(pack, opened);
  return opened;
}

Result<void> Store::read_piece(const Id& pack, std::uint64_t offset, Bytes& sealed,
                               Bytes& plain) const {
  const auto file = TRY(open_pack(pack));
  if (TRY(as_damage(io::pread_full(file->get(), sealed, offset))) != sealed.size())
    return fail(ErrorCode::kCorruption, "pack " + pack.short_hex() + " is cut short");
  if (sealed.size() < AesPoly1305::kOverhead)
    return fail(ErrorCode::kCorruption, "a piece is too short to be sealed");
  plain.resize(sealed.size() - AesPoly1305::kOverhead);
  return key_->open(sealed, plain);
}

}  // namespace backstay::foreign::restic
