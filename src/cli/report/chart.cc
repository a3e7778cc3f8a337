#include "cli/report/chart.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/byte_size.h"
#include "cli/text_layout.h"

namespace backstay::cli::report {
namespace {

constexpr std::size_t kPointsMax = 400;
constexpr std::uint64_t kTicksMax = 5;

// In the units of the picture.
constexpr double kWidth = 720;
constexpr double kHeight = 240;
constexpr double kLeft = 80;
constexpr double kRight = 12;
constexpr double kTop = 12;
constexpr double kBottom = 28;

double seconds_of(Timestamp time) {
  return static_cast<double>(time.seconds) + static_cast<double>(time.nanos) / 1e9;
}

// Which of so many are drawn.
std::vector<std::size_t> drawn(std::size_t count) {
  std::vector<std::size_t> chosen;
  const std::size_t wanted = std::min(count, kPointsMax);
  for (std::size_t i = 0; i < wanted; ++i)
    chosen.push_back(wanted < 2 ? i : i * (count - 1) / (wanted - 1));
  return chosen;
}

class Canvas {
 public:
  Canvas(Timestamp first, Timestamp last, std::uint64_t top)
      : first_(seconds_of(first)),
        span_(seconds_of(last) - seconds_of(first)),
        top_(static_cast<double>(top)) {}

  [[nodiscard]] double x(Timestamp time) const {
    return kLeft + (seconds_of(time) - first_) / span_ * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(std::uint64_t bytes) const {
    return kHeight - kBottom - static_cast<double>(bytes) / top_ * (kHeight - kTop - kBottom);
  }

 private:
  double first_;
  double span_;
  double top_;
};

std::string path_of(const Canvas& canvas, const std::vector<Timestamp>& times, const Line& line) {
  std::string path;
  for (const std::size_t i : drawn(times.size())) {
    const double x = canvas.x(times[i]);
    const double y = canvas.y(line.values[i]);
    path +=
        path.empty() ? fmt::format("M{:.1f} {:.1f}", x, y) : fmt::format("H{:.1f}V{:.1f}", x, y);
  }
  return fmt::format("<path class=\"line {}\" d=\"{}\"/>\n", html_text(line.css_class), path);
}

std::string axis_of_bytes(const Canvas& canvas, const std::vector<std::uint64_t>& ticks) {
  std::string text;
  for (const std::uint64_t tick : ticks) {
    const double y = canvas.y(tick);
    text += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text class=\"tick end\" x=\"{3}\" y=\"{4:.1f}\">{5}</text>\n",
        kLeft, kWidth - kRight, y, kLeft - 8, y + 4, format_byte_size(tick));
  }
  return text;
}

std::string day(Timestamp time) {
  return format_local(time).substr(0, 10);
}

std::string axis_of_time(Timestamp first, Timestamp last) {
  return fmt::format(
      "<text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>"
      "<text class=\"tick end\" x=\"{}\" y=\"{}\">{}</text>\n",
      kLeft, kHeight - 8, day(first), kWidth - kRight, kHeight - 8, day(last));
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string safe;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::vector<std::uint64_t> byte_ticks(std::uint64_t most) {
  std::uint64_t step = 1;
  while (most / step >= kTicksMax) step *= 2;
  std::vector<std::uint64_t> ticks{0};
  while (ticks.back() < std::max<std::uint64_t>(most, 1)) ticks.push_back(ticks.back() + step);
  return ticks;
}

std::string bytes_over_time(const std::vector<Timestamp>& times, const std::vector<Line>& lines,
                            std::string_view title) {
  if (times.empty() || times.front() >= times.back()) return {};
  std::uint64_t most = 0;
  for (const Line& line : lines) most = std::max(most, std::ranges::max(line.values));
  const std::vector<std::uint64_t> ticks = byte_ticks(most);
  const Canvas canvas(times.front(), times.back(), ticks.back());
  std::string picture = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
                                    kWidth, kHeight, html_text(title));
  picture += axis_of_bytes(canvas, ticks) + axis_of_time(times.front(), times.back());
  for (const Line& line : lines) picture += path_of(canvas, times, line);
  picture += "</svg>\n<p class=\"legend\">";
  for (const Line& line : lines) {
    picture += fmt::format("<span class=\"key {}\"></span>{} ", html_text(line.css_class),
                           html_text(line.name));
  }
  return picture + "</p>\n";
}

}  // namespace backstay::cli::report
