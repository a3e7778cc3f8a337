// The base of what stands before a store: passes every call on, and those who inherit from it
// change what they need.
#pragma once

#include <memory>
#include <utility>

#include "backend/backend.h"

namespace backstay::backend {

// put_streamed is not passed on as it is: it comes as put(), so that who changes put() sees all
// that is stored. A wrapper for large objects overrides both.
class ForwardingBackend : public Backend {
 public:
  // `inner` outlives this.
  explicit ForwardingBackend(Backend& inner) : inner_(inner) {}
  explicit ForwardingBackend(std::unique_ptr<Backend> inner)
      : owned_(std::move(inner)), inner_(*owned_) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    return inner_.put(name, pieces);
  }
  void expect_transfers() override { inner_.expect_transfers(); }
  Result<void> barrier() override { return inner_.barrier(); }
  Result<void> adopt(std::string_view name) override { return inner_.adopt(name); }
  Result<void> adopt_names(std::string_view prefix) override { return inner_.adopt_names(prefix); }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    return inner_.get(name, size_max);
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    return inner_.get_range(name, offset, out);
  }
  Result<ObjectInfo> head(std::string_view name) override { return inner_.head(name); }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const ObjectInfo&)>& each) override {
    return inner_.list(prefix, each);
  }
  Result<void> remove(std::string_view name) override { return inner_.remove(name); }
  Result<void> retain(std::string_view name, Timestamp until) override {
    return inner_.retain(name, until);
  }
  Result<std::optional<Timestamp>> retention(std::string_view name) override {
    return inner_.retention(name);
  }
  Result<void> set_legal_hold(std::string_view name, LegalHold hold) override {
    return inner_.set_legal_hold(name, hold);
  }
  Result<LegalHold> legal_hold(std::string_view name) override { return inner_.legal_hold(name); }
  Result<void> set_append_only(backend::AppendOnly mode) override {
    return inner_.set_append_only(mode);
  }
  Result<backend::Keeping> keeping() override { return inner_.keeping(); }
  Result<std::string> mark(std::string_view name) override { return inner_.mark(name); }
  Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes) override {
    return inner_.replace(name, mark, bytes);
  }
  Result<Answer> versions() override { return inner_.versions(); }
  Result<Timestamp> store_time() override { return inner_.store_time(); }
  Result<Space> space() override { return inner_.space(); }
  [[nodiscard]] Capabilities capabilities() const override { return inner_.capabilities(); }
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }

 private:
  std::unique_ptr<Backend> owned_;  // none where the caller keeps it

 protected:
  Backend& inner_;
};

}  // namespace backstay::backend
