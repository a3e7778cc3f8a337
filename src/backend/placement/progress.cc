#include "backend/placement/progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/record.h"
#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::backend::placement {
namespace {

constexpr std::string_view kSeenMagic = "BKSTPSN1";
constexpr std::string_view kCountStart = "placement/count-";
constexpr std::string_view kSeenStart = "placement/seen-";
constexpr std::size_t kDigits = 10;
constexpr std::uint64_t kNumberMax = 9'999'999'999;

std::unexpected<Error> not_a_note(std::string_view why) {
  return fail(ErrorCode::kCorruption, fmt::format("a note of what stores have {}", why));
}

// Ten digits; 0 for anything else.
std::uint64_t number_in_name(std::string_view digits) {
  std::uint64_t number = 0;
  if (digits.size() != kDigits) return 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return 0;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

Result<std::pair<StoreId, Progress>> decode_one(ByteView bytes) {
  std::optional<StoreId> id;
  Progress progress;
  RecordReader reader(bytes);
  while (!reader.done()) {
    const Field field = TRY(reader.next());
    if (field.number == 1) id = TRY(StoreId::from_bytes(field.value_bytes));
    if (field.number == 2) progress.incarnation = field.value_number;
    if (field.number == 3) progress.count = field.value_number;
  }
  if (!id) return not_a_note("has a store with a wrong id");
  if (progress.count > kNumberMax) return not_a_note("has a number beyond the limit");
  return std::pair(*id, progress);
}

}  // namespace

void learn(KnownProgress& known, const KnownProgress& more) {
  for (const auto& [id, progress] : more) {
    Progress& mine = known[id];
    mine = std::max(mine, progress);
  }
}

std::string count_name(std::uint64_t count) {
  return fmt::format("{}{:010}", kCountStart, count);
}

std::string seen_name(std::uint64_t number, const Nonce& nonce) {
  return fmt::format("{}{:010}-{}", kSeenStart, number, nonce.hex());
}

std::uint64_t number_of_seen(std::string_view name) {
  if (!name.starts_with(kSeenStart)) return 0;
  return number_in_name(name.substr(kSeenStart.size()).substr(0, kDigits));
}

void ProgressNotes::add(std::string_view name) {
  if (number_of_seen(name) > 0) {
    seen.insert(std::ranges::upper_bound(seen, name), std::string(name));
    if (seen.size() > kSeenReadMax) seen.erase(seen.begin());
  }
  if (!name.starts_with(kCountStart)) return;
  const std::uint64_t count = number_in_name(name.substr(kCountStart.size()));
  if (count > 0) counts.insert(std::ranges::upper_bound(counts, count), count);
}

Result<ProgressNotes> list_progress(Backend& store) {
  ProgressNotes notes;
  TRY(store.list("placement/", [&](const ObjectInfo& info) -> Result<void> {
    notes.add(info.name);
    return {};
  }));
  return notes;
}

Bytes encode_seen(const PlacementId& placement, const KnownProgress& known) {
  Bytes out = to_owned(as_bytes(kSeenMagic));
  RecordWriter writer(out);
  writer.bytes(1, placement.view());
  for (const auto& [id, progress] : known) {
    Bytes one;
    RecordWriter inner(one);
    inner.bytes(1, id.view());
    if (progress.incarnation > 0) inner.number(2, progress.incarnation);
    inner.number(3, progress.count);
    writer.bytes(2, one);
  }
  append(out, crypto::blake3(out).view());
  return out;
}

Result<KnownProgress> decode_seen(const PlacementId& placement, ByteView bytes) {
  constexpr std::size_t kHash = crypto::Digest::kSize;
  if (bytes.size() < kSeenMagic.size() + kHash || bytes.size() > kMapBytesMax)
    return not_a_note("has a wrong length");
  const ByteView body = bytes.first(bytes.size() - kHash);
  if (!same_bytes(crypto::blake3(body).view(), bytes.last(kHash)))
    return not_a_note("does not match its hash");
  if (as_text(body.first(kSeenMagic.size())) != kSeenMagic)
    return not_a_note("begins with something else");
  KnownProgress known;
  bool is_ours = false;
  RecordReader reader(body.subspan(kSeenMagic.size()));
  while (!reader.done()) {
    const Field field = TRY(reader.next());
    if (field.number == 1) is_ours = same_bytes(field.value_bytes, placement.view());
    if (field.number != 2) continue;
    if (known.size() >= kSeenStoresMax) return not_a_note("has too many stores");
    const auto [id, progress] = TRY(decode_one(field.value_bytes));
    known[id] = std::max(known[id], progress);
  }
  if (!is_ours) return not_a_note("is one of another placement");
  return known;
}

}  // namespace backstay::backend::placement
