#include "store/listing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "io/file.h"

namespace backstay::store {
namespace {

class Walk {
 public:
  Walk(std::string root, std::string_view after, std::size_t limit)
      : root_(std::move(root)), after_(after), limit_(limit) {}

  // `folder` is empty or ends in '/'. False when the page is full.
  Result<bool> through(const std::string& folder) {
    auto names = io::list_directory(fmt::format("{}/{}", root_, folder));
    if (!names && names.error().code() == ErrorCode::kNotFound) return true;
    if (!names) return std::unexpected(std::move(names).error());
    std::ranges::sort(*names);
    for (const std::string& last : *names) {
      const std::string name = folder + last;
      if (is_behind_us(name) || !backend::validate_name(name)) continue;
      if (!TRY(visit(name))) return false;
    }
    return true;
  }

  std::vector<backend::ObjectInfo>& found() { return found_; }

 private:
  // The walk goes component by component: '/' comes before every other character.
  static bool comes_before(std::string_view a, std::string_view b) {
    return std::ranges::lexicographical_compare(a, b, [](char x, char y) {
      const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c) + 1; };
      return rank(x) < rank(y);
    });
  }

  // Neither `name` nor anything below it is wanted.
  [[nodiscard]] bool is_behind_us(const std::string& name) const {
    if (after_.empty()) return false;
    const bool on_the_way = after_.starts_with(name + "/");
    return !on_the_way && !comes_before(after_, name);
  }

  Result<bool> visit(const std::string& name) {
    const auto info = io::file_info(fmt::format("{}/{}", root_, name), io::Links::kStay);
    if (!info && info.error().code() == ErrorCode::kNotFound) return true;
    if (!info) return std::unexpected(info.error().clone());
    if (info->is_directory) return through(name + "/");
    if (!info->is_regular) return true;
    if (found_.size() == limit_) return false;
    found_.push_back({name, info->size, info->modified});
    return true;
  }

  const std::string root_;
  const std::string_view after_;
  const std::size_t limit_;
  std::vector<backend::ObjectInfo> found_;
};

}  // namespace

Result<Listing> list_in_order(const Repository& repository, std::string_view prefix,
                              std::string_view after, std::size_t limit) {
  TRY(io::file_info(repository.root()));
  Walk walk(repository.root(), after, limit);
  const bool last = TRY(walk.through(std::string(prefix)));
  return Listing{.objects = std::move(walk.found()), .last = last};
}

}  // namespace backstay::store
