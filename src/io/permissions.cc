#include "io/permissions.h"

#include <sys/stat.h>

#include <cerrno>

#include "io/failure.h"

namespace backstay::io {

Result<bool> others_may_read(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return fail_io(errno, path);
  return (found.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

}  // namespace backstay::io
