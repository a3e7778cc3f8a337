#include "repo/remote_knowledge.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/byte_size.h"
#include "base/streamed_bytes.h"
#include "base/try.h"
#include "repo/object.h"

namespace backstay::repo {

namespace {

constexpr std::size_t kFetchBytes = 4 * kMiB;

using Kinds = std::initializer_list<ObjectKind>;
constexpr Kinds kKeys = {ObjectKind::kKeySlot, ObjectKind::kKeyEpoch};
// Snapshots before what they refer to; what is said about them after them.
constexpr Kinds kKnowledge = {ObjectKind::kGeneration, ObjectKind::kSnapshot,
                              ObjectKind::kHold,       ObjectKind::kTagChange,
                              ObjectKind::kDamageMark, ObjectKind::kIndexRun};

using Listed = std::unordered_map<std::string, std::uint64_t>;  // sizes by name

Result<Listed> list_kind(backend::Backend& store, ObjectKind kind) {
  Listed found;
  TRY(store.list(name_prefix(kind), [&](const backend::ObjectInfo& info) -> Result<void> {
    if (is_object_name(kind, info.name)) found.emplace(info.name, info.size_bytes);
    return {};
  }));
  return found;
}

// What is gone by now is not there any more: nothing is kept of it.
Result<void> fetch(backend::Backend& from, backend::Backend& kept, const std::string& name,
                   std::uint64_t size_bytes) {
  Bytes piece;
  const StreamedBytes bytes{
      .size = size_bytes, .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
        piece.resize(
            static_cast<std::size_t>(std::min<std::uint64_t>(kFetchBytes, size_bytes - offset)));
        TRY(from.get_range(name, offset, piece));
        return ByteView(piece);
      }};
  auto put = kept.put_streamed(name, bytes);
  const bool settled = !put && (put.error().code() == ErrorCode::kAlreadyExists ||
                                put.error().code() == ErrorCode::kNotFound);
  if (settled) return {};
  return put;
}

Result<void> keep_kinds(backend::Backend& from, backend::Backend& kept, const Kinds& kinds) {
  std::vector<std::string> gone;
  for (const ObjectKind kind : kinds) {
    const Listed there = TRY(list_kind(from, kind));
    const Listed here = TRY(list_kind(kept, kind));
    for (const auto& [name, size] : there) {
      if (!here.contains(name)) TRY(fetch(from, kept, name, size));
    }
    for (const auto& [name, size] : here) {
      if (!there.contains(name)) gone.push_back(name);
    }
  }
  TRY(kept.barrier());
  for (const std::string& name : gone) TRY(kept.remove(name));
  return kept.barrier();
}

// It comes last, as in a new repository: whoever sees it sees all else.
Result<void> keep_config(backend::Backend& from, backend::Backend& kept) {
  const Bytes config = TRY(get_object(from, "config", kPlainObjectMax));
  auto put = kept.put("config", config);
  if (put) return kept.barrier();
  if (put.error().code() != ErrorCode::kAlreadyExists) return put;
  return {};
}

Result<void> require_same(backend::Backend& from, backend::Backend& kept) {
  const auto known = get_object(kept, "config", kPlainObjectMax);
  if (!known && known.error().code() == ErrorCode::kNotFound) return {};
  if (!known) return std::unexpected(known.error().clone());
  if (*known == TRY(get_object(from, "config", kPlainObjectMax))) return {};
  return std::unexpected(Error(ErrorCode::kPermissionDenied,
                               "what is kept in " + kept.describe() +
                                   " is of another repository than the one at " + from.describe())
                             .with_hint("Keep it in another folder, one for each repository."));
}

}  // namespace

Result<void> keep_knowledge(backend::Backend& from, backend::Backend& kept) {
  TRY(require_same(from, kept));
  TRY(keep_kinds(from, kept, kKeys));
  TRY(keep_kinds(from, kept, kKnowledge));
  return keep_config(from, kept);
}

Result<void> keep_keys(backend::Backend& from, backend::Backend& kept) {
  TRY(require_same(from, kept));
  TRY(keep_kinds(from, kept, kKeys));
  return keep_config(from, kept);
}

}  // namespace backstay::repo
