// Numbers of device nodes as stat(2) gives them on Linux.
#pragma once

#include <cstdint>

namespace backstay::foreign {

// The kernel's dev_t to major << 32 | minor.
[[nodiscard]] inline std::uint64_t device_number(std::uint64_t device) {
  const std::uint64_t major = ((device >> 8) & 0xfff) | ((device >> 32) & 0xfffff000);
  const std::uint64_t minor = (device & 0xff) | ((device >> 12) & 0xffffff00);
  return (major << 32) | (minor & 0xffffffff);
}

}  // namespace backstay::foreign
