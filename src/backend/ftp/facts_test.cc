#include "backend/ftp/facts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace backstay::backend::ftp {
namespace {

using remote::Kind;

TEST(FtpFacts, ReadsAListForPrograms) {
  const auto entries = parse_machine_list(
                           "modify=20261122171318;perm=flcdmpe;type=cdir;UNIX.mode=0755; .\r\n"
                           "modify=20261122171318;type=pdir; ..\r\n"
                           "Type=dir;Modify=20261122171318.123; sub\r\n"
                           "modify=20261122171318;size=18446744073709551615;type=file; with blank\n"
                           "type=OS.unix=slink:/etc/passwd; link\r\n"
                           "type=file;size=0; /srv/x/full\r\n")
                           .value();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].name, "sub");
  EXPECT_EQ(entries[0].kind, Kind::kFolder);
  EXPECT_EQ(entries[0].modified, (Timestamp{1795367598, 0}));
  EXPECT_EQ(entries[1].name, "with blank");
  EXPECT_EQ(entries[1].kind, Kind::kFile);
  EXPECT_EQ(entries[1].size_bytes, ~std::uint64_t{0});
  EXPECT_EQ(entries[2].kind, Kind::kOther);
  EXPECT_EQ(entries[3].name, "full");
  EXPECT_FALSE(entries[3].modified.has_value());
  EXPECT_TRUE(parse_machine_list("").value().empty());
}

TEST(FtpFacts, RefusesAListThatMakesNoSenseOrDoesNotEnd) {
  for (const char* const text :
       {"type=file;size=1; a", "type=file;size=1; \n", "type=file;size=1;\n", "size=1; a\n",
        "type=file;size=-1; a\n", "type=file;size=; a\n", "nonsense; a\n", "a\n",
        "type=file;modify=2026; a\n", "type=file;modify=20261322171318; a\n",
        "type=file;modify=20261122171318x; a\n", "type=file;modify=2026112217131x; a\n"}) {
    const auto entries = parse_machine_list(text);
    ASSERT_FALSE(entries.has_value()) << text;
    EXPECT_EQ(entries.error().code(), ErrorCode::kCorruption) << text;
  }
}

TEST(FtpFacts, ReadsWhatIsSaidOfOneFile) {
  const auto entry =
      parse_machine_reply(
          "250-Start of list\n modify=20261122171318;size=6;type=file; /srv/a\n250 End")
          .value();
  EXPECT_EQ(entry.kind, Kind::kFile);
  EXPECT_EQ(entry.size_bytes, 6U);
  EXPECT_EQ(entry.name, "");
  EXPECT_FALSE(parse_machine_reply("250 End").has_value());
  EXPECT_FALSE(parse_machine_reply("250-Start\n250 End").has_value());
}

TEST(FtpFacts, ReadsNamesWithAndWithoutTheirFolder) {
  EXPECT_EQ(parse_names("/srv/.\r\n/srv/..\r\n/srv/.dot\r\n/srv/a\r\nb\n").value(),
            (std::vector<std::string>{".dot", "a", "b"}));
  EXPECT_TRUE(parse_names("").value().empty());
  EXPECT_TRUE(names_itself("/srv/.\r\n/srv/..\r\n"));
  EXPECT_FALSE(names_itself("/srv/..\r\n/srv/.a\r\n"));
  EXPECT_FALSE(parse_names("a\r\nb").has_value()) << "it does not end";
  EXPECT_FALSE(parse_names("a/\r\n").has_value());
}

TEST(FtpFacts, ReadsSizesTimesAndFeatures) {
  EXPECT_EQ(parse_size_reply("213 1234").value(), 1234U);
  EXPECT_EQ(parse_time_reply("213 19941106084937").value(), (Timestamp{784111777, 0}));
  for (const char* const text : {"", "213", "213 ", "550 x", "213 1 2", "213 x"}) {
    EXPECT_FALSE(parse_size_reply(text).has_value()) << text;
    EXPECT_FALSE(parse_time_reply(text).has_value()) << text;
  }
  constexpr std::string_view kReply = "211-Features:\n EPRT\n MLST size*;modify*;\n UTF8\n211 End";
  EXPECT_TRUE(has_feature(kReply, "MLST"));
  EXPECT_TRUE(has_feature(kReply, "utf8"));
  EXPECT_FALSE(has_feature(kReply, "ML"));
  EXPECT_FALSE(has_feature("", "MLST"));
}

TEST(FtpFacts, ReadsTenThousandLines) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += fmt::format("type=file;size={}; {}\r\n", i, i);
  EXPECT_EQ(parse_machine_list(text)->size(), 10'000U);
}

}  // namespace
}  // namespace backstay::backend::ftp
