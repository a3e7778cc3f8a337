// A backend that lets nothing be changed, around one that would: for stores that must stay as they
// are, whatever a command does.
#pragma once

#include <memory>

#include "backend/forwarding_backend.h"
#include "base/clock.h"

namespace backstay::backend {

// Every change is refused with permission_denied, so that who reads takes no lease and says so. The
// store's clock, which some stores show only in what is written, is this machine's.
class ReadOnlyBackend final : public ForwardingBackend {
 public:
  // `clock` outlives this.
  ReadOnlyBackend(std::unique_ptr<Backend> inner, const Clock& clock)
      : ForwardingBackend(std::move(inner)), clock_(clock) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override;
  Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override;
  Result<void> barrier() override { return {}; }
  Result<void> adopt(std::string_view name) override;
  Result<void> adopt_names(std::string_view prefix) override;
  Result<void> remove(std::string_view name) override;
  Result<void> retain(std::string_view name, Timestamp until) override;
  Result<void> set_legal_hold(std::string_view name, LegalHold hold) override;
  Result<void> set_append_only(AppendOnly mode) override;
  Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes) override;
  Result<Timestamp> store_time() override { return clock_.now(); }

 private:
  [[nodiscard]] std::unexpected<Error> refuse(std::string_view what) const;
  const Clock& clock_;
};

}  // namespace backstay::backend
