#include <fcntl.h>
#include <gtest/gtest.h>

#include "cli/console.h"
#include "cli/duration.h"
#include "cli/output_text.h"
#include "cli/progress_line.h"
#include "cli/source_paths.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "io/file.h"
#include "io/testing/temporary_folder.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

TEST(Printable, ShowsWhatATerminalWouldObey) {
  EXPECT_EQ(printable("/plain/caf\xC3\xA9 \xE6\x97\xA5"), "/plain/caf\xC3\xA9 \xE6\x97\xA5");
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "\\u{9b}31m")
      << "the eight-bit form of ESC [";
  EXPECT_EQ(printable("gpj.\xE2\x80\xAE"
                      "exe"),
            "gpj.\\u{202e}exe");
  EXPECT_EQ(printable("bad\xFF\xC3"), "bad\\xff\\xc3");
  EXPECT_EQ(printable("a\\nb"), "a\\\\nb") << "not the same as a line end";
}

TEST(Printable, KeepsLinesOfMessages) {
  EXPECT_EQ(printable_message("one\ntwo \\ \x1b[2J"), "one\ntwo \\ \\x1b[2J");
}

TEST(BackupText, CountsFilesThatChangedApartFromThoseThatCouldNotBeRead) {
  engine::BackupReport report;
  report.id = snapshot::SnapshotId{};
  report.snapshot.status = snapshot::Status::kPartial;
  const auto said = [&](std::uint64_t errors, std::uint64_t changed) {
    report.snapshot.stats.errors = errors;
    report.changed_while_read = changed;
    const std::string text = backup_text(report, false, 1);
    const std::size_t but = text.find(", but ");
    return but == std::string::npos ? text : text.substr(but);
  };
  EXPECT_EQ(said(2, 2), ", but 2 files changed while being read\n");
  EXPECT_EQ(said(2, 0), ", but 2 items could not be read\n");
  EXPECT_EQ(said(3, 1), ", but 2 items could not be read, and 1 file changed while being read\n");
}

TEST(Table, AlignsColumnsByWidthOnTheTerminal) {
  Table table({{"Name"}, {"Size", Align::kRight}, {"Path"}});
  table.add({"a", "5 B", "/x\n/yy"});
  table.add({"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", "1.000 KiB", ""});
  EXPECT_EQ(table.render(),
            "Name         Size  Path\n"
            "-----------------------\n"
            "a             5 B  /x\n"
            "                   /yy\n"
            "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E  1.000 KiB\n");
}

TEST(Table, PutsFactsBelowOneAnother) {
  EXPECT_EQ(render_facts({{"files", "1"}, {"a longer name", "2"}}),
            "files:          1\na longer name:  2\n");
}

TEST(Shorten, KeepsBothEndsAndWholeCharacters) {
  EXPECT_EQ(shorten("abcdefghij", 10), "abcdefghij");
  EXPECT_EQ(shorten("abcdefghij", 7), "abc…hij");
  EXPECT_EQ(shorten("abcdefghij", 1), "…");
  EXPECT_EQ(shorten("abc", 0), "");
  for (std::size_t columns = 0; columns < 12; ++columns) {
    EXPECT_LE(
        display_width(shorten("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E/\xC3\xA9\xC3\xA9", columns)),
        columns);
  }
}

TEST(Wrap, BreaksBetweenWordsOnly) {
  EXPECT_EQ(wrap("one two  three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("incomprehensible", 4), (std::vector<std::string>{"incomprehensible"}));
  EXPECT_EQ(wrap("", 4), (std::vector<std::string>{""}));
}

TEST(Numbers, AreGroupedAndDurationsReadLikeClocks) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(format_duration(7.4), "0:07");
  EXPECT_EQ(format_duration(754), "12:34");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(-1), "0:00");
  EXPECT_EQ(counted(1, "file"), "1 file");
  EXPECT_EQ(counted(1200, "file"), "1,200 files");
}

TEST(Durations, AreReadWithUnits) {
  EXPECT_EQ(parse_duration("90")->count(), 90);
  EXPECT_EQ(parse_duration("30m")->count(), 1800);
  EXPECT_EQ(parse_duration("1h30m")->count(), 5400);
  EXPECT_EQ(parse_duration("2d")->count(), 172800);
  for (const std::string_view text :
       {"", "0", "0s", "m", "1h30", "-5m", "5y", "1 h", "99999999999999999999s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(ProgressText, ShowsWhatIsKnown) {
  ProgressState state{.seconds = 12,
                      .files_done = 1234,
                      .bytes_done = 512ULL << 20,
                      .bytes_per_second = 64.0 * (1 << 20),
                      .current = "/a/b"};
  EXPECT_EQ(progress_text(state, 120), "[0:12] 512.0 MiB, 1,234 files, 64.00 MiB/s  /a/b");
  state.bytes_total = 1ULL << 30;
  state.files_total = 2000;
  state.errors = 2;
  EXPECT_EQ(progress_text(state, 120),
            "[0:12] 50.0%  512.0 MiB of 1.000 GiB, 1,234 of 2,000 files, 64.00 MiB/s, 0:08 left, 2 "
            "errors  /a/b");
}

TEST(ProgressText, NeverIsWiderThanTheTerminalAndNeverCarriesControlCharacters) {
  ProgressState state{.seconds = 1,
                      .files_done = 1,
                      .bytes_done = 10,
                      .bytes_total = 5,
                      .bytes_per_second = 1,
                      .current = "/evil\x1b]0;x\x07/" + std::string(300, 'x')};
  for (std::size_t columns = 1; columns < 200; ++columns) {
    const std::string line = progress_text(state, columns);
    EXPECT_LE(display_width(line), columns);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
}

TEST(Permissions, AreThoseOfLs) {
  snapshot::Entry entry;
  entry.mode = 0644;
  EXPECT_EQ(permissions_text(entry), "-rw-r--r--");
  entry.mode = 04755;
  EXPECT_EQ(permissions_text(entry), "-rwsr-xr-x");
  entry.type = snapshot::EntryType::kDirectory;
  entry.mode = 01777;
  EXPECT_EQ(permissions_text(entry), "drwxrwxrwt");
  entry.mode = 07000;
  EXPECT_EQ(permissions_text(entry), "d--S--S--T");
}

TEST(PathLists, LeaveOutCommentsAndBlankLines) {
  EXPECT_EQ(lines_of_list("/a\n\n# no\n  /b c \r\n/d"),
            (std::vector<std::string>{"/a", "/b c", "/d"}));
  EXPECT_EQ(names_of_raw_list(std::string_view(" /a\n\0/b\0\0", 9)),
            (std::vector<std::string>{" /a\n", "/b"}));
}

TEST(PathLists, ExpandPatternsOnlyWhereSomethingFits) {
  const io::TemporaryFolder folder;
  for (const char* const name : {"one.txt", "two.txt", "three"}) {
    const ByteView nothing;
    ASSERT_TRUE(io::create_file(folder / name, {&nothing, 1}, io::Durability::kUnsynced));
  }
  EXPECT_EQ(expand_glob(folder / "*.txt").size(), 2U);
  EXPECT_EQ(expand_glob(folder / "*.doc"), (std::vector<std::string>{folder / "*.doc"}));
}

// ---- the console, on files instead of terminals

class ConsoleOutput : public testing::Test {
 protected:
  ConsoleOutput()
      : out_(::open((folder_ / "out").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)),
        messages_(::open((folder_ / "messages").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {}
  std::string read(const std::string& name) {
    return std::string(as_text(*io::read_file(folder_ / name, 1 << 20)));
  }
  Console make() {
    return Console({.out = out_.get(), .messages = messages_.get()}, clock_, stop_);
  }

  io::TemporaryFolder folder_;
  io::Fd out_;
  io::Fd messages_;
  SystemClock clock_;
  std::stop_source stop_;
};

TEST_F(ConsoleOutput, SaysErrorsWithTheirHint) {
  Console console = make();
  console.error(Error(ErrorCode::kNotFound, "no such\x1b thing")
                    .with_context("opening it")
                    .with_hint("Look elsewhere."));
  EXPECT_EQ(read("messages"), "backstay: opening it: no such\\x1b thing\nhint: Look elsewhere.\n");
  EXPECT_EQ(read("out"), "");
}

TEST_F(ConsoleOutput, SaysMessagesAsJsonLinesWhereAskedTo) {
  Console console = make();
  console.set_style({.log_format = LogFormat::kJson});
  console.error(Error(ErrorCode::kNotFound, "no").with_hint("Do."));
  const json::Json line = json::Json::parse(read("messages"));
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["message"], "no");
  EXPECT_EQ(line["hint"], "Do.");
  console.say_plainly("usage\n");
  EXPECT_EQ(read("messages").find("usage"), std::string::npos);
}

TEST_F(ConsoleOutput, IsQuietButNeverAboutErrors) {
  Console console = make();
  console.set_style({.quiet = true});
  console.note("note");
  console.detail("detail");
  EXPECT_EQ(read("messages"), "");
  console.warning("warning");
  EXPECT_EQ(read("messages"), "backstay: warning\n");
}

TEST_F(ConsoleOutput, TakesTheProgressLineAwayBeforeAMessage) {
  Console console = make();
  console.draw_progress("50%");
  console.warning("trouble");
  console.draw_progress("");
  EXPECT_EQ(read("messages"), "\r\x1b[K50%\r\x1b[Kbackstay: trouble\n");
}

TEST_F(ConsoleOutput, ReportsAFullDisk) {
  const io::Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  Console console({.out = full.get(), .messages = messages_.get()}, clock_, stop_);
  console.print("result\n");
  const Result<void> flushed = console.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code(), ErrorCode::kNoSpace);
}

TEST_F(ConsoleOutput, AsksToStopWhenNobodyReadsAnyMore) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const io::Fd in(ends[1]);
  io::Fd(ends[0]).reset();
  ::signal(SIGPIPE, SIG_IGN);
  Console console({.out = in.get(), .messages = messages_.get()}, clock_, stop_);
  console.print("result\n");
  const Result<void> flushed = console.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code(), ErrorCode::kCancelled);
  EXPECT_TRUE(stop_.stop_requested());
}

}  // namespace
}  // namespace backstay::cli
