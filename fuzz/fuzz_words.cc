// Whatever is accepted as key words gives the same words, and so the same secret, again.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "crypto/words.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay;
  const Result<crypto::Secret> secret = crypto::from_words(as_text({data, size}));
  if (!secret) {
    ASSERT(secret.error().code() == ErrorCode::kInvalidArgument);
    ASSERT(secret.error().message().size() < 200);
    return 0;
  }
  const Result<crypto::Secret> again = crypto::from_words(crypto::to_words(*secret));
  ASSERT(again.has_value());
  ASSERT(to_owned(again->view()) == to_owned(secret->view()));
  return 0;
}
