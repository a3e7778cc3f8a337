// An SFTP server in memory, at the other end of a channel: for what no real server does when a test
// asks for it.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/sftp/client.h"
#include "base/mutex.h"

namespace backstay::backend::sftp {

// How the server differs from OpenSSH's.
struct ServerTraits {
  bool offers_links = true;
  bool links_work = true;  // where they are offered
  bool rename_replaces = false;
  bool offers_more = true;        // sync, limits, free space
  bool reverses_answers = false;  // of all that was asked at once, the last first
  std::size_t read_max = std::numeric_limits<std::size_t>::max();  // it gives less than asked for
  std::uint64_t space_bytes = std::numeric_limits<std::uint64_t>::max();
  std::string greeting = {};  // printed before the protocol begins
};

// Files by their paths; what ends in '/' is a folder. Thread-safe: each channel is a connection.
class MemoryServer {
 public:
  explicit MemoryServer(ServerTraits traits = {}) : traits_(std::move(traits)) {}

  [[nodiscard]] std::unique_ptr<ByteChannel> connect();
  // At the request with this number, from 1, the connection breaks, before or after it was carried
  // out; the next connection works.
  enum class Cut : std::uint8_t { kBefore, kAfter };
  void cut_at(std::uint64_t request, Cut cut) EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t requests() const EXCLUDES(mutex_);
  // Of all files that are no folders.
  [[nodiscard]] std::vector<std::string> files() const EXCLUDES(mutex_);

  // The answer to a packet, both without their lengths. Nothing when the line is cut.
  std::optional<Bytes> answer(ByteView packet) EXCLUDES(mutex_);
  [[nodiscard]] const ServerTraits& traits() const { return traits_; }

 private:
  struct File {
    Bytes bytes;
    bool is_folder = false;
  };
  struct Handle {
    std::shared_ptr<File> file;
    std::string folder;  // still to be listed
  };
  struct Asked;

  Bytes serve(Asked& asked) REQUIRES(mutex_);
  Bytes serve_handle(Asked& asked) REQUIRES(mutex_);
  Bytes serve_path(Asked& asked) REQUIRES(mutex_);
  Bytes serve_extension(Asked& asked) REQUIRES(mutex_);
  Bytes open(Asked& asked, const std::string& path) REQUIRES(mutex_);
  Bytes write(Asked& asked, File& file) REQUIRES(mutex_);
  Bytes give_name(Asked& asked, const std::string& from, const std::string& to, bool link)
      REQUIRES(mutex_);
  Bytes list(Asked& asked, Handle& handle) REQUIRES(mutex_);
  Bytes new_handle(Asked& asked, Handle handle) REQUIRES(mutex_);
  [[nodiscard]] bool has_parent(const std::string& path) const REQUIRES(mutex_);

  const ServerTraits traits_;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<File>> files_ GUARDED_BY(mutex_);
  std::map<std::string, Handle> handles_ GUARDED_BY(mutex_);
  std::uint64_t handle_count_ GUARDED_BY(mutex_) = 0;
  std::uint64_t requests_ GUARDED_BY(mutex_) = 0;
  std::uint64_t used_bytes_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Cut> cuts_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::sftp
