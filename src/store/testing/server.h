// A store server in this process, over a folder that goes with it. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "backend/served/served_backend.h"
#include "http/server/server.h"
#include "io/testing/temporary_folder.h"
#include "store/service.h"

namespace backstay::store {

class TestingServer {
 public:
  explicit TestingServer(ServiceOptions options = {}) {
    options.folder = folder_.path();
    auto service = Service::open(std::move(options));
    EXPECT_TRUE(service.has_value()) << service.error().describe();
    service_ = *std::move(service);
    start(0);
  }

  [[nodiscard]] const io::TemporaryFolder& folder() const { return folder_; }
  [[nodiscard]] std::string base() const {
    return "http://127.0.0.1:" + std::to_string(server_->port());
  }
  [[nodiscard]] std::string url(const std::string& repository) const {
    return "backstay://127.0.0.1:" + std::to_string(server_->port()) + "/" + repository;
  }
  [[nodiscard]] backend::served::ServedOptions client(const std::string& repository,
                                                      const std::string& token = "") const {
    return {.address = backend::served::parse_address(url(repository)).value(),
            .token = token,
            .use_proxies = false};
  }

 private:
  void start(std::uint16_t port) {
    auto server = http::Server::listen(
        {.port = port, .answer = [this](http::Exchange& asked) { service_->answer(asked); }});
    EXPECT_TRUE(server.has_value()) << server.error().describe();
    server_ = *std::move(server);
    running_ = std::jthread([this](const std::stop_token& stop) { server_->run(stop); });
  }

  io::TemporaryFolder folder_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<http::Server> server_;
  std::jthread running_;
};

}  // namespace backstay::store
