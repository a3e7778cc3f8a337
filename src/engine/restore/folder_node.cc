#include "engine/restore/folder_node.h"

#include <utility>
#include <vector>

namespace backstay::engine::restoring {

FolderNode::FolderNode(Site& site, source::TargetFolderPtr folder, std::string path)
    : site_(site), name_(std::move(path)), folder_(std::move(folder)) {}

FolderNode::FolderNode(FolderNodePtr parent, std::string name, source::TargetFolderPtr folder)
    : site_(parent->site_),
      parent_(std::move(parent)),
      name_(std::move(name)),
      folder_(std::move(folder)) {}

// The folders above that nobody else holds are finished here one by one: as nested destructors, a
// tree of a million levels would overflow the stack.
FolderNode::~FolderNode() {
  finish();
  FolderNodePtr above = std::move(parent_);
  while (above != nullptr && above.use_count() == 1) {
    above->finish();
    FolderNodePtr next = std::move(above->parent_);
    above = std::move(next);
  }
}

void FolderNode::finish() {
  if (!attributes_) return;
  const snapshot::Entry entry = std::move(*attributes_);
  attributes_.reset();
  if (site_.outcome.ending()) return;
  const Result<source::AttributeReport> report =
      parent_ == nullptr ? site_.target->set_root_attributes(entry)
                         : site_.target->set_attributes(parent_->folder_, name_, entry);
  if (!report) {
    site_.outcome.trouble(path(), report.error());
    return;
  }
  if (!report->not_set.empty()) site_.outcome.attributes(path(), *report);
}

std::string FolderNode::path_of(std::string_view name) const {
  std::string path = parent_ == nullptr ? name_ : this->path();
  path.append("/").append(name);
  return path;
}

std::string FolderNode::place_of(std::string_view name) const {
  std::vector<const FolderNode*> chain;
  for (const FolderNode* node = this; node->parent_ != nullptr; node = node->parent_.get())
    chain.push_back(node);
  std::string place;
  for (auto node = chain.rbegin(); node != chain.rend(); ++node)
    place.append("/").append((*node)->name_);
  return place.append("/").append(name);
}

std::string FolderNode::path() const {
  std::vector<const FolderNode*> chain;
  for (const FolderNode* node = this; node != nullptr; node = node->parent_.get())
    chain.push_back(node);
  std::string path = chain.back()->name_;
  for (auto node = chain.rbegin() + 1; node != chain.rend(); ++node)
    path.append("/").append((*node)->name_);
  return path.empty() ? "/" : path;
}

}  // namespace backstay::engine::restoring
