// One archive of borg's as the source of a backup.
#pragma once

#include <memory>
#include <vector>

#include "foreign/borg/archive.h"
#include "foreign/borg/spool.h"
#include "foreign/repository.h"

namespace backstay::foreign::borg {

class BorgSource final : public ForeignSource {
 public:
  // `before` may be null.
  BorgSource(const BorgCommand& borg, std::shared_ptr<const Archive> archive,
             const std::shared_ptr<const Archive>& before, Timestamp when, ForeignHooks hooks);

  Result<std::optional<source::SourceItem>> next() override;
  Result<std::unique_ptr<source::FileReader>> open(source::SourceItem& item) override;
  [[nodiscard]] const OwnerNames& names() const override { return archive_->names; }
  Result<void> rewind() override;

 private:
  const std::shared_ptr<const Archive> archive_;
  const Timestamp when_;
  std::vector<bool> other_bytes_;  // by entry: than before, or there was none
  std::unique_ptr<Spool> spool_;
  std::size_t next_ = 0;
  std::vector<source::SourceItem> above_;  // missing folders, the uppermost last
  bool above_made_ = false;
};

}  // namespace backstay::foreign::borg
