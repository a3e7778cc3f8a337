// A local repository whose later data packs are holes: everything is there with its right name and
// size, and only the bytes of data beyond a limit are not. A hundred GiB fit on a small disk that
// way, and the disk's speed is not what is measured.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "backend/forwarding_backend.h"
#include "base/streamed_bytes.h"

namespace backstay::bench {

class HollowBackend final : public backend::ForwardingBackend {
 public:
  // `local` keeps its objects below `root` and outlives this.
  HollowBackend(backend::Backend& local, std::string root, std::uint64_t kept_bytes)
      : ForwardingBackend(local), root_(std::move(root)), kept_bytes_(kept_bytes) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    std::uint64_t size = 0;
    for (const ByteView piece : pieces) size += piece.size();
    if (!name.starts_with("data/")) return inner_.put(name, pieces);
    if (data_bytes_.fetch_add(size) < kept_bytes_) return inner_.put(name, pieces);
    return put_hole(root_ + "/" + std::string(name), size);
  }
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override {
    return inner_.put_streamed(name, bytes);
  }

 private:
  static Result<void> put_hole(const std::filesystem::path& path, std::uint64_t size) {
    std::error_code failed;
    std::filesystem::create_directories(path.parent_path(), failed);
    std::ofstream(path, std::ios::binary).close();
    std::filesystem::resize_file(path, size, failed);
    if (failed) return fail(ErrorCode::kNoSpace, path.string() + ": " + failed.message());
    return {};
  }

  const std::string root_;
  const std::uint64_t kept_bytes_;
  std::atomic<std::uint64_t> data_bytes_{0};
};

}  // namespace backstay::bench
