#include "cli/stats_of_folders.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "engine/select.h"
#include "engine/space_use.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

// "-" where there is nothing to divide.
std::string ratio_text(std::uint64_t whole, std::uint64_t part) {
  if (part == 0) return "-";
  return fmt::format("{:.2f}", static_cast<double>(whole) / static_cast<double>(part));
}

json::Json folder_line(const engine::FolderUse& folder) {
  json::Json line = json::line_of("folder");
  json::put_text(line, "path", folder.path);
  line["files"] = folder.files;
  line["bytes"] = folder.bytes;
  line["unique_bytes"] = folder.unique_bytes;
  line["stored_bytes"] = folder.stored_bytes;
  return line;
}

json::Json point_line(const repo::StoredSnapshot& stored, std::uint64_t sum) {
  const snapshot::SnapshotStats& stats = stored.snapshot.stats;
  json::Json line = json::line_of("point");
  line["snapshot_id"] = stored.id.hex();
  line["time"] = format_rfc3339(stored.snapshot.started);
  line["bytes_total"] = stats.bytes_total;
  line["bytes_added"] = stats.bytes_added;
  line["bytes_stored"] = stats.bytes_stored;
  line["stored_sum"] = sum;
  return line;
}

}  // namespace

Result<ExitCode> show_folders(Context& context, const ByPath& asked) {
  const auto repository = TRY(open_repository(context));
  const engine::SnapshotArgument argument = engine::parse_snapshot_argument(asked.snapshot);
  const FoundSnapshot found =
      TRY(find_snapshot(context, *repository, asked.choice, argument.which));
  TRY(load_index(context, *repository));
  Running running(context);
  std::vector<engine::FolderUse> folders = TRY(engine::space_use(
      *repository, found.stored.snapshot,
      {.path = argument.subpath.empty() ? "/" : argument.subpath, .depth = asked.depth},
      running.activity()));
  running.finish();
  std::ranges::sort(folders, std::ranges::greater(), &engine::FolderUse::stored_bytes);
  if (context.console.json()) {
    for (const engine::FolderUse& folder : folders) context.console.print_json(folder_line(folder));
    return found.done();
  }
  Table table({{.title = "Stored", .align = Align::kRight},
               {.title = "Size", .align = Align::kRight},
               {.title = "Dedup", .align = Align::kRight},
               {.title = "Compr.", .align = Align::kRight},
               {.title = "Files", .align = Align::kRight},
               {.title = "Folder"}});
  for (const engine::FolderUse& folder : folders) {
    table.add({format_byte_size(folder.stored_bytes), format_byte_size(folder.bytes),
               ratio_text(folder.bytes, folder.unique_bytes),
               ratio_text(folder.unique_bytes, folder.stored_bytes), grouped(folder.files),
               printable(folder.path)});
  }
  context.console.print(table.render());
  return found.done();
}

Result<ExitCode> show_over_time(Context& context, const SnapshotChoice& choice) {
  const auto repository = TRY(open_repository(context));
  SnapshotList list = TRY(list_snapshots(context, *repository));
  Table table({{.title = "Time"},
               {.title = "Size", .align = Align::kRight},
               {.title = "New", .align = Align::kRight},
               {.title = "Stored", .align = Align::kRight},
               {.title = "Compr.", .align = Align::kRight},
               {.title = "Sum", .align = Align::kRight},
               {.title = "ID"}});
  std::uint64_t sum = 0;
  for (const repo::StoredSnapshot& stored : chosen(std::move(list.snapshots), choice)) {
    const snapshot::SnapshotStats& stats = stored.snapshot.stats;
    sum += stats.bytes_stored;
    if (context.console.json()) {
      context.console.print_json(point_line(stored, sum));
      continue;
    }
    table.add({format_local(stored.snapshot.started), format_byte_size(stats.bytes_total),
               format_byte_size(stats.bytes_added), format_byte_size(stats.bytes_stored),
               ratio_text(stats.bytes_added, stats.bytes_stored), format_byte_size(sum),
               stored.id.short_hex()});
  }
  if (!context.console.json()) context.console.print(table.render());
  return list.damaged.empty() ? ExitCode::kDone : ExitCode::kDamage;
}

}  // namespace backstay::cli
