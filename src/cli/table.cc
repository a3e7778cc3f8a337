#include "cli/table.h"

#include <algorithm>

#include "base/assert.h"
#include "cli/text_layout.h"

namespace backstay::cli {
namespace {

std::vector<std::string> lines_of(std::string_view cell) {
  std::vector<std::string> lines;
  for (;;) {
    const std::size_t end = std::min(cell.find('\n'), cell.size());
    lines.emplace_back(cell.substr(0, end));
    if (end == cell.size()) return lines;
    cell.remove_prefix(end + 1);
  }
}

void append_padded(std::string& out, const std::string& cell, std::size_t width, Align align) {
  const std::string blanks(width - std::min(width, display_width(cell)), ' ');
  out += align == Align::kRight ? blanks + cell : cell + blanks;
}

void end_line(std::string& out) {
  while (out.ends_with(' ')) out.pop_back();
  out += '\n';
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  ASSERT(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::render() const {
  constexpr std::string_view kGap = "  ";
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) {
      for (const std::string& line : lines_of(row[i])) width = std::max(width, display_width(line));
    }
    widths.push_back(width);
  }
  std::string out;
  const auto add_line = [&](const auto& cell_of) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) out += kGap;
      append_padded(out, cell_of(i), widths[i], columns_[i].align);
    }
    end_line(out);
  };
  add_line([&](std::size_t i) { return columns_[i].title; });
  std::size_t total = kGap.size() * (columns_.size() - 1);
  for (const std::size_t width : widths) total += width;
  out.append(total, '-').append("\n");
  for (const auto& row : rows_) {
    std::vector<std::vector<std::string>> cells;
    std::size_t height = 1;
    for (const std::string& cell : row)
      height = std::max(height, cells.emplace_back(lines_of(cell)).size());
    for (std::size_t line = 0; line < height; ++line) {
      add_line(
          [&](std::size_t i) { return line < cells[i].size() ? cells[i][line] : std::string(); });
    }
  }
  return out;
}

std::string render_facts(const std::vector<Fact>& facts) {
  std::size_t width = 0;
  for (const Fact& fact : facts) width = std::max(width, display_width(fact.name) + 1);
  std::string out;
  for (const Fact& fact : facts) {
    append_padded(out, fact.name + ":", width, Align::kLeft);
    out += "  " + fact.value;
    end_line(out);
  }
  return out;
}

}  // namespace backstay::cli
