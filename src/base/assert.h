// ASSERT(condition): for errors of the programmer only, never for input. Stays on in release.
#pragma once

namespace backstay {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}

#define ASSERT(condition)             \
  ((condition) ? static_cast<void>(0) \
               : ::backstay::assertion_failed(#condition, __FILE__, __LINE__))
