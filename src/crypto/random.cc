#include "crypto/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.h"

namespace backstay::crypto {

void SystemRng::fill(MutableByteView out) {
  while (!out.empty()) {
    const auto got = getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    // A kernel without random bytes leaves nothing to go on with: weak keys would be worse.
    ASSERT(got > 0);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace backstay::crypto
