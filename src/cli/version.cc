#include "cli/version.h"

#include <fmt/format.h>

namespace backstay::cli {

std::vector<std::pair<std::string, std::string>> library_versions() {
#if defined(__clang__)
  const std::string compiler = fmt::format("clang {}.{}", __clang_major__, __clang_minor__);
#else
  const std::string compiler = fmt::format("gcc {}.{}", __GNUC__, __GNUC_MINOR__);
#endif
  return {{"compiler", compiler},
          {"OpenSSL", BACKSTAY_OPENSSL_VERSION},
          {"libsodium", BACKSTAY_SODIUM_VERSION},
          {"BLAKE3", BACKSTAY_BLAKE3_VERSION},
          {"zstd", BACKSTAY_ZSTD_VERSION},
          {"fmt", BACKSTAY_FMT_VERSION},
          {"nlohmann-json", BACKSTAY_NLOHMANN_VERSION},
          {"CLI11", BACKSTAY_CLI11_VERSION}};
}

}  // namespace backstay::cli
