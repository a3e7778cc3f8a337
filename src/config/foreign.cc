#include "config/foreign.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/try.h"
#include "config/schedule.h"

namespace backstay::config {
namespace {

std::string said(const Value& map, std::string_view key) {
  const Value* const found = map.find(key);
  return found != nullptr ? found->text : std::string();
}

const Value& section_of(const Value& map, std::string_view key) {
  static const Value kNone{.kind = Value::Kind::kMap};
  const Value* const found = map.find(key);
  return found != nullptr && found->kind == Value::Kind::kMap ? *found : kNone;
}

// The map below these keys, made where it is missing.
Value& made(Value& top, std::initializer_list<std::string_view> way) {
  Value* at = &top;
  for (const std::string_view key : way) {
    if (at->find(key) == nullptr)
      at->pairs.push_back({.key = std::string(key), .value = {.kind = Value::Kind::kMap}});
    at = at->find(key);
  }
  return *at;
}

void put(Value& map, std::string key, std::string text) {
  if (!text.empty())
    map.pairs.push_back({.key = std::move(key), .value = text_value(std::move(text))});
}

void put_plain(Value& map, std::string key, std::string text) {
  Value value = text_value(std::move(text));
  value.quoted = false;
  map.pairs.push_back({.key = std::move(key), .value = std::move(value)});
}

Value list_of_texts(const Value& value) {
  Value list{.kind = Value::Kind::kList};
  for (const Value* const one : texts_of(value)) list.items.push_back(text_value(one->text));
  return list;
}

std::optional<unsigned> count_in(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A name of ours: other characters become '-'.
std::string name_from(std::string_view text, const std::string& otherwise) {
  std::string name;
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
    name += good ? c : '-';
  }
  while (!name.empty() && (name[0] == '-' || name[0] == '.')) name.erase(0, 1);
  name = name.substr(0, 64);
  return name.empty() ? otherwise : name;
}

// "${NAME}" and nothing else.
std::optional<std::string> variable_in(std::string_view text) {
  if (!text.starts_with("${") || !text.ends_with('}')) return std::nullopt;
  const std::string_view name = text.substr(2, text.size() - 3);
  if (name.empty() || name.find_first_of("${}:") != name.npos) return std::nullopt;
  return std::string(name);
}

class Importer {
 public:
  Imported result{.top = {.kind = Value::Kind::kMap}, .notes = {}};

  void note(std::string text) { result.notes.push_back(std::move(text)); }
  Value& top() { return result.top; }
  Value& repository(const std::string& name) { return made(top(), {"repositories", name}); }
  Value& job(const std::string& name) { return made(top(), {"jobs", name}); }

  void begin() { put_plain(top(), "version", "1"); }

  void retention(Value& profile, const std::string& days) {
    const auto count = count_in(days);
    if (days.empty()) return;
    if (!count || *count == 0) {
      note(fmt::format("retention_days '{}' is no number of days, and was left out", days));
      return;
    }
    put(made(profile, {"forget"}), "keep_within", fmt::format("{}d", *count));
    made(profile, {"prune"});
  }
  // Kinds of backup that are about what is backed up are no types of ours.
  void type(Value& profile, const std::string& text) {
    if (text == "full" || text == "incremental" || text == "differential")
      put(made(profile, {"backup"}), "type", text);
    else if (!text.empty())
      note(fmt::format("a backup of type '{}' is one of the paths that it names here", text));
  }
  void cron(Value& profile, const std::string& text, const std::string& of) {
    if (text.empty()) return;
    if (parse_schedule(text))
      put(profile, "schedule", text);
    else
      note(
          fmt::format("the schedule '{}' of {} is no cron expression, and was left out", text, of));
  }
  void compression(Value& profile, const std::string& text) {
    if (text == "false" || text == "none" || text == "off")
      put(made(profile, {"backup"}), "compression", "off");
    else if (!text.empty())
      put(made(profile, {"backup"}), "compression", "auto");
  }
  void encryption(const std::string& enabled) {
    if (enabled == "false")
      note("encryption was off: make the repository with 'backstay init --encryption none'");
  }
  // Where the key of the other program was; its value is never copied.
  void password(Value& repository, const std::string& key) {
    if (repository.find("password") != nullptr) return;
    if (const auto variable = variable_in(key)) {
      put(repository, "password", "env:" + *variable);
      return;
    }
    put(repository, "password", "env:BACKSTAY_PASSWORD");
    if (!key.empty())
      note(
          "the encryption key that stands in the file is not copied: put it into a file of mode "
          "0600, and write password: file:PATH");
  }
};

// ---- [backup] backup_directory

// Every so many hours, as far as a calendar can say it.
std::string cron_of_hours(unsigned hours) {
  if (hours < 24 && 24 % hours == 0) return fmt::format("0 */{} * * *", hours);
  if (hours == 24) return "0 2 * * *";
  if (hours == 168) return "0 2 * * 0";
  return {};
}

void import_interval(Importer& importer, const Value& schedule, const std::string& type,
                     const std::string& hours) {
  const auto count = count_in(hours);
  if (hours.empty() || !count || *count == 0) return;
  Value& job = importer.job(type);
  put(job, "extends", "usual");
  importer.type(job, type);
  if (const Value* const sources = schedule.find("backup_sources"))
    made(job, {"backup"}).pairs.push_back({.key = "paths", .value = list_of_texts(*sources)});
  const std::string cron = cron_of_hours(*count);
  put(job, "schedule", cron.empty() ? "daily" : cron);
  if (cron.empty())
    importer.note(fmt::format("{} was every {} hours, which no calendar says: it is daily now",
                              type, *count));
}

Imported import_directory_form(const Value& top) {
  Importer importer;
  importer.begin();
  const Value& backup = section_of(top, "backup");
  const Value& local = section_of(section_of(top, "storage"), "local");
  Value& repository = importer.repository("local");
  const bool from_storage = !said(local, "base_path").empty() && said(local, "enabled") != "false";
  put(repository, "url",
      from_storage ? said(local, "base_path") : said(backup, "backup_directory"));
  if (from_storage && !said(backup, "backup_directory").empty() &&
      said(backup, "backup_directory") != said(local, "base_path"))
    importer.note("backup_directory was left out for the base_path of storage.local");
  importer.encryption(said(backup, "encryption_enabled"));
  const std::string key_file = said(backup, "encryption_key_file");
  if (!key_file.empty() && said(backup, "encryption_enabled") != "false")
    put(repository, "key", "file:" + key_file);
  else if (said(backup, "encryption_enabled") != "false")
    importer.password(repository, {});
  Value& usual = made(importer.top(), {"profiles", "usual"});
  put(usual, "repository", "local");
  if (const auto most = count_in(said(backup, "max_backups")); most && *most > 0) {
    put_plain(made(usual, {"forget"}), "keep_last", fmt::format("{}", *most));
    made(usual, {"prune"});
  }
  const Value& schedule = section_of(top, "schedule");
  import_interval(importer, schedule, "full", said(schedule, "full_backup_interval_hours"));
  import_interval(importer, schedule, "incremental",
                  said(schedule, "incremental_backup_interval_hours"));
  return std::move(importer.result);
}

// ---- backup.storage, by kinds

void import_stores(Importer& importer, const Value& storage) {
  for (const char* const kind : {"local", "s3", "azure"}) {
    const Value& store = section_of(storage, kind);
    if (store.pairs.empty()) continue;
    Value& repository = importer.repository(kind);
    const std::string region = said(store, "region");
    std::string url = said(store, "path");
    if (kind == std::string_view("s3"))
      url = fmt::format("s3://{}/{}", said(store, "bucket"),
                        region.empty() ? "" : "?region=" + region);
    else if (kind == std::string_view("azure"))
      url = fmt::format("azure://{}/", said(store, "container"));
    put(repository, "url", url);
    importer.password(repository, {});
    Value& profile = made(importer.top(), {"profiles", std::string("to-") + kind});
    put(profile, "repository", kind);
    importer.retention(profile, said(store, "retention_days"));
  }
}

void import_job(Importer& importer, const Value& storage, const Value& from, std::size_t number) {
  const std::string otherwise = fmt::format("job{}", number);
  std::string name =
      name_from(said(from, "name").empty() ? said(from, "id") : said(from, "name"), otherwise);
  const Value* const others = importer.top().find("jobs");
  if (others != nullptr && others->find(name) != nullptr) name = otherwise;
  Value& job = importer.job(name);
  const std::string destination = said(from, "destination");
  const bool known = !section_of(storage, destination).pairs.empty();
  if (known)
    put(job, "extends", "to-" + destination);
  else
    put(job, "repository", destination);
  importer.type(job, said(from, "type"));
  if (const Value* const source = from.find("source"))
    made(job, {"backup"}).pairs.push_back({.key = "paths", .value = list_of_texts(*source)});
  importer.compression(job, said(from, "compression"));
  importer.encryption(said(from, "encryption"));
  importer.retention(job, said(from, "retention_days"));
  if (said(from, "enabled") == "false")
    importer.note(fmt::format("{} was not enabled: it has no schedule here", name));
  else
    importer.cron(job, said(from, "schedule"), name);
}

Imported import_kinds_form(const Value& backup) {
  Importer importer;
  importer.begin();
  const Value& storage = section_of(backup, "storage");
  import_stores(importer, storage);
  if (const Value* const jobs = backup.find("jobs")) {
    for (std::size_t i = 0; i < jobs->items.size(); ++i)
      import_job(importer, storage, jobs->items[i], i + 1);
  }
  const Value& notifications = section_of(backup, "notifications");
  for (const Pair& pair : notifications.pairs) {
    if (said(pair.value, "enabled") != "false")
      importer.note(fmt::format(
          "notifications by {} have no place here: a job's hooks.on_failure can send them",
          pair.key));
  }
  return std::move(importer.result);
}

// ---- backup.storage, by keys

Imported import_defaults_form(const Value& backup) {
  Importer importer;
  importer.begin();
  const Value& storage = section_of(backup, "storage");
  const Value& encryption = section_of(backup, "encryption");
  const Value& defaults = section_of(backup, "defaults");
  const std::string bucket = said(storage, "s3_bucket");
  const std::string region = said(storage, "s3_region");
  if (!said(storage, "local_path").empty())
    put(importer.repository("local"), "url", said(storage, "local_path"));
  if (!bucket.empty())
    put(importer.repository("s3"), "url",
        fmt::format("s3://{}/{}", bucket, region.empty() ? "" : "?region=" + region));
  importer.encryption(said(encryption, "enabled"));
  if (Value* const all = importer.top().find("repositories")) {
    for (Pair& pair : all->pairs) {
      if (said(encryption, "enabled") != "false")
        importer.password(pair.value, said(encryption, "key"));
    }
  }
  Value& usual = made(importer.top(), {"profiles", "usual"});
  std::string location = said(defaults, "storage_location");
  if (location.empty()) location = bucket.empty() ? "local" : "s3";
  put(usual, "repository", location);
  importer.type(usual, said(defaults, "backup_type"));
  const Value& compression = section_of(backup, "compression");
  const bool off = said(compression, "enabled") == "false";
  const std::string algorithm = said(compression, "algorithm");
  if (off || !compression.pairs.empty()) importer.compression(usual, off ? "off" : "auto");
  if (!off && !algorithm.empty() && algorithm != "zstd")
    importer.note(fmt::format("compression is zstd here, and no {}", algorithm));
  importer.retention(usual, said(defaults, "retention_days"));
  for (const Pair& pair : section_of(backup, "limits").pairs)
    importer.note(fmt::format("{} has no place here", pair.key));
  put(importer.top(), "default_profile", "usual");
  return std::move(importer.result);
}

// ---- variables

void import_store_variables(Importer& importer, Value& repository, const Lookup& lookup) {
  const std::string type = lookup("BACKUP_STORAGE_TYPE").value_or("local");
  if (type != "s3") {
    put(repository, "url", "/var/backups/backstay");
    importer.note(
        fmt::format("no variable says where a repository of type '{}' is: look at its url", type));
    return;
  }
  std::string url = fmt::format("s3://{}/", lookup("BACKUP_S3_BUCKET").value_or("BUCKET"));
  if (const auto endpoint = lookup("BACKUP_S3_ENDPOINT"))
    url += fmt::format("?endpoint={}&path_style=1", *endpoint);
  put(repository, "url", url);
  Value& variables = made(repository, {"environment"});
  if (lookup("BACKUP_S3_ACCESS_KEY"))
    put(variables, "AWS_ACCESS_KEY_ID", "env:BACKUP_S3_ACCESS_KEY");
  if (lookup("BACKUP_S3_SECRET_KEY"))
    put(variables, "AWS_SECRET_ACCESS_KEY", "env:BACKUP_S3_SECRET_KEY");
}

}  // namespace

Result<Imported> import_variables(const Lookup& lookup) {
  constexpr std::array kNames{"BACKUP_STORAGE_TYPE",   "BACKUP_S3_ENDPOINT",
                              "BACKUP_S3_ACCESS_KEY",  "BACKUP_S3_SECRET_KEY",
                              "BACKUP_S3_BUCKET",      "BACKUP_SCHEDULE_ENABLED",
                              "BACKUP_SCHEDULE_CRON",  "BACKUP_RETENTION_DAYS",
                              "BACKUP_ENCRYPTION_KEY", "VERIFICATION_SCHEDULE"};
  if (std::ranges::none_of(kNames, [&](const char* name) { return lookup(name).has_value(); }))
    return fail(ErrorCode::kInvalidArgument, "none of the variables of that form is set");
  Importer importer;
  importer.begin();
  Value& repository = importer.repository("main");
  import_store_variables(importer, repository, lookup);
  importer.password(repository, lookup("BACKUP_ENCRYPTION_KEY") ? "${BACKUP_ENCRYPTION_KEY}" : "");
  Value& usual = made(importer.top(), {"profiles", "usual"});
  put(usual, "repository", "main");
  Value& job = importer.job("backup");
  put(job, "extends", "usual");
  made(job, {"backup"});
  importer.note("no variable says what is backed up: write paths below backup of the job");
  importer.retention(job, lookup("BACKUP_RETENTION_DAYS").value_or(""));
  if (lookup("BACKUP_SCHEDULE_ENABLED").value_or("true") != "false")
    importer.cron(job, lookup("BACKUP_SCHEDULE_CRON").value_or(""), "backup");
  if (const auto verification = lookup("VERIFICATION_SCHEDULE")) {
    Value& verify = importer.job("verify");
    put(verify, "extends", "usual");
    made(verify, {"check"});
    importer.cron(verify, *verification, "verify");
  }
  for (const char* const name :
       {"DISASTER_RECOVERY_ENABLED", "DR_AUTO_RECOVERY", "DR_RPO_MINUTES", "DR_RTO_MINUTES"}) {
    if (lookup(name)) importer.note(fmt::format("{} has no place here", name));
  }
  return std::move(importer.result);
}

Result<Imported> import_file(const Value& top) {
  const Value& backup = section_of(top, "backup");
  const Value& storage = section_of(backup, "storage");
  if (backup.find("backup_directory") != nullptr) return import_directory_form(top);
  for (const char* const kind : {"local", "s3", "azure"}) {
    if (storage.find(kind) != nullptr) return import_kinds_form(backup);
  }
  if (backup.find("jobs") != nullptr) return import_kinds_form(backup);
  if (storage.find("local_path") != nullptr || storage.find("s3_bucket") != nullptr)
    return import_defaults_form(backup);
  return fail(ErrorCode::kInvalidArgument, "this is none of the forms that are known");
}

// ---- YAML out

static std::string yaml_text(const Value& value) {
  if (!value.quoted) return value.text;
  std::string out = "\"";
  for (const char c : value.text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out + "\"";
}

static void write_yaml(const Value& value, std::size_t depth, std::string& out) {
  for (const Pair& pair : value.pairs) {
    out += std::string(2 * depth, ' ') + yaml_text(text_value(pair.key)) + ":";
    if (pair.value.kind == Value::Kind::kMap) {
      out += pair.value.pairs.empty() ? " {}\n" : "\n";
      write_yaml(pair.value, depth + 1, out);
    } else if (pair.value.kind == Value::Kind::kList) {
      out += " [";
      for (std::size_t i = 0; i < pair.value.items.size(); ++i)
        out += (i > 0 ? ", " : "") + yaml_text(pair.value.items[i]);
      out += "]\n";
    } else {
      out += " " + yaml_text(pair.value) + "\n";
    }
  }
}

std::string to_yaml(const Value& top) {
  std::string out;
  write_yaml(top, 0, out);
  return out;
}

}  // namespace backstay::config
