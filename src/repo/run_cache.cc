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

}  // namespace

// Of this run: a file that stands under another one's name does not fit.
crypto::Secret RunCache::seal_key(const ObjectId& id) const {
  return crypto::Secret::from_bytes(crypto::blake3_keyed(key_, id.view()).view()).value();
}

crypto::Digest RunCache::seal_of(const ObjectId& id, ByteView body,
                                 const io::MappedFile& file) const {
  crypto::Blake3Stream seal(seal_key(id));
  while (!body.empty()) {
    const ByteView piece = body.first(std::min(body.size(), kSealPiece));
    seal.update(piece);
    body = body.subspan(piece.size());
    file.forget_pages();
  }
  return seal.finish();
}

std::optional<std::shared_ptr<const IndexRun>> RunCache::load(const ObjectId& id) const {
  if (directory_.empty()) return std::nullopt;
  auto file = io::MappedFile::open(path_of(id));
  if (!file) return std::nullopt;
  const ByteView bytes = (*file)->bytes();
  if (bytes.size() > crypto::Digest::kSize) {
    const ByteView body = bytes.first(bytes.size() - crypto::Digest::kSize);
    if (std::ranges::equal(seal_of(id, body, **file).bytes, bytes.last(crypto::Digest::kSize))) {
      auto run = IndexRun::open(id, std::move(*file), body);
      if (run) return std::move(*run);
    }
  }
  forget(id);
  return std::nullopt;
}

// The body and its seal behind it, which is known when the last piece of the body went by.
Result<void> RunCache::write(const ObjectId& id, const StreamedBytes& body) const {
  std::optional<crypto::Blake3Stream> seal;
  crypto::Digest digest;
  const StreamedBytes sealed{
      .size = body.size + crypto::Digest::kSize,
      .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
        if (offset == 0) seal.emplace(seal_key(id));
        if (offset < body.size) {
          const ByteView piece = TRY(body.piece_at(offset));
          seal->update(piece);
          return piece;
        }
        digest = seal->finish();
        return ByteView(digest.bytes).subspan(static_cast<std::size_t>(offset - body.size));
      }};
  return io::create_file(path_of(id), sealed, io::Durability::kUnsynced);
}

Result<std::shared_ptr<const IndexRun>> RunCache::keep(const ObjectId& id,
                                                       const StreamedBytes& body) const {
  if (!directory_.empty()) {
    std::optional<Error> unreadable;  // then there is nothing to keep anywhere
    const StreamedBytes watched{.size = body.size, .piece_at = [&](std::uint64_t offset) {
                                  auto piece = body.piece_at(offset);
                                  if (!piece) unreadable = piece.error().clone();
                                  return piece;
                                }};
    const auto written = write(id, watched);
    if (unreadable) return std::unexpected(std::move(*unreadable));
    if (written || written.error().code() == ErrorCode::kAlreadyExists) {
      if (auto cached = load(id)) return std::move(*cached);
    }
  }
  return IndexRun::open(id, TRY(gathered(body)));
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
