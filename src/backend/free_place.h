// Whether a place is free for a new repository (check_is_free() of backend/open.h), for stores of
// all kinds: what an init that was cut left behind is, and what a repository holds.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backend/backend.h"

namespace backstay::backend {

// A folder of these names, with all that file systems put into a fresh disk. already_exists, with
// the first name that is another's; `where` is the folder in the message.
Result<void> check_folder_is_free(std::string_view where, std::span<const std::string> names);

// What a store means that was opened and then says no_repository of its config.
enum class GoneStore : std::uint8_t { kIsFree, kIsListed };

// A store that has objects and no folders. `opened` is what opening it came to: where that found no
// repository, all is free. `place` is what its user chooses another of: "prefix", "name".
Result<void> check_store_is_free(const Result<std::unique_ptr<Backend>>& opened,
                                 std::string_view place, GoneStore gone = GoneStore::kIsFree);

}  // namespace backstay::backend
