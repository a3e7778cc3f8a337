#include "repo/run_cache.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "base/try.h"
#include "crypto/hash.h"
#include "io/file.h"

namespace backstay::repo {

RunCache::RunCache(std::string directory, const Keyring& keyring)
    : directory_(std::move(directory)),
      key_(crypto::derive_key("backstay v1 cache", keyring.chunk_id_key.view())) {
  if (!directory_.empty() && !io::make_directories(directory_)) directory_.clear();
}

std::string RunCache::path_of(const ObjectId& id) const {
  return directory_ + "/" + id.hex();
}

namespace {

constexpr std::size_t kSealPiece = 4 * 1024 * 1024;
// Behind the body: whether the run supersedes others, then the seal over all.
constexpr std::size_t kTrustSize = 1;
constexpr std::size_t kTail = kTrustSize + crypto::Digest::kSize;

}  // namespace

// Of this run: a file that stands under another one's name does not fit.
crypto::Secret RunCache::seal_key(const ObjectId& id) const {
  return crypto::Secret::from_bytes(crypto::blake3_keyed(key_, id.view()).view()).value();
}

crypto::Digest RunCache::seal_of(const ObjectId& id, ByteView sealed,
                                 const io::MappedFile& file) const {
  crypto::Blake3Stream seal(seal_key(id));
  while (!sealed.empty()) {
    const ByteView piece = sealed.first(std::min(sealed.size(), kSealPiece));
    seal.update(piece);
    sealed = sealed.subspan(piece.size());
    file.forget_pages();
  }
  return seal.finish();
}

std::optional<std::shared_ptr<const IndexRun>> RunCache::load(const ObjectId& id) const {
  if (directory_.empty()) return std::nullopt;
  auto file = io::MappedFile::open(path_of(id));
  if (!file) return std::nullopt;
  const ByteView bytes = (*file)->bytes();
  if (bytes.size() > kTail) {
    const ByteView sealed = bytes.first(bytes.size() - crypto::Digest::kSize);
    if (std::ranges::equal(seal_of(id, sealed, **file).bytes, bytes.last(crypto::Digest::kSize))) {
      const auto trust = static_cast<RunTrust>(sealed.back());
      auto run =
          IndexRun::open(id, std::move(*file), sealed.first(sealed.size() - kTrustSize), trust);
      if (run) return std::move(*run);
    }
  }
  forget(id);
  return std::nullopt;
}

// The body and what stands behind it, which is known when the last piece of the body went by.
Result<void> RunCache::write(const ObjectId& id, const StreamedBytes& body,
                             const RunSigner& signer) const {
  std::optional<crypto::Blake3Stream> seal;
  std::optional<RunConfirmation> confirmation;
  Bytes tail;
  const StreamedBytes sealed{
      .size = body.size + kTail, .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
        if (offset == 0) {
          seal.emplace(seal_key(id));
          confirmation.emplace(signer, body.size);
        }
        if (offset < body.size) {
          const ByteView piece = TRY(body.piece_at(offset));
          seal->update(piece);
          confirmation->take(piece);
          return piece;
        }
        if (offset == body.size) {
          tail.assign(kTrustSize, static_cast<std::uint8_t>(confirmation->verdict()));
          seal->update(tail);
          append(tail, seal->finish().view());
        }
        return ByteView(tail).subspan(static_cast<std::size_t>(offset - body.size));
      }};
  return io::create_file(path_of(id), sealed, io::Durability::kUnsynced);
}

Result<std::shared_ptr<const IndexRun>> RunCache::keep(const ObjectId& id,
                                                       const StreamedBytes& body,
                                                       const RunSigner& signer) const {
  if (!directory_.empty()) {
    std::optional<Error> unreadable;  // then there is nothing to keep anywhere
    const StreamedBytes watched{.size = body.size, .piece_at = [&](std::uint64_t offset) {
                                  auto piece = body.piece_at(offset);
                                  if (!piece) unreadable = piece.error().clone();
                                  return piece;
                                }};
    const auto written = write(id, watched, signer);
    if (unreadable) return std::unexpected(std::move(*unreadable));
    if (written || written.error().code() == ErrorCode::kAlreadyExists) {
      if (auto cached = load(id)) return std::move(*cached);
    }
  }
  Bytes whole = TRY(gathered(body));
  const RunTrust trust = trust_in(signer, whole);
  return IndexRun::open(id, std::move(whole), trust);
}

void RunCache::forget(const ObjectId& id) const {
  if (!directory_.empty()) (void)io::remove_file(path_of(id));
}

void RunCache::keep_only(const std::vector<std::shared_ptr<const IndexRun>>& runs) const {
  if (directory_.empty()) return;
  std::unordered_set<std::string> names;
  for (const auto& run : runs) names.insert(run->id().hex());
  const auto files = io::list_directory(directory_);
  if (!files) return;
  for (const std::string& name : *files) {
    if (!names.contains(name)) (void)io::remove_file(directory_ + "/" + name);
  }
}

}  // namespace backstay::repo
