// Configuration files, which a person writes, in YAML or TOML by the first byte.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "config/file.h"
#include "config/schedule.h"
#include "config/units.h"

using namespace backstay;

namespace {

config::Rule rule() {
  config::Vocabulary vocabulary;
  vocabulary.settings.emplace_back("threads", config::Rule{});
  config::Rule backup{.kind = config::Rule::Kind::kSection};
  backup.add("paths", {.kind = config::Rule::Kind::kTexts});
  vocabulary.sections.emplace_back("backup", std::move(backup));
  return config::file_rule(vocabulary);
}

void use(const config::Value& value) {
  const config::Lookup none = [](std::string_view) { return std::optional<std::string>(); };
  for (const config::Value* const text : config::texts_of(value)) {
    ASSERT(config::expand(text->text, none).has_value() ==
           config::unset_variables(text->text, none).empty());
    static_cast<void>(config::without_password(text->text));
  }
  for (const config::Pair& pair : value.pairs) use(pair.value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > config::kFileBytesMax) return 0;
  const std::string_view text = as_text({data + 1, size - 1});
  static const config::Rule known = rule();
  const auto read = config::File::read(text, data[0] % 2 == 0 ? "f.yaml" : "f.toml", known);
  if (!read.file || !read.problems.empty()) return 0;
  static_cast<void>(read.file->holds_secrets());
  for (const auto kind : {config::ProfileKind::kProfile, config::ProfileKind::kJob}) {
    for (const std::string& name : read.file->names(kind)) {
      const auto profile = read.file->profile(name);
      ASSERT(profile.has_value() && profile->value.find("extends") == nullptr);
      use(profile->value);
      const config::Value* const said = profile->value.find("schedule");
      const auto schedule = said != nullptr ? config::read_schedule(*said)
                                            : Result<config::Schedule>(config::Schedule());
      if (said == nullptr || !schedule) continue;
      const config::UnitWorld world{.program = name, .config_path = name};
      const config::PlannedJob job{.name = name, .description = {}, .schedule = *schedule};
      ASSERT(!config::calendar_events(*schedule).empty());
      const std::string table = config::crontab_with("", {job}, world).value();
      ASSERT(config::crontab_with(table, {}, world).value().empty());
    }
  }
  return 0;
}
