// One snapshot of restic's as the source of a backup.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "foreign/repository.h"
#include "foreign/restic/tree_walk.h"

namespace backstay::foreign::restic {

struct ResticTree {
  Id root;
  std::string base;  // the key of the folder that it is laid into
};

class ResticSource final : public ForeignSource {
 public:
  ResticSource(const Pieces& pieces, ResticTree tree, std::optional<ResticTree> before,
               Timestamp when, ForeignHooks hooks);

  Result<std::optional<source::SourceItem>> next() override;
  Result<std::unique_ptr<source::FileReader>> open(source::SourceItem& item) override;
  [[nodiscard]] const OwnerNames& names() const override { return names_; }
  Result<void> rewind() override;

 private:
  [[nodiscard]] bool same_before(const WalkedNode& now);
  void learn_names(const Node& node);
  source::SourceItem item_of(WalkedNode& found);

  const Pieces& pieces_;
  const ResticTree tree_;
  const Timestamp when_;
  const ForeignHooks hooks_;
  std::optional<TreeWalk> walk_;
  std::optional<TreeWalk> before_;  // nothing when it cannot be read
  std::optional<WalkedNode> before_head_;
  bool before_started_ = false;
  std::string same_below_;  // the key of a folder with the same tree before; empty for none
  std::vector<source::SourceItem> above_;
  bool above_given_ = false;
  bool told_ = false;  // what is left out was said
  OwnerNames names_;
};

}  // namespace backstay::foreign::restic
