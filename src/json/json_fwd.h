// The name of our JSON type, for headers: the library itself stays in the .cc files.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace backstay::json {

// Keeps the order of its fields, so that people find them where the documentation has them.
using Json = nlohmann::ordered_json;

}  // namespace backstay::json
