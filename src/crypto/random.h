// The operating system's random bytes.
#pragma once

#include "base/rng.h"

namespace backstay::crypto {

class SystemRng final : public Rng {
 public:
  void fill(MutableByteView out) override;
};

}  // namespace backstay::crypto
