// Files on a WebDAV server (RFC 4918), over HTTP.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/remote/files.h"
#include "base/mutex.h"
#include "http/client.h"

namespace backstay::backend::webdav {

struct DavOptions {
  std::string scheme = "https";
  std::string host;
  std::uint16_t port = 0;          // 0: the scheme's
  std::string root;                // decoded; empty or begins with '/', and does not end with one
  std::string place;               // for messages
  std::string authorization = {};  // the value of the header; empty: nobody is named
  http::ClientOptions client = {};
};

// Uploads go to a name of their own first and get theirs by MOVE with "Overwrite: F", which Apache
// and nginx both heed, while nginx ignores If-None-Match. Redirects are refused: nobody gets
// credentials by asking for them.
class DavFiles final : public remote::Files {
 public:
  explicit DavFiles(DavOptions options) : options_(std::move(options)), client_(options_.client) {}

  Result<remote::Entry> look(const std::string& path) override;
  Result<std::vector<remote::Entry>> read_folder(const std::string& path) override;
  Result<void> make_folder(const std::string& path) override;
  Result<void> make_root() override;
  Result<void> write(const std::string& path, const StreamedBytes& bytes) override;
  Result<remote::Renamed> rename(const std::string& from, const std::string& to) override;
  Result<void> remove_file(const std::string& path) override;
  Result<Bytes> read(const std::string& path, std::uint64_t size_max) override;
  Result<void> read_range(const std::string& path, std::uint64_t offset,
                          MutableByteView out) override;
  // By the ETag, which servers need not have, and If-Match with PUT, which they need not heed.
  Result<std::string> mark(const std::string& path) override;
  Result<void> replace(const std::string& path, std::string_view mark, ByteView bytes) override;
  [[nodiscard]] bool rename_replaces() const override { return false; }
  [[nodiscard]] std::optional<Timestamp> said_time() const override EXCLUDES(mutex_);
  [[nodiscard]] const std::string& place() const override { return options_.place; }

 private:
  // Decoded, as the server has it.
  [[nodiscard]] std::string full_path(const std::string& path) const;
  [[nodiscard]] std::string url_of(const std::string& full_path) const;
  // Any answer; `full_path` is where the request goes.
  Result<http::Response> ask(http::Request request, const std::string& full_path) EXCLUDES(mutex_);
  Result<std::vector<remote::Entry>> propfind(const std::string& full_path, std::string_view depth);
  Result<void> make_collection(const std::string& full_path);
  // What an answer that did not succeed means; not_found where `path` is a folder or below a file.
  Error failure(const http::Response& response, const std::string& path);
  Error meaning(const http::Response& response, const std::string& full_path) const;
  [[nodiscard]] bool is_below_a_file(const std::string& path);

  const DavOptions options_;
  http::Client client_;
  mutable Mutex mutex_;
  std::optional<Timestamp> said_time_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::webdav
