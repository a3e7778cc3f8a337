// Libraries that only some commands need, loaded when the first of these asks: linking libcurl
// would cost every command 25 ms and 5 MiB at its start.
#pragma once

#include <string>

#include "base/error.h"

namespace backstay::io {

// Stays loaded until the process ends.
class SharedLibrary {
 public:
  // `name` as the dynamic linker looks for it: "libcurl.so.4". unsupported where it is not
  // installed; the hint names the Debian package that has it.
  static Result<SharedLibrary> load(const std::string& name, const std::string& package);

  // The address of what the library calls `name`; unsupported when it has no such thing.
  Result<void*> find(const char* name) const;
  // The same, of the type that its header says.
  template <typename Function>
  Result<void> find(const char* name, Function*& function) const {
    Result<void*> found = find(name);
    if (!found) return std::unexpected(std::move(found).error());
    function = reinterpret_cast<Function*>(*found);
    return {};
  }

 private:
  SharedLibrary(void* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
  void* handle_;
  std::string name_;
};

}  // namespace backstay::io
