// A store that may hold only so much, before one that would take more.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "backend/forwarding_backend.h"

namespace backstay::backend {

struct StoreBounds {
  std::uint64_t bytes_max = 0;      // of all objects
  std::uint64_t reserve_bytes = 0;  // that stay free where the store is
  // Free bytes where the store is, for whoever writes to it.
  std::function<Result<std::uint64_t>()> free_bytes;
};

// Thread-safe. Counts what is there once, when it is opened, and then what goes by: writers beside
// this one are not seen. no_space for what would not fit, and nothing of it is stored.
class BoundedBackend final : public ForwardingBackend {
 public:
  static Result<std::unique_ptr<BoundedBackend>> open(std::unique_ptr<Backend> inner,
                                                      StoreBounds bounds);

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;

 private:
  BoundedBackend(std::unique_ptr<Backend> inner, StoreBounds bounds, std::uint64_t bytes_used)
      : ForwardingBackend(std::move(inner)), bounds_(std::move(bounds)), bytes_used_(bytes_used) {}
  Result<void> require_room(std::uint64_t bytes);

  const StoreBounds bounds_;
  std::atomic<std::uint64_t> bytes_used_;
};

}  // namespace backstay::backend
