// A borg repository (1.x), read by borg itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "foreign/borg/archive.h"
#include "foreign/borg/command.h"
#include "foreign/repository.h"

namespace backstay::foreign::borg {

class BorgRepository final : public ForeignRepository {
 public:
  // unsupported without borg 1.x.
  static Result<std::unique_ptr<ForeignRepository>> open(const BorgOptions& options,
                                                         const std::stop_token& stop);

  Result<std::vector<ForeignSnapshot>> snapshots(const ForeignHooks& hooks) override;
  Result<void> complete(ForeignSnapshot& snapshot, const ForeignHooks& hooks) override;
  Result<std::unique_ptr<ForeignSource>> open(const ForeignSnapshot& snapshot,
                                              const ForeignSnapshot* before,
                                              const ForeignHooks& hooks) override;

 private:
  explicit BorgRepository(const BorgOptions& options) : borg_(options) {}
  Result<std::shared_ptr<const Archive>> archive_of(const ForeignSnapshot& snapshot,
                                                    const ForeignHooks& hooks);

  BorgCommand borg_;
  std::vector<std::shared_ptr<const Archive>> loaded_;  // the last two
};

}  // namespace backstay::foreign::borg
