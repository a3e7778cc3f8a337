// A mounted file system while it is served: the mount, the threads that answer, and the unmount.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/error.h"
#include "mount/file_tree.h"

namespace backstay::mount {

enum class Access : std::uint8_t {
  kOwner,  // only who mounts, and he may read everything
  kAll,    // everybody, as far as the permissions of the files allow
};

class FuseServer {
 public:
  struct Options {
    std::string target;  // a folder
    Access access = Access::kOwner;
    std::size_t threads = 8;
  };
  // Trouble that a program is told of as EIO. Thread-safe.
  using Report = std::function<void(const Node& node, const Error& error)>;

  // Mounts, and serves at once. Who waits for the store gives up when `stop` is requested, but all
  // else is served until unmount().
  static Result<std::unique_ptr<FuseServer>> mount(FileTree& tree, const Options& options,
                                                   std::stop_token stop, Report report);
  // Unmounts when that was not done.
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  // True when somebody else unmounted it; false when `stop` was requested or the time is up.
  bool wait_until_unmounted(std::chrono::milliseconds time);

  enum class Ended : std::uint8_t {
    kUnmounted,
    kDetached,  // programs still used it: it has gone from its folder, and what they read fails
  };
  Ended unmount();

 private:
  struct State;
  explicit FuseServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace backstay::mount
