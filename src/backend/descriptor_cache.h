// Open descriptors of the objects read last: a restore reads many ranges of one pack.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "io/file.h"

namespace backstay::backend {

// Thread-safe. Objects never change, so a descriptor is as good as a fresh one; one of an object
// that another process removed still reads the right bytes.
class DescriptorCache {
 public:
  struct OpenObject {
    io::Fd fd;
    std::uint64_t size = 0;
  };

  explicit DescriptorCache(std::size_t limit = 16) : limit_(limit) {}

  // not_found unless `path` is a regular file.
  Result<std::shared_ptr<const OpenObject>> open(const std::string& path);
  void forget(const std::string& path);

 private:
  struct Item {
    std::string path;
    std::shared_ptr<const OpenObject> object;
  };
  std::shared_ptr<const OpenObject> find(const std::string& path);
  void remember(const std::string& path, std::shared_ptr<const OpenObject> object);

  const std::size_t limit_;
  Mutex mutex_;
  std::vector<Item> items_ GUARDED_BY(mutex_);  // used last comes last
};

}  // namespace backstay::backend
