#include "engine/copy/tree_pairs.h"

#include <fmt/format.h>

#include <utility>

#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::copying {

static bool same_besides_content(snapshot::Entry one, snapshot::Entry other) {
  one.content = other.content = {};
  return one == other;
}

std::unexpected<Error> fail_comparison(const std::string& key, const char* what) {
  return fail(ErrorCode::kCorruption, fmt::format("the copy of {} differs from the original: {}",
                                                  snapshot::path_from_key(key), what));
}

Result<std::optional<TreePair>> TreePairs::next() {
  auto wanted = TRY(original_.next());
  auto got = TRY(copy_.next());
  if (!wanted && !got) return std::nullopt;
  if (!wanted || !got || wanted->key != got->key)
    return fail_comparison(wanted ? wanted->key : got->key, "its name");
  if (!same_besides_content(wanted->entry, got->entry))
    return fail_comparison(got->key, "its attributes");
  return TreePair{.original = *std::move(wanted), .copy = *std::move(got)};
}

}  // namespace backstay::engine::copying
