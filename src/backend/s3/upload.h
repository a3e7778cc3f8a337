// Large objects in parts, several at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/s3/bucket.h"
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

// Creates `key` of the pieces, which stay where they are. After a failure the parts are removed
// again, as far as the store can be reached.
Result<void> upload_in_parts(Bucket& bucket, const std::string& key,
                             std::span<const ByteView> pieces, const UploadHeaders& headers,
                             const UploadOptions& options);
// The same of a stream: at_once + 2 parts of it are in memory.
Result<void> upload_in_parts(Bucket& bucket, const std::string& key, const StreamedBytes& bytes,
                             const UploadHeaders& headers, const UploadOptions& options);

}  // namespace backstay::backend::s3
