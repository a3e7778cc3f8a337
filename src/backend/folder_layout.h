// What is in the folder of a repository besides its objects, wherever that folder lies: in this
// machine or on a server. What one kind of backend wrote there the others read.
#pragma once

#include <cstdint>
#include <string_view>

namespace backstay::backend {

// Whatever stands under this name makes the repository append-only; the text is for people. It is
// no name of an object, so listings pass it over.
inline constexpr std::string_view kAppendOnlyMarker = ".append-only";
inline constexpr std::string_view kAppendOnlyText =
    "This repository is append-only: what is in it is not removed.\n"
    "'backstay append-only off' ends that. Removing this file by hand does, too.\n";

// A temporary file of a crash is removed at this age: no put takes as long.
inline constexpr std::int64_t kLeftoverAgeSeconds = 24 * 60 * 60;

}  // namespace backstay::backend
