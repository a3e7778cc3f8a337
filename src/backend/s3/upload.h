// Large objects in parts, several at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backend/s3/bucket.h"
#include "base/mutex.h"
#include "base/streamed_bytes.h"

namespace backstay::backend::s3 {

struct UploadOptions {
  std::uint64_t part_bytes = 16 << 20;  // grows where more than 10,000 parts would be needed
  std::size_t at_once = 3;              // parts that are under way
};

// Headers that make the object what it shall be: storage class, encryption. `condition` goes with
// the last call: If-None-Match, or nothing.
struct UploadHeaders {
  std::vector<http::Header> object;
  std::vector<http::Header> condition;
};

// Uploads that failed for now, so that the next attempt sends only what is missing: of this
// process, and of runs before it that were killed. Thread-safe.
class UnfinishedUploads {
 public:
  struct One {
    std::string id;
    std::uint64_t part_bytes = 0;  // 0: of an earlier run, which did not tell
  };
  // Asks the store, the first time that it is called, for uploads below the repository's prefix
  // that runs before this one left. Looks at no more than the first thousand, and takes none that
  // is so old that somebody may end it. A store that does not list them, or not to us, has none.
  void look_for_earlier(Bucket& bucket) EXCLUDES(mutex_);
  void keep(const std::string& key, One upload) EXCLUDES(mutex_);
  // It is the caller's from then on.
  std::optional<One> take(const std::string& key) EXCLUDES(mutex_);
  // Removes the parts of those of this process, as far as the store can be reached.
  void take_back(Bucket& bucket) EXCLUDES(mutex_);

 private:
  std::atomic<bool> looked_ = false;
  Mutex mutex_;
  std::map<std::string, One> uploads_ GUARDED_BY(mutex_);
};

// Whether what an earlier run began may be gone on with: only where the name tells the bytes, and
// nothing is wished of the object that was perhaps not wished then.
enum class Earlier : std::uint8_t { kNothingOfIt, kGoOn };

// Where an object goes to.
struct UploadTarget {
  Bucket& bucket;
  const std::string& key;
  UnfinishedUploads& unfinished;
  Earlier earlier = Earlier::kNothingOfIt;
};

// Creates the object of the pieces, which stay where they are. After a failure that may be tried
// again the upload is among the unfinished ones, where the next call for the same key finds it: of
// parts that the store lists with the right length and MD5 nothing is sent again. The same goes for
// an upload of an earlier run whose parts lie as ours would. After any other failure the parts are
// removed, as far as the store can be reached.
Result<void> upload_in_parts(const UploadTarget& target, std::span<const ByteView> pieces,
                             const UploadHeaders& headers, const UploadOptions& options);
// The same of a stream: at_once + 2 parts of it are in memory.
Result<void> upload_in_parts(const UploadTarget& target, const StreamedBytes& bytes,
                             const UploadHeaders& headers, const UploadOptions& options);

// Ends uploads in parts below the repository's prefix that nobody goes on with: begun longer ago
// than any writer tries, by the store's clock. Looks at no more than the first thousand, which the
// next call continues. A store that does not list them, or not to us, keeps them.
void end_orphaned_uploads(Bucket& bucket);

}  // namespace backstay::backend::s3
