// The records of borg 1.x as 'borg list --json' and 'borg debug dump-archive' print them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "foreign/repository.h"
#include "snapshot/entry.h"

namespace backstay::foreign::borg {

// One file of an archive.
struct Item {
  std::string path;  // relative, as borg has it
  // Nothing for a kind that no snapshot of ours can have. Without content; its size is the sum of
  // the chunks.
  std::optional<snapshot::Entry> entry;
  std::string user;
  std::string group;
  std::array<std::uint8_t, 16> bytes_id{};  // the same for the same chunks
  std::string link_to;                      // the path of the item that has its bytes
  bool is_part = false;                     // of a backup that was interrupted: not for users
  bool is_damaged = false;                  // 'borg check --repair' put zeros into it
};
// corruption for what borg does not write. `text` is one element of "_items".
Result<Item> parse_item(std::string_view text);

// What stands before "_items" in a dump, made whole with a closing bracket.
struct ArchiveHead {
  std::string comment;
  std::optional<Timestamp> started;
  std::optional<Timestamp> finished;
};
Result<ArchiveHead> parse_head(std::string_view text);

// The archives of 'borg list --json'; times are in UTC.
Result<std::vector<ForeignSnapshot>> parse_list(std::string_view text);

// An access list from borg's text to the kernel's form; nothing for one that says no more than the
// mode does and `is_default` is false.
Result<std::optional<Bytes>> parse_acl(std::string_view text, bool is_default);

// A byte string as a dump shows it: text, or DEL and hexadecimal digits.
Result<std::string> decoded(std::string text);

}  // namespace backstay::foreign::borg
