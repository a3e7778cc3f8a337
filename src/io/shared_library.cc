#include "io/shared_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace backstay::io {

Result<SharedLibrary> SharedLibrary::load(const std::string& name, const std::string& package) {
  void* const handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return SharedLibrary(handle, name);
  const char* const why = ::dlerror();
  return std::unexpected(
      Error(ErrorCode::kUnsupported, fmt::format("the library {} cannot be loaded: {}", name,
                                                 why != nullptr ? why : "nobody says why"))
          .with_hint(fmt::format("Install the package {}.", package)));
}

Result<void*> SharedLibrary::find(const char* name) const {
  void* const found = ::dlsym(handle_, name);
  if (found != nullptr) return found;
  return fail(ErrorCode::kUnsupported, fmt::format("the library {} has no {}", name_, name));
}

}  // namespace backstay::io
