// Removes a folder with all that is in it. Works by descriptors from the top, so that a link
// swapped in for a folder is removed and not followed. Each level keeps one descriptor open;
// folders below the deepest allowed level are moved to the top first, so trees of any depth go with
// few descriptors.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/try.h"
#include "io/failure.h"
#include "io/file.h"

namespace backstay::io {
namespace {

class TreeRemover {
 public:
  TreeRemover(int top, std::string path) : top_(top), path_(std::move(path)) {}

  Result<void> run() {
    do {
      moved_ = 0;
      TRY(empty_folder(top_, 0));
    } while (moved_ > 0);
    return {};
  }

 private:
  static constexpr int kDepthMax = 64;

  Result<void> empty_folder(int folder, int depth) {
    for (const std::string& name : TRY(names_in(folder))) TRY(remove_entry(folder, name, depth));
    return {};
  }

  Result<std::vector<std::string>> names_in(int folder) {
    // A descriptor of its own, because closedir() closes the one it was given.
    const int own = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0) return fail_io(errno, "listing below " + path_);
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(own), ::closedir);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* const entry = ::readdir(dir.get())) {
      const std::string_view name(&entry->d_name[0]);
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    if (errno != 0) return fail_io(errno, "listing below " + path_);
    return names;
  }

  Result<void> remove_entry(int folder, const std::string& name, int depth) {
    if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return failed(name);
    if (depth >= kDepthMax) return move_up(folder, name);
    {
      const Fd child(
          ::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) return failed(name);
      TRY(empty_folder(child.get(), depth + 1));
    }
    if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    return failed(name);
  }

  Result<void> move_up(int folder, const std::string& name) {
    const std::string above = fmt::format(".deep-{}-{}", ::getpid(), total_moved_++);
    if (::renameat(folder, name.c_str(), top_, above.c_str()) != 0) return failed(name);
    ++moved_;
    return {};
  }

  [[nodiscard]] std::unexpected<Error> failed(const std::string& name) const {
    return fail_io(errno, fmt::format("removing {} below {}", name, path_));
  }

  int top_;
  std::string path_;
  std::uint64_t moved_ = 0;
  std::uint64_t total_moved_ = 0;
};

}  // namespace

Result<void> remove_tree(const std::string& path) {
  const Fd top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top) {
    if (errno == ENOENT) return {};
    if (errno == ENOTDIR || errno == ELOOP) return remove_file(path);
    return fail_io(errno, "removing " + path);
  }
  TRY(TreeRemover(top.get(), path).run());
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail_io(errno, "removing " + path);
}

}  // namespace backstay::io
