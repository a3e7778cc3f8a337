#include "engine/check/verified_packs.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/hash.h"
#include "io/file.h"

namespace backstay::engine::check_stages {

namespace {

// Eight bytes of magic, entries of a name and i64 seconds, BLAKE3 of all that.
constexpr std::string_view kVerifiedMagic = "BKSTVER1";
constexpr std::size_t kVerifiedEntryBytes = repo::ObjectId::kSize + 8;
constexpr std::uint64_t kVerifiedFileMax = 1ULL << 30;

}  // namespace

VerifiedPacks VerifiedPacks::load(std::string path, Timestamp now) {
  VerifiedPacks verified;
  verified.path_ = std::move(path);
  verified.read(now);
  return verified;
}

void VerifiedPacks::read(Timestamp now) {
  if (path_.empty()) return;
  const auto file = io::read_file(path_, kVerifiedFileMax);
  if (!file) return;
  const ByteView bytes = *file;
  const std::size_t least = kVerifiedMagic.size() + crypto::Digest::kSize;
  if (bytes.size() < least || (bytes.size() - least) % kVerifiedEntryBytes != 0) return;
  const ByteView body = bytes.first(bytes.size() - crypto::Digest::kSize);
  if (!std::ranges::equal(crypto::blake3(body).view(), bytes.last(crypto::Digest::kSize)) ||
      as_text(body.first(kVerifiedMagic.size())) != kVerifiedMagic) {
    return;
  }
  for (std::size_t at = kVerifiedMagic.size(); at < body.size(); at += kVerifiedEntryBytes) {
    const auto id = repo::ObjectId::from_bytes(body.subspan(at, repo::ObjectId::kSize));
    const auto seconds =
        static_cast<std::int64_t>(load_le<std::uint64_t>(body.data() + at + repo::ObjectId::kSize));
    if (!id || seconds < 0 || seconds > now.seconds || forgotten_.contains(*id)) continue;
    const auto [it, fresh] = times_.emplace(*id, seconds);
    if (!fresh) it->second = std::max(it->second, seconds);
  }
}

std::optional<std::int64_t> VerifiedPacks::verified_at(const repo::ObjectId& pack) const {
  const auto found = times_.find(pack);
  if (found == times_.end()) return std::nullopt;
  return found->second;
}

bool VerifiedPacks::is_fresh(const repo::ObjectId& pack, std::chrono::seconds max_age,
                             Timestamp now) const {
  const auto at = verified_at(pack);
  return at && *at <= now.seconds && now.seconds - *at < max_age.count();
}

void VerifiedPacks::add(const repo::ObjectId& pack, Timestamp now) {
  forgotten_.erase(pack);
  times_[pack] = now.seconds;
}

void VerifiedPacks::forget(const repo::ObjectId& pack) {
  times_.erase(pack);
  forgotten_.insert(pack);
}

void VerifiedPacks::keep_only(const std::unordered_set<repo::ObjectId>& present) {
  present_ = present;
}

Result<void> VerifiedPacks::save(Timestamp now) {
  if (path_.empty()) return {};
  read(now);
  // The clock may have been set back since they were added.
  std::erase_if(times_, [&](const auto& one) {
    return one.second > now.seconds || (present_ && !present_->contains(one.first));
  });
  Bytes bytes = to_owned(as_bytes(kVerifiedMagic));
  bytes.reserve(bytes.size() + times_.size() * kVerifiedEntryBytes + crypto::Digest::kSize);
  for (const auto& [id, seconds] : times_) {
    append(bytes, id.view());
    append_le(bytes, static_cast<std::uint64_t>(seconds));
  }
  append(bytes, crypto::blake3(bytes).view());
  return io::replace_file(path_, bytes);
}

}  // namespace backstay::engine::check_stages
