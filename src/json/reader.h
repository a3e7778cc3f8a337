// JSON in: what other programs wrote, read from left to right without a copy of the whole.
//
//   Reader reader(text);
//   TRY(reader.enter_object());
//   while (const auto key = TRY(reader.next_key())) {
//     if (*key == "size") size = TRY(reader.number()); else TRY(reader.skip());
//   }
//
// The bytes are hostile: every failure is `corruption`, nothing is read past the end, and depth is
// limited. What a caller does not want it skips, and of that only brackets and strings are looked
// at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay::json {

class Reader {
 public:
  // The text must outlive it.
  explicit Reader(std::string_view text) : rest_(text) {}

  Result<void> enter_object();
  // The next key of the object that was entered; its value is read or skipped before the next call.
  // Nothing at the end of the object.
  Result<std::optional<std::string>> next_key();
  Result<void> enter_array();
  // True before each element, which is then read or skipped.
  Result<bool> next_element();

  // UTF-8; what cannot be (half of a surrogate pair) becomes U+FFFD, and bytes that stand there
  // stay what they are.
  Result<std::string> string();
  // A whole number.
  Result<std::uint64_t> number();
  Result<std::int64_t> signed_number();
  Result<bool> boolean();
  // True when the value is null, which counts as read then.
  bool take_null();
  Result<void> skip();
  // The next value as it is written.
  Result<std::string_view> raw();
  // corruption unless only white space is left.
  Result<void> finish();

 private:
  void skip_space();
  [[nodiscard]] bool starts_with(char c);
  Result<void> expect(char c);
  Result<bool> next_in(char close);
  Result<void> append_escape(std::string& out);
  Result<std::uint32_t> hex_digits();
  Result<void> skip_string();
  Result<void> skip_scalar();
  [[nodiscard]] std::unexpected<Error> broken(std::string_view what) const;

  std::string_view rest_;
  bool fresh_ = false;  // an object or array was entered, and nothing of it read yet
};

// Cuts a long text that comes piece by piece into the objects of one array in it, so that no more
// than one of them is in memory.
class ObjectSplitter {
 public:
  explicit ObjectSplitter(std::size_t object_max) : object_max_(object_max) {}

  // Takes the bytes of the array from behind its `[` on, up to the end of the next object; what was
  // taken is removed from `piece`. True when an object is whole: object() has it until the next
  // call. corruption when one is too long, or the text is none of objects.
  Result<bool> feed(std::string_view& piece);
  [[nodiscard]] std::string_view object() const { return object_; }
  // The `]` was taken.
  [[nodiscard]] bool at_end() const { return at_end_; }

 private:
  Result<bool> take_between(char c);
  bool take_inside(char c);

  const std::size_t object_max_;
  std::string object_;
  bool whole_ = true;
  bool at_end_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
  std::size_t depth_ = 0;
};

}  // namespace backstay::json
