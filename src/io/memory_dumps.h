// What is in this program's memory is nobody else's: it holds keys.
#pragma once

namespace backstay::io {

// No core dumps from here on, and no other process of the same user may look into this one.
void forbid_memory_dumps();

}  // namespace backstay::io
