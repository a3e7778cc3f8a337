#include "cli/overwriting_store.h"

namespace backstay::cli {

void warn_of_overwriting(Console& console, const repo::Repository& repository) {
  if (repository.store().capabilities().conditional_create) return;
  console.warning(
      "this store lets the second of two writers overwrite what the first one made: backups may "
      "run beside each other, but let only one machine at a time prune, repair, rotate keys or "
      "change parity",
      "'backstay repo probe' tries a store out, and docs/backends/ says which do better.");
}

}  // namespace backstay::cli
