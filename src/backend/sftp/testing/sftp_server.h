// An OpenSSH server for tests, and what it takes to be let in.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/store_world.h"
#include "crypto/random.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend::sftp {

class SftpServer {
 public:
  // `lines` are added to the server's configuration.
  explicit SftpServer(const std::vector<std::string>& lines = {}) {
    start(lines);
    variables_["BACKSTAY_SFTP_KNOWN_HOSTS"] = folder_ / "known_hosts";
    variables_["BACKSTAY_SFTP_KEY_FILE"] = folder_ / "id_ed25519";
  }

  // Why there is none; empty when there is one.
  [[nodiscard]] const std::string& missing() const { return process_->missing(); }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string url(const std::string& path) const {
    return fmt::format("sftp://127.0.0.1:{}{}", process_->port(), path);
  }
  // What the environment says; "" takes a variable away.
  void set(const std::string& name, const std::string& value) { variables_[name] = value; }
  [[nodiscard]] StoreWorld world() {
    const auto variable = [this](std::string_view name) -> std::optional<std::string> {
      const auto found = variables_.find(std::string(name));
      if (found == variables_.end() || found->second.empty()) return std::nullopt;
      return found->second;
    };
    return {.clock = clock_,
            .rng = rng_,
            .stop = {},
            .variable = variable,
            .secret = [variable](std::string_view name) -> Result<std::optional<std::string>> {
              return variable(name);
            },
            .note_retry = {}};
  }
  // All its connections end. It may be started again.
  void stop() { process_.reset(); }
  void start(const std::vector<std::string>& lines = {}) {
    std::vector<std::string> argv{BACKSTAY_PYTHON, BACKSTAY_SOURCE_FOLDER "/tests/servers/sshd.py",
                                  folder_.path()};
    argv.insert(argv.end(), lines.begin(), lines.end());
    process_ = std::make_unique<io::ServerProcess>(argv);
  }

 private:
  io::TemporaryFolder folder_;
  SystemClock clock_;
  crypto::SystemRng rng_;  // several threads use it
  std::map<std::string, std::string> variables_;
  std::unique_ptr<io::ServerProcess> process_;
};

}  // namespace backstay::backend::sftp
