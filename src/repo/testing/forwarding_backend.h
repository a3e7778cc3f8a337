// Passes everything on: tests change what they need. For tests only.
#pragma once

#include "backend/backend.h"

namespace backstay::repo {

class ForwardingBackend : public backend::Backend {
 public:
  // `inner` outlives this.
  explicit ForwardingBackend(backend::Backend& inner) : inner_(inner) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    return inner_.put(name, pieces);
  }
  Result<void> barrier() override { return inner_.barrier(); }
  Result<void> adopt(std::string_view name) override { return inner_.adopt(name); }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    return inner_.get(name, size_max);
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    return inner_.get_range(name, offset, out);
  }
  Result<backend::ObjectInfo> head(std::string_view name) override { return inner_.head(name); }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    return inner_.list(prefix, each);
  }
  Result<void> remove(std::string_view name) override { return inner_.remove(name); }
  Result<void> retain(std::string_view name, Timestamp until) override {
    return inner_.retain(name, until);
  }
  Result<std::optional<Timestamp>> retention(std::string_view name) override {
    return inner_.retention(name);
  }
  Result<Timestamp> store_time() override { return inner_.store_time(); }
  [[nodiscard]] backend::Capabilities capabilities() const override {
    return inner_.capabilities();
  }
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }

 protected:
  backend::Backend& inner_;
};

}  // namespace backstay::repo
