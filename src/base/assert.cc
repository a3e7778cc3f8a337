#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace backstay {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "backstay: internal error: %s does not hold (%s:%d)\n", condition, file,
               line);
  std::abort();
}

}  // namespace backstay
