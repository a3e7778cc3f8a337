// Rows of text in aligned columns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace backstay::cli {

enum class Align : std::uint8_t { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell a column; a cell may have several lines.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // With the titles and a rule below them. No line ends in blanks.
  [[nodiscard]] std::string render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "files:   1,234" for each pair, the values below one another.
struct Fact {
  std::string name;
  std::string value;
};
[[nodiscard]] std::string render_facts(const std::vector<Fact>& facts);

}  // namespace backstay::cli
