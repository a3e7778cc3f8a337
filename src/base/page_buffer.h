// Memory in whole pages, aligned as direct input and output want it, and not zeroed: only pages
// that are written to become resident.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace backstay {

class PageBuffer {
 public:
  static constexpr std::size_t kPageBytes = 4096;

  PageBuffer() = default;
  // std::bad_alloc when there is no memory.
  explicit PageBuffer(std::size_t bytes)
      : data_(static_cast<std::uint8_t*>(std::aligned_alloc(kPageBytes, whole_pages(bytes)))),
        size_(bytes) {
    if (data_ == nullptr) throw std::bad_alloc();
  }

  [[nodiscard]] std::uint8_t* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const { std::free(bytes); }
  };
  static std::size_t whole_pages(std::size_t bytes) {
    return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  }

  std::unique_ptr<std::uint8_t, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace backstay
