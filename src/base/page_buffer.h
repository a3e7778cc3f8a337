// Memory in whole pages straight from the kernel: aligned as direct input and output want it, not
// zeroed by us (only pages that are written to become resident), and gone when it is freed, so that
// large buffers neither fragment the heap nor stay behind in it.
#pragma once

#include <sys/mman.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "base/bytes.h"

namespace backstay {

class PageBuffer {
 public:
  static constexpr std::size_t kPageBytes = 4096;

  PageBuffer() = default;
  // std::bad_alloc when there is no memory.
  explicit PageBuffer(std::size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
    void* const pages =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::uint8_t*>(pages);
  }
  ~PageBuffer() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }
  PageBuffer(PageBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PageBuffer& operator=(PageBuffer&& other) noexcept {
    PageBuffer taken(std::move(other));
    std::swap(data_, taken.data_);
    std::swap(size_, taken.size_);
    return *this;
  }

  [[nodiscard]] std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] MutableByteView bytes() const { return {data_, size_}; }

  // Room for `bytes`, for contents that need not outlive the call. Grows in powers of two.
  MutableByteView room_for(std::size_t bytes) {
    if (size_ < bytes) {
      *this = PageBuffer();
      *this = PageBuffer(std::bit_ceil(bytes));
    }
    return {data_, bytes};
  }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace backstay
