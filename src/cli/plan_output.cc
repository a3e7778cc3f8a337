#include "cli/plan_output.h"

#include <fmt/format.h>

#include <vector>

#include "base/byte_size.h"
#include "cli/output_text.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

std::string space_text(const engine::RestorePlan& plan) {
  std::string text = format_byte_size(plan.bytes_needed) + " needed";
  if (plan.bytes_free) text += fmt::format(", {} free", format_byte_size(*plan.bytes_free));
  if (plan.bytes_freed > 0)
    text += fmt::format(", {} of leftovers go", format_byte_size(plan.bytes_freed));
  return text;
}

std::string inodes_text(const engine::RestorePlan& plan) {
  std::string text = fmt::format("{} needed", grouped(plan.inodes_needed));
  if (plan.inodes_free) text += fmt::format(", {} free", grouped(*plan.inodes_free));
  return text;
}

template <typename Number>
json::Json number_or_null(const std::optional<Number>& number) {
  return number ? json::Json(*number) : json::Json(nullptr);
}

}  // namespace

json::Json plan_line(const engine::RestorePlan& plan, double seconds) {
  json::Json line = json::line_of("plan");
  line["files_new"] = plan.files_new;
  line["files_changed"] = plan.files_changed;
  line["files_unchanged"] = plan.expected.files_unchanged;
  line["files_left"] = plan.files_left;
  line["files_deleted"] = plan.expected.files_deleted;
  line["files_failed"] = plan.expected.files_failed;
  line["dirs_new"] = plan.dirs_new;
  line["dirs_restored"] = plan.expected.dirs_restored;
  line["dirs_deleted"] = plan.expected.dirs_deleted;
  line["bytes_total"] = plan.expected.bytes_total;
  line["bytes_written"] = plan.expected.bytes_written;
  line["bytes_fetched"] = plan.bytes_fetched;
  line["packs_needed"] = plan.packs_needed;
  line["packs_missing"] = plan.packs_missing.size();
  line["bytes_needed"] = plan.bytes_needed;
  line["bytes_free"] = number_or_null(plan.bytes_free);
  line["inodes_needed"] = plan.inodes_needed;
  line["inodes_free"] = number_or_null(plan.inodes_free);
  line["file_system"] = plan.file_system;
  line["warnings"] = plan.warnings;
  line["fits"] = !plan.refusal.has_value();
  line["seconds_estimated"] =
      plan.seconds ? json::Json(json::milliseconds_of(*plan.seconds)) : json::Json(nullptr);
  line["errors"] = plan.expected.errors;
  line["seconds"] = json::milliseconds_of(seconds);
  return line;
}

std::string plan_text(const engine::RestorePlan& plan) {
  const engine::RestoreReport& expected = plan.expected;
  std::vector<Fact> facts{
      {"new",
       fmt::format("{} and {}", counted(plan.files_new, "file"), counted(plan.dirs_new, "folder"))},
      {"changed", counted(plan.files_changed, "file")},
      {"the same", counted(expected.files_unchanged - plan.files_left, "file")}};
  if (plan.files_left > 0)
    facts.push_back({"left alone", counted(plan.files_left, "file") + ", by --overwrite"});
  if (expected.files_deleted + expected.dirs_deleted > 0) {
    facts.push_back({"to delete", fmt::format("{} and {}", counted(expected.files_deleted, "file"),
                                              counted(expected.dirs_deleted, "folder"))});
  }
  if (expected.errors > 0) {
    facts.push_back({"errors", fmt::format("{}, {} cannot be restored", grouped(expected.errors),
                                           counted(expected.files_failed, "file"))});
  }
  facts.push_back({"to write", format_byte_size(expected.bytes_written)});
  facts.push_back({"to fetch", fmt::format("{} from {}", format_byte_size(plan.bytes_fetched),
                                           counted(plan.packs_needed, "pack"))});
  facts.push_back({"space", space_text(plan)});
  facts.push_back({"inodes", inodes_text(plan)});
  if (plan.seconds) {
    facts.push_back(
        {"time", fmt::format("about {}, an estimate from what some of it took to read just now",
                             format_duration(*plan.seconds))});
  }
  return render_facts(facts);
}

}  // namespace backstay::cli
