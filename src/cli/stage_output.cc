#include "cli/stage_output.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/output_text.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

bool is_sent(const engine::SentSnapshot& one) {
  return one.outcome == engine::SendOutcome::kSent ||
         one.outcome == engine::SendOutcome::kThereAlready;
}

void print_sent_json(Console& console, const engine::SentSnapshot& one) {
  json::Json line = json::line_of("sent");
  line["staged_id"] = one.staged.id.hex();
  line["snapshot_id"] = nullptr;
  if (one.sent) line["snapshot_id"] = one.sent->hex();
  line["outcome"] = engine::to_string(one.outcome);
  line["bytes_added"] = one.bytes_added;
  line["bytes_stored"] = one.bytes_stored;
  if (!is_sent(one)) json::put_text(line, "failure", one.failure);
  console.print_json(line);
}

}  // namespace

void tell_sent(const Context& context, const engine::SentSnapshot& one) {
  if (context.console.json()) print_sent_json(context.console, one);
  const std::string which = fmt::format("staged snapshot {} of {}", one.staged.id.short_hex(),
                                        format_local(one.staged.snapshot.started));
  if (!is_sent(one)) {
    context.console.warning(
        fmt::format("{} stays in the stage: {}", which, one.failure),
        one.outcome == engine::SendOutcome::kMissing
            ? "A new backup of the same files stores what they still hold of it again; then it is "
              "tried once more."
            : "What it still has in the source is in the next backup.");
  } else if (!context.console.json()) {
    context.console.note(fmt::format("{} sent: it is snapshot {} now, {} stored", which,
                                     one.sent->short_hex(), format_byte_size(one.bytes_stored)));
  }
}

void tell_stage(const Context& context, const Stage& stage, const WaitingInStage& waiting) {
  if (context.console.json()) {
    json::Json line = json::line_of("stage");
    json::put_text(line, "folder", stage.folder());
    line["prepared"] = stage.is_prepared();
    json::put_text(line, "remote", stage.remote());
    line["snapshots"] = waiting.snapshots;
    line["bytes"] = waiting.bytes;
    line["since"] = nullptr;
    if (waiting.since) line["since"] = format_rfc3339(*waiting.since);
    context.console.print_json(line);
    return;
  }
  if (!stage.is_prepared()) {
    context.console.print(fmt::format("{} is no stage yet\n", stage.folder()));
    return;
  }
  context.console.print(fmt::format("stage of {}\n", stage.remote()));
  if (waiting.snapshots == 0) {
    context.console.print("nothing is waiting\n");
    return;
  }
  context.console.print(fmt::format("waiting: {}, {}, since {}\n",
                                    counted(waiting.snapshots, "snapshot"),
                                    format_byte_size(waiting.bytes), format_local(*waiting.since)));
}

}  // namespace backstay::cli
