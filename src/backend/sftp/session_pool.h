// A bounded number of connections that threads borrow.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "backend/sftp/client.h"
#include "base/mutex.h"

namespace backstay::backend::sftp {

// Thread-safe. Connections are made when they are needed; one that breaks takes the idle ones with
// it, because they lead to the same server. Nobody borrows two, and nobody calls back into the
// store with one in his hands: else all could wait for each other.
class SessionPool {
 public:
  using Connect = std::function<Result<std::unique_ptr<Client>>()>;
  SessionPool(Connect connect, std::size_t size_max)
      : connect_(std::move(connect)), size_max_(size_max) {}

  // Given back when it goes.
  class Borrowed {
   public:
    Borrowed(SessionPool& pool, std::unique_ptr<Client> client)
        : pool_(&pool), client_(std::move(client)) {}
    ~Borrowed() {
      if (client_) pool_->give_back(std::move(client_));
    }
    Borrowed(Borrowed&&) noexcept = default;
    Borrowed& operator=(Borrowed&&) = delete;
    Client& operator*() const { return *client_; }
    Client* operator->() const { return client_.get(); }

   private:
    SessionPool* pool_;
    std::unique_ptr<Client> client_;
  };

  // sshd refuses some when ten are being made at once (MaxStartups).
  static constexpr std::size_t kMadeAtOnceMax = 6;
  // Begins to make connections up to that number, and does not wait for them: with the round trips
  // that each takes they are there when they are needed. What goes wrong with one is found by who
  // borrows.
  void make_all() EXCLUDES(mutex_);
  // Waits for one to come back when all are lent. One that keeps the file `path` open goes first.
  Result<Borrowed> borrow(std::string_view path = {}) EXCLUDES(mutex_);

 private:
  void make_one() EXCLUDES(mutex_);
  void give_back(std::unique_ptr<Client> client) EXCLUDES(mutex_);
  // An idle one, or none and the right to make one.
  std::unique_ptr<Client> take_idle(std::string_view path) EXCLUDES(mutex_);

  const Connect connect_;
  const std::size_t size_max_;
  Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<Client>> idle_ GUARDED_BY(mutex_);
  std::size_t count_ GUARDED_BY(mutex_) = 0;             // idle, lent, and being made
  std::vector<std::jthread> makers_ GUARDED_BY(mutex_);  // last: they end before what they use
};

}  // namespace backstay::backend::sftp
