#include "config/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backstay::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const UnitWorld kWorld{.program = "/usr/bin/backstay",
                       .config_path = "/etc/my $b\"100%/c.yaml",
                       .variables = {{"HOME", "/root/$x%"}}};

PlannedJob job_named(const std::string& name) {
  return {.name = name,
          .description = "50%\nof all",
          .schedule = parse_schedule("30 2 * * *").value(),
          .random_delay_seconds = 900};
}

TEST(Units, RunTheJobAtItsTime) {
  const std::string service = service_unit(job_named("home"), kWorld);
  EXPECT_THAT(service, StartsWith(unit_mark(kWorld.config_path) + "\n"));
  EXPECT_THAT(service, HasSubstr("\nDescription=Backup job home: 50%% of all\n"));
  EXPECT_THAT(service, HasSubstr("\nExecStart=\"/usr/bin/backstay\" --config "
                                 "\"/etc/my $$b\\\"100%%/c.yaml\" --no-progress run \"home\"\n"));
  EXPECT_THAT(service, HasSubstr("\nEnvironment=\"HOME=/root/$x%%\"\n"));
  const std::string timer = timer_unit(job_named("home"), kWorld);
  EXPECT_THAT(timer, HasSubstr("\nOnCalendar=*-*-* 02:30:00\nRandomizedDelaySec=900\n"
                               "Persistent=true\n"));
}

TEST(Crontab, KeepsTheLinesOfOthers) {
  const std::string others = "# mine\n0 0 * * * true\n# BEGIN backstay /other.yaml\n";
  const UnitWorld world{.program = "/b", .config_path = "/it's/100%.yaml"};
  const std::string once = crontab_with(others, {job_named("a"), job_named("b")}, world).value();
  EXPECT_EQ(once, others +
                      "# BEGIN backstay /it's/100%.yaml\n"
                      "30 2 * * * '/b' --config '/it'\\''s/100'\\%'.yaml' --quiet --no-progress "
                      "run 'a'\n"
                      "30 2 * * * '/b' --config '/it'\\''s/100'\\%'.yaml' --quiet --no-progress "
                      "run 'b'\n"
                      "# END backstay /it's/100%.yaml\n");
  EXPECT_EQ(crontab_with(once, {job_named("a"), job_named("b")}, world).value(), once);
  EXPECT_EQ(crontab_with(once + "# more\n", {}, world).value(), others + "# more\n");
  EXPECT_EQ(crontab_with(others, {}, world).value(), others);
  EXPECT_EQ(crontab_with("x", {job_named("a")}, world).value().substr(0, 2), "x\n");
}

TEST(Crontab, IsLeftAloneWhereAMarkHasNoEnd) {
  const UnitWorld world{.program = "/b", .config_path = "/c"};
  EXPECT_FALSE(crontab_with("# BEGIN backstay /c\n0 0 * * * x\n", {}, world).has_value());
}

}  // namespace
}  // namespace backstay::config
