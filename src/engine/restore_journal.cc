#include "engine/restore_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/base64.h"
#include "base/try.h"
#include "json/json.h"
#include "json/reader.h"

namespace backstay::engine {
namespace {

constexpr std::uint64_t kRecordBytesMax = 64 << 10;
constexpr std::uint64_t kPathsBytesMax = std::uint64_t{4} << 30;
constexpr std::size_t kIdDigits = 16;
constexpr std::string_view kRecordEnd = ".json";

constexpr std::pair<RestoreStep, std::string_view> kSteps[] = {
    {RestoreStep::kSaving, "saving"},
    {RestoreStep::kRestoring, "restoring"},
    {RestoreStep::kDone, "done"},
    {RestoreStep::kPartial, "partial"},
};

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::unexpected<Error> no_record(std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("the record of a restore {}", what));
}

Result<RestoreStep> step_of(std::string_view text) {
  for (const auto& [step, name] : kSteps) {
    if (name == text) return step;
  }
  return no_record("has a step that this program does not know");
}

Result<Timestamp> time_of(const std::string& text) {
  // Written whole, so that nothing in it is relative.
  const Result<Timestamp> time = parse_time(text, Timestamp{});
  constexpr std::int64_t kYear10000 = 253'402'300'800;
  if (!time || time->seconds < 0 || time->seconds >= kYear10000)
    return no_record("has a time that is none");
  return *time;
}

// A file of the journal that must not be there yet, durable with its name.
Result<void> add_file(const std::string& folder, const std::string& name, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  TRY(io::create_file(folder + "/" + name, {&bytes, 1}, io::Durability::kSynced));
  return io::sync_directory(folder);
}

std::string encode_paths(const RestorePaths& paths) {
  std::string bytes = paths.target;
  bytes.push_back('\0');
  for (const std::string& place : paths.created) bytes.append(place).push_back('\0');
  return bytes;
}

// The number of a record's file, or nothing.
std::optional<std::uint64_t> number_of(std::string_view name) {
  if (!name.ends_with(kRecordEnd)) return std::nullopt;
  name.remove_suffix(kRecordEnd.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || number == 0) return std::nullopt;
  return number;
}

Result<std::uint64_t> last_number(const std::string& folder) {
  std::uint64_t last = 0;
  for (const std::string& name : TRY(io::list_directory(folder)))
    last = std::max(last, number_of(name).value_or(0));
  return last;
}

Result<io::Fd> open_lock(const std::string& folder) {
  return io::open_file(folder + "/lock", io::OpenMode::kRead);
}

Result<RestoreRecord> read_record(const std::string& folder, const std::string& id) {
  const std::uint64_t last = TRY(last_number(folder + "/" + id));
  if (last == 0) return no_record("is not there");
  const Bytes bytes =
      TRY(io::read_file(fmt::format("{}/{}/{}{}", folder, id, last, kRecordEnd), kRecordBytesMax));
  RestoreRecord record = TRY(decode_record(as_text(bytes)));
  if (record.id != id) return no_record("is that of another one");
  return record;
}

RestoreState state_of(const RestoreRecord& record, bool runs) {
  if (runs) return RestoreState::kRunning;
  if (!record.rolled_back_by.empty()) return RestoreState::kRolledBack;
  switch (record.step) {
    case RestoreStep::kSaving:
      return RestoreState::kNothingDone;
    case RestoreStep::kRestoring:
      return RestoreState::kInterrupted;
    case RestoreStep::kDone:
      return RestoreState::kComplete;
    case RestoreStep::kPartial:
      return RestoreState::kPartial;
  }
  return RestoreState::kInterrupted;
}

// What nobody holds does not run. Where a file system knows no locks, nobody can tell.
bool is_locked(const std::string& folder) {
  const Result<io::Fd> lock = open_lock(folder);
  if (!lock) return false;
  const Result<bool> mine = io::try_lock(lock->get(), io::FileLock::kShared);
  return mine && !*mine;
}

Result<KnownRestore> read_known(const std::string& folder, const std::string& id) {
  // Asked before: one that ends meanwhile is then shown as running, and not as interrupted.
  const bool runs = is_locked(folder + "/" + id);
  KnownRestore known;
  known.record = TRY(read_record(folder, id));
  known.state = state_of(known.record, runs);
  known.target = TRY(read_restore_paths(folder, id)).target;
  return known;
}

}  // namespace

std::string_view to_string(RestoreState state) {
  switch (state) {
    case RestoreState::kRunning:
      return "running";
    case RestoreState::kInterrupted:
      return "interrupted";
    case RestoreState::kNothingDone:
      return "nothing_done";
    case RestoreState::kComplete:
      return "complete";
    case RestoreState::kPartial:
      return "partial";
    case RestoreState::kRolledBack:
      return "rolled_back";
  }
  return "";
}

std::string encode_record(const RestoreRecord& record) {
  json::Json line = json::line_of("restore_record");
  line["version"] = 1;
  line["id"] = record.id;
  line["rollback_of"] = record.rollback_of;
  line["rolled_back_by"] = record.rolled_back_by;
  for (const auto& [step, name] : kSteps) {
    if (step == record.step) line["step"] = name;
  }
  line["started"] = format_rfc3339(record.started);
  if (record.ended) line["ended"] = format_rfc3339(*record.ended);
  line["repository_id"] = record.repository_id;
  json::put_text(line, "repository", record.repository);
  line["snapshot"] = record.snapshot;
  line["safety"] = record.safety;
  line["files_restored"] = record.files_restored;
  line["files_deleted"] = record.files_deleted;
  line["bytes_written"] = record.bytes_written;
  line["errors"] = record.errors;
  if (record.validated_bytes) line["validated_bytes"] = *record.validated_bytes;
  line["validation_errors"] = record.validation_errors;
  if (record.check_exit) line["check_exit"] = *record.check_exit;
  return json::to_line(line) + "\n";
}

Result<RestoreRecord> decode_record(std::string_view text) {
  RestoreRecord record;
  json::Reader reader(text);
  std::string step;
  std::string started;
  std::string ended;
  std::string exact;  // the repository, where it is no text
  std::uint64_t version = 0;
  std::uint64_t validated = 0;
  std::int64_t check_exit = 0;
  const std::pair<std::string_view, std::string*> texts[] = {
      {"id", &record.id},
      {"rollback_of", &record.rollback_of},
      {"rolled_back_by", &record.rolled_back_by},
      {"step", &step},
      {"started", &started},
      {"ended", &ended},
      {"repository_id", &record.repository_id},
      {"repository", &record.repository},
      {"repository_bytes", &exact},
      {"snapshot", &record.snapshot},
      {"safety", &record.safety}};
  const std::pair<std::string_view, std::uint64_t*> numbers[] = {
      {"version", &version},
      {"files_restored", &record.files_restored},
      {"files_deleted", &record.files_deleted},
      {"bytes_written", &record.bytes_written},
      {"errors", &record.errors},
      {"validation_errors", &record.validation_errors},
      {"validated_bytes", &validated}};
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    const auto is_key = [&](const auto& one) { return one.first == *key; };
    const auto* const as_string = std::ranges::find_if(texts, is_key);
    const auto* const as_number = std::ranges::find_if(numbers, is_key);
    if (as_string != std::end(texts)) {
      *as_string->second = TRY(reader.string());
    } else if (as_number != std::end(numbers)) {
      *as_number->second = TRY(reader.number());
      if (*key == "validated_bytes") record.validated_bytes = validated;
    } else if (*key == "check_exit") {
      check_exit = TRY(reader.signed_number());
      record.check_exit = check_exit;
    } else {
      TRY(reader.skip());
    }
  }
  TRY(reader.finish());
  if (version != 1) return no_record("is of another version");
  for (const std::string* const id : {&record.id, &record.rollback_of, &record.rolled_back_by}) {
    if (!is_hex(*id) || (!id->empty() && id->size() != kIdDigits)) return no_record("has no id");
  }
  if (record.id.empty() || !is_hex(record.safety) || !is_hex(record.snapshot))
    return no_record("has no proper id");
  record.step = TRY(step_of(step));
  record.started = TRY(time_of(started));
  if (!ended.empty()) record.ended = TRY(time_of(ended));
  if (exact.empty()) return record;
  const auto bytes = from_base64(exact);
  if (!bytes) return no_record("has no proper repository");
  record.repository = as_text(*bytes);
  return record;
}

Result<RestorePaths> decode_paths(std::string_view bytes) {
  RestorePaths paths;
  if (bytes.empty() || bytes.back() != '\0') return no_record("has no whole list of paths");
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\0');
    const std::string_view path = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    const bool is_target = paths.target.empty();
    // What is removed by this list must lie below the target and nowhere else.
    const std::string around = std::string(path) + "/";
    const bool is_place = path.starts_with('/') && around.find("//") == std::string::npos &&
                          around.find("/./") == std::string::npos &&
                          around.find("/../") == std::string::npos;
    if (!is_place && !(is_target && path == "/")) return no_record("names what is no path");
    if (is_target) {
      paths.target = path;
    } else {
      paths.created.emplace_back(path);
    }
  }
  return paths;
}

Result<std::unique_ptr<RestoreJournal>> RestoreJournal::begin(const std::string& folder,
                                                              RestoreRecord record,
                                                              const RestorePaths& paths, Rng& rng) {
  record.id = fmt::format("{:016x}", rng.next_u64());
  const std::string own = folder + "/" + record.id;
  TRY(io::make_directories(own, 0700));
  TRY(add_file(own, "lock", ""));
  io::Fd lock = TRY(open_lock(own));
  static_cast<void>(io::try_lock(lock.get(), io::FileLock::kExclusive));
  TRY(add_file(own, "paths", encode_paths(paths)));
  TRY(io::sync_directory(folder));
  auto journal = std::unique_ptr<RestoreJournal>(
      new RestoreJournal(own, std::move(record), std::move(lock), 1));
  TRY(journal->write(journal->record_));
  return journal;
}

Result<std::unique_ptr<RestoreJournal>> RestoreJournal::reopen(const std::string& folder,
                                                               const RestoreRecord& record) {
  const std::string own = folder + "/" + record.id;
  io::Fd lock = TRY(open_lock(own));
  const Result<bool> locked = io::try_lock(lock.get(), io::FileLock::kExclusive);
  if (locked && !*locked) {
    return std::unexpected(
        Error(ErrorCode::kConflict, fmt::format("the restore {} is running", record.id))
            .with_hint("Wait for its end, or end it with Ctrl-C, and run this again."));
  }
  const std::uint64_t last = TRY(last_number(own));
  return std::unique_ptr<RestoreJournal>(
      new RestoreJournal(own, record, std::move(lock), last + 1));
}

Result<void> RestoreJournal::write(RestoreRecord record) {
  TRY_DOING("writing the journal of the restore",
            add_file(folder_, fmt::format("{}{}", next_, kRecordEnd), encode_record(record)));
  ++next_;
  record_ = std::move(record);
  return {};
}

Result<KnownRestores> list_restores(const std::string& folder) {
  KnownRestores known;
  const auto names = io::list_directory(folder);
  if (!names) {
    if (names.error().code() == ErrorCode::kNotFound) return known;
    return std::unexpected(names.error().clone());
  }
  for (const std::string& name : *names) {
    if (name.size() != kIdDigits || !is_hex(name)) continue;
    // Killed before it wrote a word, and so before it did anything.
    if (last_number(folder + "/" + name).value_or(1) == 0) continue;
    Result<KnownRestore> one = read_known(folder, name);
    if (one) {
      known.restores.push_back(*std::move(one));
    } else {
      known.damaged.emplace_back(name, one.error().clone());
    }
  }
  std::ranges::sort(known.restores, [](const KnownRestore& a, const KnownRestore& b) {
    return std::tie(a.record.started, a.record.id) < std::tie(b.record.started, b.record.id);
  });
  return known;
}

Result<KnownRestore> find_restore(const std::string& folder, std::string_view which) {
  constexpr std::size_t kPrefixMin = 4;
  const bool latest = which == "latest";
  if (!latest && (!is_hex(which) || which.size() < kPrefixMin || which.size() > kIdDigits)) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("'{}' does not name a restore", which))
            .with_hint("Give latest, or at least 4 digits of an id: 'backstay restores' lists "
                       "them."));
  }
  KnownRestores known = TRY(list_restores(folder));
  const KnownRestore* found = nullptr;
  for (const KnownRestore& one : known.restores) {
    const bool open = one.state != RestoreState::kRolledBack &&
                      one.state != RestoreState::kNothingDone && one.record.rollback_of.empty();
    if (latest ? !open : !one.record.id.starts_with(which)) continue;
    if (found != nullptr && !latest) {
      return std::unexpected(
          Error(ErrorCode::kInvalidArgument, fmt::format("several restores begin with '{}'", which))
              .with_hint("Give more digits of the id."));
    }
    found = &one;
  }
  if (found != nullptr) return *found;
  for (auto& [id, error] : known.damaged) {
    if (!latest && id.starts_with(which))
      return std::unexpected(std::move(error).with_context("reading the journal of " + id));
  }
  return std::unexpected(
      Error(ErrorCode::kNotFound, fmt::format("no restore fits '{}'", which))
          .with_hint("'backstay restores' lists those that kept a safety snapshot."));
}

Result<RestorePaths> read_restore_paths(const std::string& folder, const std::string& id) {
  const Bytes bytes = TRY(io::read_file(folder + "/" + id + "/paths", kPathsBytesMax));
  return decode_paths(as_text(bytes));
}

}  // namespace backstay::engine
