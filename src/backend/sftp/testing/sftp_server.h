// An SFTP server for tests, and what it takes to be let in.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/store_world.h"
#include "crypto/random.h"
#include "io/file.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend::sftp {

class SftpServer {
 public:
  enum class Kind : std::uint8_t { kOpenSsh, kProFtpd };
  explicit SftpServer(Kind kind = Kind::kOpenSsh) : kind_(kind) {
    start();
    variables_["BACKSTAY_SFTP_KNOWN_HOSTS"] = folder_ / "known_hosts";
    if (kind == Kind::kOpenSsh) {
      variables_["BACKSTAY_SFTP_KEY_FILE"] = folder_ / "id_ed25519";
    } else if (const auto word = io::read_file(folder_ / "password", 100)) {
      variables_["BACKSTAY_SFTP_PASSWORD"] = as_text(*word);
    }
  }

  // Why there is none; empty when there is one.
  [[nodiscard]] const std::string& missing() const { return process_->missing(); }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string url(const std::string& path) const {
    const char* const user = kind_ == Kind::kProFtpd ? "backup@" : "";
    return fmt::format("sftp://{}127.0.0.1:{}{}", user, process_->port(), path);
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
  void start() {
    const std::string servers = BACKSTAY_SOURCE_FOLDER "/tests/servers/";
    const std::string script = kind_ == Kind::kOpenSsh ? "sshd.py" : "proftpd.py";
    process_ = std::make_unique<io::ServerProcess>(
        std::vector<std::string>{BACKSTAY_PYTHON, servers + script, folder_.path()});
  }

 private:
  const Kind kind_;
  io::TemporaryFolder folder_;
  SystemClock clock_;
  crypto::SystemRng rng_;  // several threads use it
  std::map<std::string, std::string> variables_;
  std::unique_ptr<io::ServerProcess> process_;
};

}  // namespace backstay::backend::sftp
