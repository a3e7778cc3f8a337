// What of the target a restore will change, as far as its plan knows: kept before it goes.
//
// Places are paths below the target: "/a/b". Eight bytes are kept of what is changed, because the
// walk of the backup that keeps it needs no more than to know it again; should two places have the
// same digest, one more is kept than needed. What is made anew is listed, and of a new folder only
// the folder itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::engine::restoring {

class TargetChanges {
 public:
  enum class Kind : std::uint8_t { kFolder, kOther };
  // Something that stands there is replaced, deleted, or gets other attributes. The folders above
  // it count, too.
  void touch(const std::string& place, Kind kind);
  // A name that is free, or had by something else than a folder where there will be one.
  void create(std::string place) { created_.push_back(std::move(place)); }
  void remove_folder() { ++folders_removed_; }

  // After the last one.
  void settle();
  [[nodiscard]] bool touches(std::string_view place) const;
  [[nodiscard]] const std::vector<std::string>& created() const { return created_; }
  // Whether more than the attributes of folders is at stake.
  [[nodiscard]] bool takes_something() const { return others_ + folders_removed_ > 0; }
  [[nodiscard]] std::uint64_t others() const { return others_; }

 private:
  std::vector<std::uint64_t> touched_;
  std::vector<std::string> created_;
  std::string last_above_ = "/";
  std::uint64_t others_ = 0;
  std::uint64_t folders_removed_ = 0;
};

}  // namespace backstay::engine::restoring
