#include "io/shared_wait.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace backstay::io {
namespace {

class SharedWaitTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()),
              0);
    in_ = Fd(ends[0]);
    out_ = Fd(ends[1]);
  }
  void send() const {
    while (::write(out_.get(), "x", 1) != 1) std::this_thread::yield();
  }
  // Takes what comes until the end.
  void serve(std::atomic<int>& served) const {
    auto wait = SharedWait::make(in_.get(), *end_);
    ASSERT_TRUE(wait);
    while (wait->wait()) {
      char byte = 0;
      if (::read(in_.get(), &byte, 1) == 1) ++served;
    }
  }

  Fd in_;
  Fd out_;
  Result<WaitEnd> end_ = WaitEnd::make();
};

TEST_F(SharedWaitTest, ServesEveryRequestOnceAndEndsAll) {
  constexpr int kRequests = 2000;
  std::atomic<int> served = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { serve(served); });
  for (int i = 0; i < kRequests; ++i) send();
  while (served < kRequests) std::this_thread::yield();
  end_->request();
  threads.clear();
  EXPECT_EQ(served, kRequests);
}

TEST_F(SharedWaitTest, AnotherServesWhatComesWhileOneIsBusy) {
  auto first = SharedWait::make(in_.get(), *end_);
  auto second = SharedWait::make(in_.get(), *end_);
  ASSERT_TRUE(first && second);
  send();
  send();
  char byte = 0;
  ASSERT_TRUE(first->wait());
  ASSERT_EQ(::read(in_.get(), &byte, 1), 1);
  // The first one is busy now.
  EXPECT_TRUE(second->wait());
  EXPECT_EQ(::read(in_.get(), &byte, 1), 1);
}

TEST_F(SharedWaitTest, DoesNotBeginAfterTheEnd) {
  auto wait = SharedWait::make(in_.get(), *end_);
  ASSERT_TRUE(wait);
  send();
  end_->request();
  for (int i = 0; i < 2; ++i) {
    const Result<void> waited = wait->wait();
    ASSERT_FALSE(waited);
    EXPECT_TRUE(waited.error().code() == ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace backstay::io
