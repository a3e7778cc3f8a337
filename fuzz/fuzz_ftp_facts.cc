// What FTP servers say of files: whatever it is, what is taken from it is whole or refused.
#include <cstddef>
#include <cstdint>

#include "backend/ftp/facts.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ftp = backstay::backend::ftp;
  const std::string_view text = backstay::as_text(backstay::ByteView(data, size));
  if (const auto entries = ftp::parse_machine_list(text)) {
    for (const auto& entry : *entries) {
      ASSERT(!entry.name.contains('/') && entry.name != "." && entry.name != "..");
    }
  }
  if (const auto names = ftp::parse_names(text)) {
    for (const std::string& name : *names) ASSERT(!name.empty() && !name.contains('/'));
  }
  if (const auto entry = ftp::parse_machine_reply(text)) ASSERT(entry->name.empty());
  if (const auto time = ftp::parse_moment(text)) ASSERT(time->nanos == 0);
  static_cast<void>(ftp::parse_size_reply(text).has_value());
  static_cast<void>(ftp::parse_time_reply(text).has_value());
  static_cast<void>(ftp::has_feature(text, "MLST"));
  return 0;
}
