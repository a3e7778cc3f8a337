#include "backend/sftp/session_pool.h"

#include <algorithm>
#include <utility>

namespace backstay::backend::sftp {

std::unique_ptr<Client> SessionPool::take_idle(std::string_view path) {
  const MutexLock lock(mutex_);
  while (idle_.empty() && count_ == size_max_) returned_.wait(mutex_);
  if (idle_.empty()) {
    ++count_;
    return nullptr;
  }
  const auto fits = std::ranges::find_if(
      idle_, [path](const std::unique_ptr<Client>& client) { return client->keeps(path); });
  if (fits != idle_.end()) std::swap(*fits, idle_.back());
  std::unique_ptr<Client> client = std::move(idle_.back());
  idle_.pop_back();
  return client;
}

Result<SessionPool::Borrowed> SessionPool::borrow(std::string_view path) {
  if (std::unique_ptr<Client> client = take_idle(path)) return Borrowed(*this, std::move(client));
  Result<std::unique_ptr<Client>> made = connect_();
  if (made) return Borrowed(*this, *std::move(made));
  const MutexLock lock(mutex_);
  --count_;
  returned_.notify_one();
  return std::unexpected(std::move(made).error());
}

void SessionPool::make_all() {
  const MutexLock lock(mutex_);
  for (; count_ < std::min(size_max_, kMadeAtOnceMax); ++count_)
    makers_.emplace_back([this] { make_one(); });
}

void SessionPool::make_one() {
  Result<std::unique_ptr<Client>> made = connect_();
  const MutexLock lock(mutex_);
  if (made) {
    idle_.push_back(*std::move(made));
  } else {
    --count_;
  }
  returned_.notify_all();
}

void SessionPool::give_back(std::unique_ptr<Client> client) {
  const bool usable = !client->is_broken() && client->settle().has_value();
  // Connections end when no lock is held.
  std::vector<std::unique_ptr<Client>> ended;
  const MutexLock lock(mutex_);
  if (usable) {
    idle_.push_back(std::move(client));
  } else {
    ended = std::exchange(idle_, {});
    count_ -= ended.size() + 1;
  }
  returned_.notify_all();
}

}  // namespace backstay::backend::sftp
