#include "source/folder_names.h"

#include <algorithm>
#include <cstring>

#include "base/try.h"

namespace backstay::source {

// Names have no NUL, so comparing them as C strings is comparing their bytes.
bool FolderNames::less(const Ref& a, const Ref& b) const {
  if (a.head() != b.head()) return a.head() < b.head();
  return std::strcmp(text_.data() + a.offset + common_, text_.data() + b.offset + common_) < 0;
}

Result<void> FolderNames::fill(io::DirectoryReader* reader, int fd,
                               std::span<const std::string_view> extra, std::size_t memory_max) {
  if (!refs_.empty()) last_given_ = name_at(refs_.back());
  text_.clear();
  refs_.clear();
  next_ = common_ = 0;
  bound_.reset();
  complete_ = true;
  for (const std::string_view name : extra) add(name, memory_max);
  Result<void> outcome;
  if (reader != nullptr) {
    outcome = reader->start(fd);
    while (outcome) {
      const Result<std::optional<std::string_view>> name = reader->next();
      if (!name) {
        outcome = std::unexpected(name.error().clone());
      } else if (!*name) {
        break;
      } else {
        add(**name, memory_max);
      }
    }
  }
  sort();
  return outcome;
}

void FolderNames::add(std::string_view name, std::size_t memory_max) {
  if (!last_given_.empty() && name <= last_given_) return;
  if (bound_ && name > *bound_) return;
  if (refs_.empty()) {
    common_ = name.size();
  } else {
    const std::string_view first = name_at(refs_.front());
    const std::size_t shared = std::min(common_, name.size());
    common_ = static_cast<std::size_t>(
        std::mismatch(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(shared),
                      first.begin())
            .first -
        name.begin());
  }
  refs_.push_back({0, 0, static_cast<std::uint32_t>(text_.size())});
  text_.insert(text_.end(), name.begin(), name.end());
  text_.push_back('\0');
  if (text_.size() + refs_.size() * sizeof(Ref) > memory_max) drop_larger_half();
}

void FolderNames::set_heads() {
  for (Ref& ref : refs_) {
    const char* const name = text_.data() + ref.offset + common_;
    std::uint64_t head = 0;
    for (std::size_t i = 0; i < 8 && (i == 0 || name[i - 1] != '\0'); ++i) {
      head |= std::uint64_t{static_cast<std::uint8_t>(name[i])} << (56 - 8 * i);
    }
    ref.head_high = static_cast<std::uint32_t>(head >> 32);
    ref.head_low = static_cast<std::uint32_t>(head);
  }
}

void FolderNames::drop_larger_half() {
  if (refs_.size() < 2) return;
  set_heads();
  const auto middle = refs_.begin() + static_cast<std::ptrdiff_t>(refs_.size() / 2);
  std::nth_element(refs_.begin(), middle, refs_.end(),
                   [this](const Ref& a, const Ref& b) { return less(a, b); });
  refs_.erase(middle, refs_.end());
  std::vector<char> kept;
  std::string_view largest;
  for (Ref& ref : refs_) {
    const std::string_view name = name_at(ref);
    largest = std::max(largest, name);
    ref.offset = static_cast<std::uint32_t>(kept.size());
    kept.insert(kept.end(), name.begin(), name.end());
    kept.push_back('\0');
  }
  bound_ = largest;
  text_ = std::move(kept);
  complete_ = false;
}

void FolderNames::sort() {
  set_heads();
  std::sort(refs_.begin(), refs_.end(), [this](const Ref& a, const Ref& b) { return less(a, b); });
  // A folder that changes while it is listed may give a name twice.
  const auto same = [this](const Ref& a, const Ref& b) {
    return a.head() == b.head() && name_at(a) == name_at(b);
  };
  refs_.erase(std::unique(refs_.begin(), refs_.end(), same), refs_.end());
}

std::optional<std::string_view> FolderNames::next() {
  if (next_ == refs_.size()) return std::nullopt;
  return name_at(refs_[next_++]);
}

void FolderNames::clear() {
  text_.clear();
  refs_.clear();
  next_ = 0;
  complete_ = true;
}

std::size_t FolderNames::memory() const {
  return text_.capacity() + refs_.capacity() * sizeof(Ref);
}

}  // namespace backstay::source
