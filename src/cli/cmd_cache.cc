#include <fmt/format.h>

#include <algorithm>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/session.h"
#include "cli/table.h"
#include "io/file.h"
#include "json/json.h"
#include "repo/object.h"

namespace backstay::cli {
namespace {

struct Cache {
  std::string repository;  // its id
  std::string path;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

Result<void> add_up(const std::string& folder, Cache& cache) {
  for (const std::string& name : TRY(io::list_directory(folder))) {
    const std::string path = folder + "/" + name;
    const Result<io::FileInfo> info = io::file_info(path, io::Links::kStay);
    if (!info) continue;  // gone meanwhile
    if (info->is_directory) {
      TRY(add_up(path, cache));
    } else {
      ++cache.files;
      cache.bytes += info->size;
    }
  }
  return {};
}

Result<std::string> existing_folder(const Context& context) {
  std::string folder = cache_folder(context.options, context.environment);
  if (!folder.empty()) return folder;
  return std::unexpected(Error(ErrorCode::kInvalidArgument, "no cache folder is known")
                             .with_hint("Give it with --cache-dir or in BACKSTAY_CACHE_DIR."));
}

// Only folders that are called by a repository's id are caches; others are left alone.
Result<std::vector<Cache>> find_caches(const std::string& folder) {
  std::vector<Cache> caches;
  Result<std::vector<std::string>> names = io::list_directory(folder);
  if (!names && names.error().code() == ErrorCode::kNotFound) return caches;
  for (const std::string& name : TRY(std::move(names))) {
    if (!repo::RepositoryId::from_hex(name)) continue;
    Cache cache{.repository = name, .path = folder + "/" + name};
    TRY(add_up(cache.path, cache));
    caches.push_back(std::move(cache));
  }
  std::ranges::sort(caches, {}, &Cache::repository);
  return caches;
}

void print_cache(Console& console, const char* type, const Cache& cache) {
  json::Json line = json::line_of(type);
  line["repository"] = cache.repository;
  json::put_text(line, "path", cache.path);
  line["files"] = cache.files;
  line["bytes"] = cache.bytes;
  console.print_json(line);
}

Result<ExitCode> show_caches(Context& context) {
  const std::string folder = TRY(existing_folder(context));
  const std::vector<Cache> caches = TRY(find_caches(folder));
  Table table({{"Repository"}, {"Files", Align::kRight}, {"Size", Align::kRight}});
  for (const Cache& cache : caches) {
    if (context.console.json()) print_cache(context.console, "cache", cache);
    table.add({cache.repository, std::to_string(cache.files), format_byte_size(cache.bytes)});
  }
  if (context.console.json()) return ExitCode::kDone;
  if (caches.empty())
    context.console.note("there is nothing in " + folder);
  else
    context.console.print(table.render() + "in " + folder + "\n");
  return ExitCode::kDone;
}

Result<ExitCode> clear_caches(Context& context) {
  const std::string folder = TRY(existing_folder(context));
  std::uint64_t bytes = 0;
  const std::vector<Cache> caches = TRY(find_caches(folder));
  for (const Cache& cache : caches) {
    TRY_DOING("clearing the cache", io::remove_tree(cache.path));
    bytes += cache.bytes;
    if (context.console.json()) print_cache(context.console, "cache_cleared", cache);
  }
  if (context.console.json()) return ExitCode::kDone;
  context.console.print(fmt::format("removed {} ({}) from {}\n", counted(caches.size(), "cache"),
                                    format_byte_size(bytes), folder));
  return ExitCode::kDone;
}

}  // namespace

Command cache_command() {
  Command command{
      .name = "cache",
      .summary = "Show or clear the local copies of the index",
      .description =
          "The cache holds index runs, decrypted, so that they need not be fetched again. It "
          "can be removed at any time; the next command fills it again."};
  command.commands.push_back(
      {.name = "status", .summary = "Show what is cached", .description = {}, .run = show_caches});
  command.commands.push_back({.name = "clear",
                              .summary = "Remove the caches of all repositories",
                              .description = {},
                              .run = clear_caches});
  return command;
}

}  // namespace backstay::cli
