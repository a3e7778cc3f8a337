#include "cli/weak_store.h"

namespace backstay::cli {

void warn_of_weakness(Console& console, const repo::Repository& repository) {
  const backend::Capabilities can = repository.store().capabilities();
  if (!can.lists_at_once) {
    console.warning(
        "this store may list objects only some time after they came or went: backups, restores and "
        "checks work, and whatever removes (forget, prune) is refused",
        "docs/backends/ says which stores do better, and what to do where this one is known to.");
  }
  if (can.conditional_create) return;
  console.warning(
      "this store lets the second of two writers overwrite what the first one made: backups may "
      "run beside each other, but let only one machine at a time prune, repair, rotate keys or "
      "change parity",
      "'backstay repo probe' tries a store out, and docs/backends/ says which do better.");
}

}  // namespace backstay::cli
