#include <cstdlib>

#include "cli/command.h"

namespace backstay::cli {

std::optional<std::string> ProcessEnvironment::get(std::string_view name) const {
  // Read before threads start and never written by this program.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* const value = std::getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace backstay::cli
