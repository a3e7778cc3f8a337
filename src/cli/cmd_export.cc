#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/passphrase.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/source_paths.h"
#include "cli/text_layout.h"
#include "crypto/secret.h"
#include "engine/export.h"
#include "engine/select.h"
#include "io/terminal.h"
#include "io/whole_file.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

constexpr const char* kPasswordVariable = "BACKSTAY_EXPORT_PASSWORD";

struct ExportArguments {
  std::string snapshot;
  SnapshotChoice choice;
  Patterns includes;
  Patterns excludes;
  archive::Format format = archive::Format::kTar;
  bool format_is_given = false;
  std::string output;
  bool encrypt = false;
  std::string password_file;
};

[[nodiscard]] bool to_standard_output(const ExportArguments& arguments) {
  return arguments.output.empty() || arguments.output == "-";
}

Error usage(const std::string& message, const std::string& hint) {
  return Error(ErrorCode::kInvalidArgument, message).with_hint(hint);
}

// Before anything is asked of the repository.
Result<archive::Format> settle(const Context& context, const ExportArguments& arguments) {
  if (to_standard_output(arguments)) {
    if (context.console.json()) {
      return std::unexpected(usage("--json and an archive on standard output do not go together",
                                   "Name a file with --output."));
    }
    if (context.console.streams().out_is_terminal) {
      return std::unexpected(usage("an archive is not written to a terminal",
                                   "Name a file with --output, or pipe it to a program."));
    }
  }
  if (!arguments.encrypt && !arguments.password_file.empty()) {
    return std::unexpected(
        usage("--export-password-file is of use with --encrypt only", "Add --encrypt."));
  }
  std::string_view name = arguments.output;
  if (name.ends_with(".age")) name.remove_suffix(std::string_view(".age").size());
  if (arguments.format_is_given) return arguments.format;
  return archive::format_of_name(name).value_or(archive::Format::kTar);
}

Result<std::string> password_for(const Context& context, const ExportArguments& arguments) {
  const std::stop_token stop = context.stop.get_token();
  if (!arguments.password_file.empty()) return read_secret_file(arguments.password_file, stop);
  if (const auto given = context.environment.get(kPasswordVariable)) return *given;
  const auto ask = [&](const char* prompt) -> Result<std::string> {
    Result<Bytes> typed = io::read_passphrase(prompt, stop);
    if (!typed && typed.error().code() == ErrorCode::kNotFound) {
      return std::unexpected(
          Error(ErrorCode::kNotFound,
                "the password of the archive is not given, and there is no terminal to ask on")
              .with_hint(
                  fmt::format("Give it with --export-password-file or in {}.", kPasswordVariable)));
    }
    if (!typed) return std::unexpected(std::move(typed).error());
    std::string text(as_text(*typed));
    crypto::wipe(*typed);
    return text;
  };
  std::string first = TRY(ask("password for the archive: "));
  if (first != TRY(ask("once more: ")))
    return fail(ErrorCode::kInvalidArgument, "the two passwords differ");
  return first;
}

void print_result(Context& context, const ExportArguments& arguments, archive::Format format,
                  const engine::ExportReport& report, double seconds) {
  Console& console = context.console;
  if (console.json()) {
    json::Json line = json::line_of("summary");
    line["format"] = archive::suffix_of(format);
    line["encrypted"] = arguments.encrypt;
    json::put_text(line, "output", arguments.output);
    line["files"] = report.files;
    line["dirs"] = report.dirs;
    line["bytes_files"] = report.bytes_files;
    line["bytes_written"] = report.bytes_written;
    line["not_held"] = report.not_held;
    line["errors"] = report.errors;
    line["seconds"] = seconds;
    console.print_json(line);
  } else if (!context.options.quiet) {
    const std::string told = fmt::format(
        "exported {} and {}, {}, as {} in {}{}", counted(report.files, "file"),
        counted(report.dirs, "folder"), format_byte_size(report.bytes_files),
        format_byte_size(report.bytes_written), format_duration(seconds),
        report.errors > 0 ? fmt::format(", {} left out", counted(report.errors, "item")) : "");
    if (to_standard_output(arguments)) {
      console.note(told);
    } else {
      console.print(told + "\n");
    }
  }
}

Result<ExitCode> export_from_place(Context& context, const ExportArguments& arguments,
                                   archive::Format format, const std::string& password) {
  const auto repository = TRY(open_repository(context));
  const engine::SnapshotArgument argument = engine::parse_snapshot_argument(arguments.snapshot);
  const FoundSnapshot found =
      TRY(find_snapshot(context, *repository, arguments.choice, argument.which, PassOver::kRefuse));
  repository->store().expect_transfers();
  TRY(load_index(context, *repository));
  engine::ExportOptions options;
  options.id = found.stored.id;
  options.subpath = argument.subpath;
  options.includes = arguments.includes.filter;
  options.excludes = arguments.excludes.filter;
  options.format = format;
  options.passphrase = password;
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  std::optional<io::WholeFile> file;
  if (!to_standard_output(arguments)) file.emplace(TRY(io::WholeFile::create(arguments.output)));
  Running running(context);
  const engine::ExportReport report = TRY(engine::export_to_archive(
      *repository, found.stored.snapshot, options, context.rng,
      [&](ByteView bytes) -> Result<void> {
        if (file) return file->write(bytes);
        context.console.print_bytes(bytes);
        return context.console.flush();
      },
      running.activity()));
  if (file) TRY(file->finish());
  running.finish();
  print_result(context, arguments, format, report, running.seconds());
  return report.errors > 0 ? ExitCode::kPartial : found.done();
}

Result<ExitCode> run_export(Context& context, const ExportArguments& arguments) {
  const archive::Format format = TRY(settle(context, arguments));
  std::string password;
  if (arguments.encrypt) {
    password = TRY(password_for(context, arguments));
    if (password.empty()) return fail(ErrorCode::kInvalidArgument, "the password is empty");
  }
  return read_from_places(
      context,
      [&](Context& place) { return export_from_place(place, arguments, format, password); },
      to_standard_output(arguments) ? ResultsAre::kBytes : ResultsAre::kLines);
}

Option format_option(ExportArguments& to) {
  using archive::Format;
  Option format = choice<Format>("-f,--format", "FORMAT", to.format,
                                 {{"tar", Format::kTar},
                                  {"tar.gz", Format::kTarGzip},
                                  {"tar.zst", Format::kTarZstd},
                                  {"zip", Format::kZip}},
                                 "else by the end of the file's name, else tar");
  format.set = [&to, set = std::move(format.set)](std::string_view word) -> Result<void> {
    to.format_is_given = true;
    return set(word);
  };
  return format;
}

std::vector<Option> export_options(ExportArguments& to) {
  std::vector<Option> options;
  options.push_back(format_option(to));
  options.push_back(place("-o,--output", "FILE", to.output,
                          "a new file, which appears when it is whole; else standard output"));
  options.push_back(
      flag("--encrypt", to.encrypt,
           "with a password of the archive's own: a tar in the format of age (opened "
           "by 'age -d'), the files of a ZIP by AES-256 (opened by 7-Zip; names stay readable)"));
  Option password = place("--export-password-file", "FILE", to.password_file,
                          "a file with the password of the archive; else it is asked for");
  password.environment = kPasswordVariable;
  password.environment_use = EnvironmentUse::kDocumented;
  options.push_back(std::move(password));
  append_pattern_options(options, "include", "-i,", to.includes, "only what fits this pattern");
  append_pattern_options(options, "exclude", "-e,", to.excludes,
                         "leave out what fits this pattern");
  append_choice_options(options, to.choice);
  return options;
}

}  // namespace

Command export_command() {
  const auto arguments = std::make_shared<ExportArguments>();
  SetValue set_snapshot = [arguments](std::string_view which) -> Result<void> {
    arguments->snapshot = which;
    return {};
  };
  return {
      .name = "export",
      .summary = "Write a snapshot, or a part of it, as a tar or zip archive",
      .description =
          "Any machine opens the archive without Backstay. A tar keeps owners, modes, times to the "
          "nanosecond, hard links, devices and extended attributes; a ZIP keeps files, folders and "
          "symbolic links. Members have their paths without the first '/'; of SNAP:SUBPATH they "
          "begin below SUBPATH. Nothing is written to a temporary place: the archive is made as "
          "its bytes come out of the repository.\n\n"
          "What the repository has lost is named and left out, and the exit code is 3. When damage "
          "is met in the middle of a file the export fails, and no file is left behind.",
      .examples = {{"backstay export latest:/srv/app -o app.tar.zst", "One folder, as a file"},
                   {"backstay export latest --format tar | ssh host tar -x -C /srv",
                    "Straight to another machine"},
                   {"backstay export latest -o all.tar.age --encrypt",
                    "Encrypted; 'age -d all.tar.age | tar -x' brings it back"},
                   {"backstay export @2026-11-01 -f zip --include '*.odt' > odt.zip",
                    "Some files of that day"}},
      .arguments = {{.name = "SNAP[:SUBPATH]",
                     .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                     .arity = Arity::kOne,
                     .set = set_snapshot}},
      .options = export_options(*arguments),
      .run = [arguments](Context& context) { return run_export(context, *arguments); }};
}

}  // namespace backstay::cli
