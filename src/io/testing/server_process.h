// A server of tests/servers/ that runs as long as a test needs it. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "io/process.h"

namespace backstay::io {

class ServerProcess {
 public:
  // Waits until it says "ready PORT", or "missing WHY" where this machine has no such server.
  explicit ServerProcess(const std::vector<std::string>& argv) {
    auto started = ChildProcess::start(argv);
    if (!started) {
      ADD_FAILURE() << started.error().describe();
      return;
    }
    process_.emplace(*std::move(started));
    read_port();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Why there is no server; empty when there is one.
  [[nodiscard]] const std::string& missing() const { return missing_; }
  [[nodiscard]] std::string url(std::string_view path = "") const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }

 private:
  void read_port() {
    std::string said;
    while (!said.contains('\n')) {
      Bytes piece(200);
      const auto got = process_->read_stdout(piece);
      if (!got || *got == 0) break;
      said += as_text(ByteView(piece).first(*got));
    }
    constexpr std::string_view kMissing = "missing ";
    if (said.starts_with(kMissing)) {
      missing_ = said.substr(kMissing.size(), said.find('\n') - kMissing.size());
      return;
    }
    constexpr std::string_view kReady = "ready ";
    const bool ready = said.starts_with(kReady);
    if (ready) std::from_chars(said.data() + kReady.size(), said.data() + said.size(), port_);
    EXPECT_NE(port_, 0) << "the server said: " << said;
  }

  std::optional<ChildProcess> process_;
  std::uint16_t port_ = 0;
  std::string missing_;
};

}  // namespace backstay::io
