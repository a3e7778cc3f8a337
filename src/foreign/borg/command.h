// The program borg (1.x), which reads its repositories for us.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/process.h"

namespace backstay::foreign::borg {

struct BorgOptions {
  std::string program = "borg";
  std::string repository;                 // as borg takes it: a folder, "ssh://..."
  std::optional<std::string> passphrase;  // else borg looks for one in its environment
  bool bypass_lock = false;               // for a repository that cannot be written
  std::string scratch_folder = "/var/tmp";
  std::string base;  // the key of the folder that relative paths are laid into
};

class BorgCommand {
 public:
  explicit BorgCommand(const BorgOptions& options) : options_(options) {}

  // unsupported when borg is not installed, or not of version 1.
  Result<void> check_version(const std::stop_token& stop) const;
  // `arguments` follow "borg COMMAND" and the options that all have. Passphrases go through the
  // environment of the child. What borg complains about goes to our standard error.
  Result<io::ChildProcess> start(const std::vector<std::string>& command,
                                 const std::vector<std::string>& arguments,
                                 const std::vector<int>& descriptors = {}) const;
  // All that it prints.
  Result<std::string> output_of(const std::vector<std::string>& command,
                                const std::vector<std::string>& arguments, std::size_t size_max,
                                const std::stop_token& stop) const;
  [[nodiscard]] std::string archive(const std::string& name) const {
    return options_.repository + "::" + name;
  }
  [[nodiscard]] const BorgOptions& options() const { return options_; }

 private:
  const BorgOptions options_;
};

// Waits for the end; `otherwise` is the code of the failure when it was a bad one.
Result<void> must_end_well(io::ChildProcess& child, ErrorCode otherwise,
                           const std::stop_token& stop);

}  // namespace backstay::foreign::borg
