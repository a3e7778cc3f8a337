// JSON out: one object a line, as docs/json describes them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "json/json_fwd.h"

namespace backstay::json {

// One line without its end. Never fails: bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string to_line(const Json& value);

// What every line begins with.
[[nodiscard]] Json line_of(std::string_view type);
// As lines give them: to a thousandth.
[[nodiscard]] double milliseconds_of(double seconds);

// Sets `field` to a byte string that should be UTF-8 but need not be (a path, a link's target).
// Where it is not, `field` holds it with U+FFFD for what cannot be shown, and `field`_bytes the
// exact bytes in Base64.
void put_text(Json& object, const std::string& field, std::string_view bytes);
// The same for a list; `field`_bytes then holds all of them, in the same order.
void put_texts(Json& object, const std::string& field, const std::vector<std::string>& texts);

}  // namespace backstay::json
