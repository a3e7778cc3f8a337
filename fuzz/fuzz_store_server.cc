// What a store server and its clients read of each other: names never lead out of the folder, and
// what is read is written the same way again.
#include <cstddef>
#include <cstdint>

#include "backend/served/address.h"
#include "backend/served/protocol.h"
#include "base/assert.h"
#include "base/base64.h"
#include "store/asked.h"
#include "store/restic_requests.h"
#include "store/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace served = backstay::backend::served;
  namespace store = backstay::store;
  const std::string_view text = backstay::as_text({data, size});
  if (served::validate_repository(text)) {
    ASSERT(!text.contains("..") || text.find("/.") == text.npos);
    ASSERT(!text.starts_with('/') && !text.starts_with('.') && !text.contains("//"));
  }
  if (const auto listed = served::read_listed(text)) {
    ASSERT(backstay::backend::validate_name(listed->name));
  }
  if (const auto time = served::read_time(text)) {
    ASSERT(served::read_time(served::write_time(*time)).value() == *time);
  }
  static_cast<void>(served::read_state(text).has_value());
  static_cast<void>(served::read_error(500, text, text).describe());
  if (const auto digest = served::digest_in(text)) ASSERT(digest->size() == 64);
  static_cast<void>(served::parse_address(text).has_value());
  if (const auto path = store::parse_restic_path(text); path && !path->object.empty()) {
    ASSERT(backstay::backend::validate_name(path->object));
  }
  if (const auto part = store::parse_range(text, 1000); part && !part->not_there) {
    ASSERT(part->begin < part->end && part->end <= 1000);
  }
  if (const auto tokens = store::parse_tokens(text)) {
    for (const store::Token& token : *tokens) {
      ASSERT(store::parse_tokens(store::write_token(token)).has_value());
    }
  }
  return 0;
}
