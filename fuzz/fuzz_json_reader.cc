// JSON of other programs: what is skipped is what is read, and objects of an array are the same
// however their text comes in pieces.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "json/reader.h"

namespace {

using backstay::json::ObjectSplitter;
using backstay::json::Reader;

std::string all_objects(std::string_view text, std::size_t step) {
  ObjectSplitter splitter(1000);
  std::string found;
  while (!text.empty() && !splitter.at_end()) {
    std::string_view piece = text.substr(0, step);
    const std::size_t given = piece.size();
    const auto whole = splitter.feed(piece);
    if (!whole) return found + "!";
    if (*whole) found += std::string(splitter.object()) + "\n";
    text.remove_prefix(given - piece.size());
  }
  return found;
}

// Reads what is there as objects and arrays; false where it is broken.
bool read_value(Reader& reader, std::string_view start, int depth) {
  if (depth == 20) return reader.skip().has_value();
  if (start.starts_with('{')) {
    if (!reader.enter_object()) return false;
    for (;;) {
      const auto key = reader.next_key();
      if (!key) return false;
      if (!*key) return true;
      Reader ahead = reader;
      const auto raw = ahead.raw();
      if (!raw || !read_value(reader, *raw, depth + 1)) return false;
    }
  }
  if (start.starts_with('"')) return reader.string().has_value();
  return reader.skip().has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = backstay::as_text({data, size});
  ASSERT(all_objects(text, 1) == all_objects(text, 7));
  Reader reader(text);
  const auto raw = reader.raw();
  if (!raw) return 0;
  Reader again(*raw);
  static_cast<void>(read_value(again, *raw, 0));
  Reader number(text);
  static_cast<void>(number.number().has_value());
  return 0;
}
