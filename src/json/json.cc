#include "json/json.h"

#include <algorithm>
#include <cmath>

#include "base/base64.h"
#include "base/bytes.h"
#include "json/utf8.h"

namespace backstay::json {

std::string to_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json line_of(std::string_view type) {
  Json line;
  line["type"] = type;
  return line;
}

double milliseconds_of(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

void put_text(Json& object, const std::string& field, std::string_view bytes) {
  object[field] = lossy_utf8(bytes);
  if (!is_utf8(bytes)) object[field + "_bytes"] = to_base64(as_bytes(bytes));
}

void put_texts(Json& object, const std::string& field, const std::vector<std::string>& texts) {
  Json& shown = object[field] = Json::array();
  for (const std::string& text : texts) shown.push_back(lossy_utf8(text));
  if (std::ranges::all_of(texts, [](const std::string& text) { return is_utf8(text); })) return;
  Json& exact = object[field + "_bytes"] = Json::array();
  for (const std::string& text : texts) exact.push_back(to_base64(as_bytes(text)));
}

}  // namespace backstay::json
