// The keys of packs: each pack's header is read once, and its key derived once.
#pragma once

#include <string>
#include <unordered_map>

#include "backend/backend.h"
#include "base/mutex.h"
#include "base/try.h"
#include "repo/key_slot.h"
#include "repo/object.h"

namespace backstay::repo {

struct PackKey {
  crypto::Suite suite = crypto::Suite::kAes256Gcm;
  crypto::Secret key;
};

// Thread-safe. Keeps at most kKeptMax keys and starts over beyond that.
class ObjectKeyCache {
 public:
  static constexpr std::size_t kKeptMax = 16 * 1024;

  Result<PackKey> find_or_read(backend::Backend& store, const std::string& name, ObjectKind kind,
                               const ObjectId& id, const Keyring& keyring,
                               const RepositoryId& repository) EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      if (const auto it = keys_.find(id); it != keys_.end()) return it->second;
    }
    const Bytes prefix = TRY(read_prefix(store, name, kind, repository));
    const Header header = TRY(decode_header(prefix, kind, repository));
    PackKey key{.suite = header.suite, .key = TRY(keyring.object_key(prefix))};
    const MutexLock lock(mutex_);
    if (keys_.size() >= kKeptMax) keys_.clear();
    keys_.emplace(id, key);
    return key;
  }

 private:
  Mutex mutex_;
  std::unordered_map<ObjectId, PackKey> keys_ GUARDED_BY(mutex_);
};

}  // namespace backstay::repo
