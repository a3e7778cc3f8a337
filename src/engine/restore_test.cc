// What a restore makes: files, folders, links, holes, attributes, in windows of any size.
#include "engine/restore.h"

#include <gmock/gmock.h>

#include "engine/testing/restore_fixture.h"
#include "io/file.h"

namespace backstay::engine {
namespace {

using snapshot::Entry;
using snapshot::EntryType;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using RestoreTest = RestoreFixture;

TEST_F(RestoreTest, MakesFilesAndFoldersWithTheirAttributes) {
  add_folder("/home").mode = 0711;
  add_folder("/home/ann").mode = 0500;
  add_file("/home/ann/letter", "Dear Bob").mode = 0440;
  add_file("/home/ann/empty", "");
  finish();
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_restored, 2U);
  EXPECT_EQ(report.dirs_restored, 2U);
  EXPECT_EQ(report.bytes_written, 8U);
  EXPECT_EQ(report.bytes_total, 8U);
  EXPECT_THAT(names(), ElementsAre("/home", "/home/ann", "/home/ann/empty", "/home/ann/letter"));
  EXPECT_EQ(text_of("/home/ann/letter"), "Dear Bob");
  EXPECT_EQ(stat_of("/home").st_mode & 07777, 0711U);
  EXPECT_EQ(stat_of("/home/ann").st_mode & 07777, 0500U);
  EXPECT_EQ(stat_of("/home/ann/letter").st_mode & 07777, 0440U);
  for (const char* path : {"/home", "/home/ann", "/home/ann/letter", "/home/ann/empty"}) {
    EXPECT_EQ(stat_of(path).st_mtim.tv_sec, 1'600'000'000) << path;
    EXPECT_EQ(stat_of(path).st_mtim.tv_nsec, 123'456'789) << path;
  }
}

TEST_F(RestoreTest, WindowsOfAnySizeGiveTheSameTree) {
  std::map<std::string, std::string> texts;
  for (std::size_t i = 0; i < 60; ++i) {
    const std::string folder = "/d" + std::to_string(i % 7);
    add_folder(folder);
    const std::string path = folder + "/f" + std::to_string(i);
    // Every third repeats bytes of another, so that chunks are shared between files and within.
    texts[path] = noise(i * 137, i % 3 == 0 ? 5 : i) + (i % 5 == 0 ? noise(2500, 5) : "");
    add_file(path, texts[path]);
  }
  finish();
  for (const std::size_t pieces : {1U, 2U, 7U, 1000U}) {
    limits_.window_pieces = pieces;
    limits_.window_files = pieces;
    limits_.open_files = 1 + pieces % 3;
    limits_.open_folders = 1 + pieces % 2;
    options_.target = scratch_ / ("target" + std::to_string(pieces));
    restore_well();
    for (const auto& [path, text] : texts) {
      std::ifstream in(options_.target + path, std::ios::binary);
      const std::string got{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
      EXPECT_TRUE(got == text) << path << " with windows of " << pieces;
    }
  }
}

TEST_F(RestoreTest, LargeFileSpansManyWindowsAndListChunks) {
  const std::string text = noise(1'500'000, 3);
  const auto extents = store(text);
  MetadataWriter lists(*repository_, open_session());
  snapshot::ContentBuilder builder(lists);
  for (const auto& extent : extents) ASSERT_TRUE(builder.add(extent));
  Entry file = entry(EntryType::kFile);
  file.size_bytes = text.size();
  file.content = *builder.finish();
  ASSERT_GE(file.content.level, 1);
  add("/big", file);
  add_file("/after", "x");
  finish();
  limits_.window_pieces = 100;
  options_.verify = true;
  const RestoreReport report = restore_well();
  EXPECT_TRUE(text_of("/big") == text);
  EXPECT_EQ(report.bytes_written, text.size() + 1);
  EXPECT_EQ(report.bytes_verified, text.size() + 1);
  EXPECT_THAT(names(), ElementsAre("/after", "/big"));
}

TEST_F(RestoreTest, ReadsEveryFrameOnceInAWindow) {
  for (int i = 0; i < 30; ++i)
    add_file("/f" + std::to_string(i), noise(1000, static_cast<std::uint64_t>(i % 3)));
  finish();
  restore_well();  // reads the packs' headers
  options_.target = scratch_ / "again";
  const std::uint64_t before = faults_.calls();
  restore_well();
  // Three different chunks in three frames, the tree's page from the cache, the
  // lease: put, generations, remove.
  EXPECT_LE(faults_.calls() - before, 6U);
}

TEST_F(RestoreTest, KeepsHolesAndAllocatedZerosApart) {
  constexpr std::uint64_t kBlock = 64 << 10;
  auto extents = store(noise(kBlock, 1));
  extents.push_back(hole(10 * kBlock));
  extents.push_back(zeros(2 * kBlock));
  extents.push_back(hole(3 * kBlock));
  add_file_of("/sparse", extents);
  add_file_of("/zeros", {zeros(kBlock)});
  add_file_of("/hole", {hole(kBlock)});
  finish();
  options_.verify = true;
  restore_well();
  EXPECT_EQ(stat_of("/sparse").st_size, 16 * static_cast<off_t>(kBlock));
  EXPECT_EQ(stat_of("/hole").st_blocks, 0);
  const auto fd = io::open_file(at("/sparse"), io::OpenMode::kRead);
  ASSERT_TRUE(fd);
  std::vector<std::uint64_t> bounds;
  for (std::uint64_t at = 0; at < 16 * kBlock;) {
    const auto extent = *io::extent_at(fd->get(), at, 16 * kBlock);
    bounds.push_back(extent->offset);
    EXPECT_EQ(extent->hole, bounds.size() % 2 == 0);
    at += extent->length;
  }
  EXPECT_THAT(bounds, ElementsAre(0U, kBlock, 11 * kBlock, 13 * kBlock));
  const auto zero_file = io::open_file(at("/zeros"), io::OpenMode::kRead);
  EXPECT_FALSE((*io::extent_at(zero_file->get(), 0, kBlock))->hole);
}

TEST_F(RestoreTest, SparseFileOfATebibyteTakesNoSpace) {
  auto extents = store("start");
  extents.push_back(hole((1ULL << 40) - 10));
  for (const auto& extent : store("end..")) extents.push_back(extent);
  add_file_of("/disk", extents);
  finish();
  options_.verify = true;
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.bytes_written, 10U);
  EXPECT_EQ(stat_of("/disk").st_size, 1LL << 40);
  EXPECT_LT(stat_of("/disk").st_blocks, 1000);
}

TEST_F(RestoreTest, MakesSpecialFiles) {
  add("/link", entry(EntryType::kSymlink)).symlink_target = "/nowhere/../else";
  add("/pipe", entry(EntryType::kFifo)).mode = 0600;
  add("/socket", entry(EntryType::kSocket)).mode = 0700;
  finish();
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_restored, 3U);
  EXPECT_EQ(std::filesystem::read_symlink(at("/link")).string(), "/nowhere/../else");
  EXPECT_TRUE(S_ISFIFO(stat_of("/pipe").st_mode));
  EXPECT_TRUE(S_ISSOCK(stat_of("/socket").st_mode));
  EXPECT_EQ(stat_of("/link").st_mtim.tv_sec, 1'600'000'000);
}

TEST_F(RestoreTest, KeepsHardLinksAsLinks) {
  Entry file = add_file("/a/one", noise(9000, 1));
  file.inode = 11;
  file.device = 5;
  file.links = 4;
  for (const char* path : {"/a/one", "/a/two", "/b/three"}) add(path, file);
  Entry other = add_file("/b/other", "alone");
  other.inode = 12;
  other.device = 5;
  other.links = 2;  // its second name was not backed up
  add("/b/other", other);
  add_folder("/a");
  add_folder("/b");
  finish();
  for (const std::size_t pieces : {1U, 1000U}) {
    limits_.window_pieces = pieces;
    options_.target = scratch_ / ("target" + std::to_string(pieces));
    const RestoreReport report = restore_well();
    EXPECT_EQ(report.files_restored, 4U);
    EXPECT_EQ(report.bytes_written, 9005U);
    struct ::stat one {};
    struct ::stat three {};
    ASSERT_EQ(::lstat((options_.target + "/a/one").c_str(), &one), 0);
    ASSERT_EQ(::lstat((options_.target + "/b/three").c_str(), &three), 0);
    EXPECT_EQ(one.st_nlink, 3U);
    EXPECT_EQ(one.st_ino, three.st_ino);
    EXPECT_EQ(one.st_mtim.tv_sec, 1'600'000'000);
  }
}

TEST_F(RestoreTest, InodeNumberUsedAgainMakesNoLink) {
  Entry first = add_file("/first", "first file");
  first.inode = 11;
  first.links = 2;
  Entry second = add_file("/second", "other file");
  second.inode = 11;
  second.links = 2;
  add("/first", first);
  add("/second", second);
  finish();
  restore_well();
  EXPECT_EQ(text_of("/first"), "first file");
  EXPECT_EQ(text_of("/second"), "other file");
}

TEST_F(RestoreTest, SelectsBySubpath) {
  add_folder("/etc");
  add_folder("/etc/ssh").mode = 0711;
  add_file("/etc/ssh/config", "conf");
  add_file("/etc/sshd", "no");
  add_file("/etc/passwd", "root");
  finish();
  options_.subpath = "/etc/ssh";
  restore_well();
  EXPECT_THAT(names(), ElementsAre("/config"));
  EXPECT_EQ(stat_of("").st_mode & 07777, 0711U);

  options_.subpath = "/etc/passwd";
  options_.target = scratch_ / "one";
  restore_well();
  std::ifstream in(options_.target + "/passwd");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "root");
}

TEST_F(RestoreTest, MissingSubpathIsNotFoundAndMakesNothing) {
  add_file("/here", "x");
  finish();
  options_.subpath = "/gone";
  const auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(report.error().hint(), HasSubstr("backstay ls"));
  EXPECT_FALSE(std::filesystem::exists(target()));
}

TEST_F(RestoreTest, IncludesMakeOnlyTheFoldersTheyNeed) {
  for (const char* folder : {"/a", "/a/deep", "/a/deep/er", "/b", "/c"}) add_folder(folder);
  add_file("/a/deep/er/wanted.txt", "1");
  add_file("/a/deep/er/other.bin", "2");
  add_file("/a/top.bin", "3");
  add_file("/b/too.txt", "4");
  add_file("/c/none.bin", "5");
  finish();
  ASSERT_TRUE(options_.includes.add("*.txt", snapshot::Case::kSensitive));
  ASSERT_TRUE(options_.excludes.add("/b", snapshot::Case::kSensitive));
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_restored, 1U);
  EXPECT_THAT(names(), ElementsAre("/a", "/a/deep", "/a/deep/er", "/a/deep/er/wanted.txt"));
  EXPECT_EQ(stat_of("/a/deep").st_mtim.tv_sec, 1'600'000'000);
}

TEST_F(RestoreTest, OnlyWhatIsNamedIsMadeWithTheFoldersAbove) {
  for (const char* folder : {"/a", "/a/deep", "/ab", "/b"}) add_folder(folder);
  add_file("/a/deep/other.txt", "1");
  add_file("/a/deep/wanted.txt", "2");
  add_file("/ab/none.txt", "3");
  add_file("/b/too.txt", "4");
  finish();
  options_.only = {"/a/deep/wanted.txt", "/b"};
  EXPECT_EQ(restore_well().files_restored, 2U);
  EXPECT_THAT(names(), ElementsAre("/a", "/a/deep", "/a/deep/wanted.txt", "/b", "/b/too.txt"));
  EXPECT_EQ(stat_of("/a/deep").st_mtim.tv_sec, 1'600'000'000);
}

TEST_F(RestoreTest, TreesDeeperThanThePathLimitAreRestored) {
  std::string path;
  for (int i = 0; i < 400; ++i) {
    path += "/a-rather-long-name";
    add_folder(path);
  }
  add_file(path + "/bottom", "found");
  finish();
  limits_.open_folders = 8;
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.dirs_restored, 400U);
  EXPECT_EQ(report.files_restored, 1U);
  EXPECT_EQ(restore_well().files_unchanged, 1U);
}

TEST_F(RestoreTest, FoldersAboveThePathsMayBeMissingInTheTree) {
  add_file("/not/listed/file", "x");
  finish();
  restore_well();
  EXPECT_EQ(text_of("/not/listed/file"), "x");
}

TEST_F(RestoreTest, NothingIsWrittenWhenItCannotFit) {
  add_file_of("/huge", {zeros((1ULL << 62) - 1)});
  add_file("/small", "x");
  finish();
  const auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kNoSpace);
  EXPECT_FALSE(std::filesystem::exists(target()));
}

TEST_F(RestoreTest, AbsurdSparseSizeFailsThatFileAlone) {
  add_file_of("/absurd", {hole((1ULL << 62) - 1)});
  add_file("/fine", "x");
  finish();
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files_failed, 1U);
  EXPECT_THAT(trouble_paths(), ElementsAre("/absurd"));
  EXPECT_THAT(names(), ElementsAre("/fine"));
}

TEST_F(RestoreTest, DryRunChangesNothingAndSaysWhatItWould) {
  add_folder("/d");
  add_file("/d/new", noise(5000, 1));
  add_file("/d/same", "same");
  finish();
  options_.dry_run = true;
  const RestoreReport fresh = restore_well();
  EXPECT_EQ(fresh.files_restored, 2U);
  EXPECT_EQ(fresh.dirs_restored, 1U);
  EXPECT_EQ(fresh.bytes_total, 5004U);
  EXPECT_FALSE(std::filesystem::exists(target()));

  write("/d/same", "same");
  set_modified("/d/same", {1'600'000'000, 123'456'789});
  write("/d/extra", "x");
  options_.overwrite = Overwrite::kIfChanged;
  options_.delete_extra = true;
  const RestoreReport there = restore_well();
  EXPECT_EQ(there.files_restored, 1U);
  EXPECT_EQ(there.files_unchanged, 1U);
  EXPECT_EQ(there.files_deleted, 1U);
  EXPECT_THAT(names(), ElementsAre("/d", "/d/extra", "/d/same"));
}

TEST_F(RestoreTest, ShowsProgressUpToItsTotals) {
  for (int i = 0; i < 20; ++i) add_file("/f" + std::to_string(i), noise(2500, 1));
  add_file_of("/sparse", {hole(100'000)});
  finish();
  restore_well();
  EXPECT_EQ(progress_.files_total, 21U);
  EXPECT_EQ(progress_.files_done, 21U);
  EXPECT_EQ(progress_.bytes_total, 150'000U);
  EXPECT_EQ(progress_.bytes_done, 150'000U);
}

TEST_F(RestoreTest, LeaseIsTakenAndReleased) {
  add_file("/f", "x");
  finish();
  restore_well();
  for (const auto& [name, bytes] : memory_.objects()) EXPECT_FALSE(name.starts_with("leases/"));
}

TEST_F(RestoreTest, ReadOnlyRepositoryRestoresWithANote) {
  add_file("/f", "x");
  finish();
  faults_.limit_space(0);
  restore_well();
  EXPECT_EQ(text_of("/f"), "x");
  EXPECT_THAT(notes_, Contains(HasSubstr("without a lease")));
}

// Chosen from a listing, and forgotten before the lease was there that keeps what it needs.
TEST_F(RestoreTest, RefusesASnapshotThatWasForgottenMeanwhile) {
  add_file("/f", "x");
  finish();
  options_.id = snapshot::SnapshotId{};
  const auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(report.error().message(), HasSubstr("forgotten a moment ago"));
  EXPECT_FALSE(exists("/f"));
}

// ---- dump

class DumpTest : public RestoreFixture {
 protected:
  Result<void> dump_file(const std::string& path,
                         std::optional<snapshot::SnapshotId> id = std::nullopt) {
    Activity activity{.progress = progress_, .stop = stop_.get_token(), .report = {}, .note = {}};
    return dump(
        *repository_, snapshot_, {.path = path, .id = id},
        [this](ByteView bytes) -> Result<void> {
          out_.append(as_text(bytes));
          if (out_.size() < out_max_) return {};
          return fail(ErrorCode::kNoSpace, "enough");
        },
        activity);
  }
  std::string out_;
  std::size_t out_max_ = std::size_t{1} << 30;
};

TEST_F(DumpTest, RefusesASnapshotThatWasForgottenMeanwhile) {
  add_file("/f", "x");
  finish();
  EXPECT_EQ(dump_file("/f", snapshot::SnapshotId{}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(out_, "");
}

TEST_F(DumpTest, WritesTheBytesInOrder) {
  const std::string text = noise(60'000, 1);
  auto extents = store(text);
  extents.push_back(hole(3000));
  extents.push_back(zeros(2'000'000));
  for (const auto& extent : store("end")) extents.push_back(extent);
  add_file_of("/file", extents);
  finish();
  ASSERT_TRUE(dump_file("/file"));
  EXPECT_TRUE(out_ == text + std::string(2'003'000, '\0') + "end");
  EXPECT_EQ(progress_.bytes_done, out_.size());
}

TEST_F(DumpTest, RefusesWhatIsNoFile) {
  add_folder("/folder");
  finish();
  EXPECT_EQ(dump_file("/folder").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(dump_file("/gone").error().code(), ErrorCode::kNotFound);
}

TEST_F(DumpTest, StopsWithTheFailureOfTheWriter) {
  add_file("/file", noise(100'000, 1));
  finish();
  out_max_ = 5000;
  EXPECT_EQ(dump_file("/file").error().code(), ErrorCode::kNoSpace);
  EXPECT_LT(out_.size(), 10'000U);
}

TEST_F(DumpTest, DamagedFrameIsCorruption) {
  add_file("/file", noise(10'000, 1));
  finish();
  flip_bytes_of("data/", 3000);
  const auto dumped = dump_file("/file");
  ASSERT_FALSE(dumped);
  EXPECT_EQ(dumped.error().code(), ErrorCode::kCorruption);
}

TEST_F(DumpTest, StopsWhenAsked) {
  add_file("/file", noise(10'000, 1));
  finish();
  stop_.request_stop();
  EXPECT_EQ(dump_file("/file").error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace backstay::engine
