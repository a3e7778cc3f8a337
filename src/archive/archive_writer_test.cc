#include "archive/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <locale.h>

#include <map>
#include <string>

namespace backstay::archive {
namespace {

ArchiveWriter::Write into(Bytes& out) {
  return [&out](ByteView bytes) -> Result<void> {
    append(out, bytes);
    return {};
  };
}

Member file(std::string path, std::uint64_t size) {
  Member member;
  member.path = std::move(path);
  member.mode = 0640;
  member.uid = 1234;
  member.gid = 4321;
  member.modified = {.seconds = 1'700'000'000, .nanos = 123'456'700};
  member.size = size;
  return member;
}

struct Read {
  std::string bytes;
  std::string target;
  mode_t mode = 0;
  Timestamp modified;
  std::map<std::string, std::string> attributes;
};

std::map<std::string, Read> read_back(const Bytes& bytes, const char* passphrase = nullptr) {
  std::map<std::string, Read> found;
  // Else libarchive hands out no names but those in ASCII.
  const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = ::uselocale(utf8);
  struct archive* const one = ::archive_read_new();
  ::archive_read_support_format_all(one);
  ::archive_read_support_filter_all(one);
  if (passphrase != nullptr) ::archive_read_add_passphrase(one, passphrase);
  EXPECT_EQ(::archive_read_open_memory(one, bytes.data(), bytes.size()), ARCHIVE_OK);
  struct archive_entry* entry = nullptr;
  while (::archive_read_next_header(one, &entry) == ARCHIVE_OK) {
    Read& read = found[::archive_entry_pathname(entry)];
    read.mode = ::archive_entry_mode(entry);
    read.modified = {.seconds = ::archive_entry_mtime(entry),
                     .nanos = static_cast<std::uint32_t>(::archive_entry_mtime_nsec(entry))};
    if (const char* const target = ::archive_entry_symlink(entry)) read.target = target;
    if (const char* const target = ::archive_entry_hardlink(entry)) read.target = target;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    ::archive_entry_xattr_reset(entry);
    while (::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
      read.attributes[name] = std::string(static_cast<const char*>(value), size);
    char buffer[1000];
    la_ssize_t got = 0;
    while ((got = ::archive_read_data(one, buffer, sizeof buffer)) > 0)
      read.bytes.append(buffer, static_cast<std::size_t>(got));
    EXPECT_EQ(got, 0) << ::archive_error_string(one);
  }
  ::archive_read_free(one);
  ::uselocale(before);
  ::freelocale(utf8);
  return found;
}

class EachFormat : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Archive, EachFormat,
                         ::testing::Values(Format::kTar, Format::kTarGzip, Format::kTarZstd,
                                           Format::kZip));

TEST_P(EachFormat, GivesBackWhatWasPutIn) {
  Bytes out;
  auto writer = ArchiveWriter::open(GetParam(), into(out)).value();
  Member folder = file("a", 0);
  folder.type = MemberType::kFolder;
  folder.mode = 0750;
  ASSERT_TRUE(writer->begin(folder).has_value());
  const std::string name = "a/\xe5\xa4\x87\xe4\xbb\xbd.txt";
  ASSERT_TRUE(writer->begin(file(name, 300'000)).has_value());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer->write(Bytes(100'000, 'x')).has_value());
  ASSERT_TRUE(writer->begin(file("a/empty", 0)).has_value());
  Member link = file("a/link", 0);
  link.type = MemberType::kSymlink;
  link.target = "../else where";
  ASSERT_TRUE(writer->begin(link).has_value());
  ASSERT_TRUE(writer->finish().has_value());

  auto found = read_back(out);
  EXPECT_EQ(found.size(), 4U);
  EXPECT_EQ(found[name].bytes, std::string(300'000, 'x'));
  EXPECT_EQ(found[name].mode & 07777, 0640U);
  EXPECT_EQ(found[name].modified.seconds, 1'700'000'000);
  EXPECT_EQ(found["a/empty"].bytes, "");
  EXPECT_EQ(found["a/link"].target, "../else where");
}

TEST(Archive, OfTarKeepsNamesThatAreNoTextTimesLinksAndAttributes) {
  Bytes out;
  auto writer = ArchiveWriter::open(Format::kTar, into(out)).value();
  const Bytes value = {'1', 0, '2'};
  Member first = file("n\xff", 1);
  first.attributes = {{"user.origin", value}};
  ASSERT_TRUE(writer->begin(first).has_value());
  ASSERT_TRUE(writer->write(as_bytes("x")).has_value());
  Member second = file("second", 0);
  second.type = MemberType::kHardLink;
  second.target = "n\xff";
  ASSERT_TRUE(writer->begin(second).has_value());
  Member fifo = file("fifo", 0);
  fifo.type = MemberType::kFifo;
  ASSERT_TRUE(writer->begin(fifo).has_value());
  ASSERT_TRUE(writer->finish().has_value());
  auto found = read_back(out);
  EXPECT_EQ(found["n\xff"].bytes, "x");
  EXPECT_EQ(found["n\xff"].modified.nanos, 123'456'700U);
  EXPECT_EQ(found["n\xff"].attributes["user.origin"], std::string("1\0"
                                                                  "2",
                                                                  3));
  EXPECT_EQ(found["second"].target, "n\xff");
  EXPECT_TRUE(S_ISFIFO(found["fifo"].mode));
}

TEST(Archive, OfZipIsEncryptedWithAPassphrase) {
  Bytes out;
  auto writer = ArchiveWriter::open(Format::kZip, into(out), as_bytes("secret")).value();
  ASSERT_TRUE(writer->begin(file("a", 11)).has_value());
  ASSERT_TRUE(writer->write(as_bytes("plain words")).has_value());
  ASSERT_TRUE(writer->finish().has_value());
  EXPECT_EQ(as_text(out).find("plain words"), std::string_view::npos);
  EXPECT_EQ(read_back(out, "secret")["a"].bytes, "plain words");
  EXPECT_EQ(ArchiveWriter::open(Format::kTar, into(out), as_bytes("x")).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST(Archive, EndsWithTheFailureOfWhoTakesItsBytes) {
  // Not of a ZIP: libarchive (3.6) forgets what it compresses with when that fails in a file.
  for (const Format format : {Format::kTar, Format::kTarGzip, Format::kTarZstd}) {
    std::size_t room = 50'000;
    auto writer = ArchiveWriter::open(format, [&](ByteView bytes) -> Result<void> {
      if (bytes.size() > room) return fail(ErrorCode::kNoSpace, "full");
      room -= bytes.size();
      return {};
    });
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE((*writer)->begin(file("a", 4'000'000)).has_value());
    Bytes noise(1'000'000);
    std::uint32_t state = 1;
    for (std::uint8_t& one : noise)
      one = static_cast<std::uint8_t>((state = state * 69069 + 1) >> 24);
    Result<void> wrote;
    for (int i = 0; i < 4 && wrote; ++i) wrote = (*writer)->write(noise);
    if (wrote) wrote = (*writer)->finish();
    EXPECT_EQ(wrote.error().code(), ErrorCode::kNoSpace);
  }
}

TEST(Archive, IsKnownByTheEndOfItsName) {
  EXPECT_EQ(format_of_name("/a/b.tar.gz"), Format::kTarGzip);
  EXPECT_EQ(format_of_name("b.tgz"), Format::kTarGzip);
  EXPECT_EQ(format_of_name("b.zip"), Format::kZip);
  EXPECT_EQ(format_of_name("b.tar.zst"), Format::kTarZstd);
  EXPECT_EQ(format_of_name("zip"), std::nullopt);
  EXPECT_EQ(format_of_name("unzip"), std::nullopt);
  EXPECT_EQ(format_of_name("b.rar"), std::nullopt);
}

}  // namespace
}  // namespace backstay::archive
