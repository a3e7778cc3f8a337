#include "engine/restore/link_groups.h"

#include <utility>

namespace backstay::engine::restoring {
crypto::Digest digest_of_common(const snapshot::Entry& entry) {
  Bytes common;
  append_le(common, static_cast<std::uint8_t>(entry.type));
  append_le(common, entry.size_bytes);
  append_le(common, entry.special_device);
  append(common, as_bytes(entry.symlink_target));
  snapshot::encode_content(entry.content, common);
  return crypto::blake3(common);
}

LinkGroup::State LinkGroup::join(LinkMember& member) {
  const MutexLock lock(mutex_);
  if (state_ == State::kPending) waiting_.push_back(std::move(member));
  return state_;
}

std::vector<LinkMember> LinkGroup::settle(State state) {
  const MutexLock lock(mutex_);
  state_ = state;
  return std::exchange(waiting_, {});
}

LinkGroup::State LinkGroup::state() const {
  const MutexLock lock(mutex_);
  return state_;
}

LinkGroupPtr LinkGroups::find(const snapshot::Entry& entry) {
  const auto place = known_.find({entry.device, entry.inode});
  if (place == known_.end() || place->second.digest != digest_of_common(entry)) return nullptr;
  LinkGroupPtr group = place->second.group;
  // A failed holder gives the next name a chance to be the holder.
  const bool failed = group->state() == LinkGroup::State::kFailed;
  if (--place->second.names_left == 0 || failed) known_.erase(place);
  return failed ? nullptr : group;
}

void LinkGroups::add(const snapshot::Entry& entry, LinkGroupPtr group) {
  known_[{entry.device, entry.inode}] = {
      .group = std::move(group), .digest = digest_of_common(entry), .names_left = entry.links - 1};
}

}  // namespace backstay::engine::restoring
