// The names in one folder in ascending order of their bytes, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/directory_reader.h"

namespace backstay::source {

// Sorting needs all names, and ten million of them do not fit. So fill() reads the whole folder but
// keeps only the smallest names that it has room for, and when those have been given out, the next
// fill() reads it again and keeps the smallest of what comes after. A folder that fits is read
// once.
class FolderNames {
 public:
  // Keeps the smallest names after those given out so far, of the open folder `fd` and of `extra`
  // together. Without `reader` only `extra` counts. On failure the names read before it can be
  // given out.
  Result<void> fill(io::DirectoryReader* reader, int fd, std::span<const std::string_view> extra,
                    std::size_t memory_max);
  // The next name, NUL-terminated and valid until fill(); nothing when all that fill() kept are
  // given out.
  [[nodiscard]] std::optional<std::string_view> next();
  // False when another fill() may bring more.
  [[nodiscard]] bool complete() const { return complete_; }
  // Leaves nothing to give out.
  void clear();
  [[nodiscard]] std::size_t memory() const;

 private:
  // Eight bytes of the name, from where names begin to differ, decide most comparisons without
  // touching the names; they are kept in halves so that a reference takes twelve bytes.
  struct Ref {
    std::uint32_t head_high = 0;
    std::uint32_t head_low = 0;
    std::uint32_t offset = 0;  // in text_
    [[nodiscard]] std::uint64_t head() const { return std::uint64_t{head_high} << 32 | head_low; }
  };
  void add(std::string_view name, std::size_t memory_max);
  void drop_larger_half();
  void set_heads();
  void sort();
  [[nodiscard]] std::string_view name_at(const Ref& ref) const { return text_.data() + ref.offset; }
  [[nodiscard]] bool less(const Ref& a, const Ref& b) const;

  std::vector<char> text_;  // names, each with its NUL
  std::vector<Ref> refs_;
  std::size_t next_ = 0;
  std::size_t common_ = 0;            // bytes that all names begin with
  std::string last_given_;            // empty at first: no name is empty
  std::optional<std::string> bound_;  // names after it did not fit
  bool complete_ = true;
};

}  // namespace backstay::source
