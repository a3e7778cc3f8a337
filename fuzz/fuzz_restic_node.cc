// A hostile entry of a restic folder is an error, or one that a snapshot of ours can hold.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "foreign/restic/node.h"
#include "snapshot/tree_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  const auto node = foreign::restic::parse_node(as_text({data, size}));
  if (!node) {
    ASSERT(node.error().code() == ErrorCode::kCorruption);
    return 0;
  }
  ASSERT(!node->name.empty() && node->name.find('\0') == std::string::npos);
  ASSERT(snapshot::validate_key(node->name));
  if (!node->entry || !snapshot::validate_entry(*node->entry)) return 0;
  if (node->entry->type == snapshot::EntryType::kFile && node->entry->size_bytes > 0) return 0;
  Bytes record;
  snapshot::encode_entry(*node->entry, record);
  const auto again = snapshot::decode_entry(record);
  ASSERT(again.has_value() && *again == *node->entry);
  return 0;
}
