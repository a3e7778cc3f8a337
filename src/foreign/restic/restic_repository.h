// A restic repository in a folder, for reading.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "foreign/repository.h"
#include "foreign/restic/index.h"
#include "foreign/restic/pieces.h"
#include "foreign/restic/store.h"

namespace backstay::foreign::restic {

class ResticRepository final : public ForeignRepository {
 public:
  // As Store::open().
  static Result<std::unique_ptr<ForeignRepository>> open(const std::string& folder,
                                                         std::string_view password,
                                                         const std::stop_token& stop);

  Result<std::vector<ForeignSnapshot>> snapshots(const ForeignHooks& hooks) override;
  // restic keeps trees of relative paths as they were given, and paths as they were meant: the
  // tree is laid into the folder where restic was started, so that both agree.
  Result<void> complete(ForeignSnapshot& snapshot, const ForeignHooks& hooks) override;
  Result<std::unique_ptr<ForeignSource>> open(const ForeignSnapshot& snapshot,
                                              const ForeignSnapshot* before,
                                              const ForeignHooks& hooks) override;

 private:
  explicit ResticRepository(std::unique_ptr<Store> store);
  Result<void> load_index(const ForeignHooks& hooks);
  Result<bool> lies_in(const Id& root, std::string_view base_key,
                       const std::vector<std::string>& keys) const;
  Result<std::vector<std::string>> top_paths(const Id& root) const;

  std::unique_ptr<Store> store_;
  Index index_;
  bool index_loaded_ = false;
  Pieces pieces_;
};

}  // namespace backstay::foreign::restic
