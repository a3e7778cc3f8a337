#include "archive/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>

#include "base/assert.h"
#include "base/try.h"
#include "crypto/secret.h"

namespace backstay::archive {
namespace {

struct Name {
  std::string_view suffix;
  Format format;
};
constexpr std::array kNames{Name{"tar", Format::kTar},         Name{"tar.gz", Format::kTarGzip},
                            Name{"tar.zst", Format::kTarZstd}, Name{"zip", Format::kZip},
                            Name{"tgz", Format::kTarGzip},     Name{"tzst", Format::kTarZstd}};

// libarchive takes names for text of the thread's locale. In "C" it would refuse all but ASCII.
class Utf8Locale {
 public:
  Utf8Locale() : before_(::uselocale(shared())) {}
  ~Utf8Locale() { ::uselocale(before_); }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  // Null, which changes nothing, where the system lacks it.
  static locale_t shared() {
    static const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
  }
  locale_t before_;
};

struct CloseArchive {
  void operator()(struct archive* one) const { ::archive_write_free(one); }
};
struct CloseEntry {
  void operator()(struct archive_entry* one) const { ::archive_entry_free(one); }
};

mode_t file_type(MemberType type) {
  switch (type) {
    case MemberType::kFile:
    case MemberType::kHardLink:
      return S_IFREG;
    case MemberType::kFolder:
      return S_IFDIR;
    case MemberType::kSymlink:
      return S_IFLNK;
    case MemberType::kFifo:
      return S_IFIFO;
    case MemberType::kCharDevice:
      return S_IFCHR;
    case MemberType::kBlockDevice:
      return S_IFBLK;
  }
  return S_IFREG;
}

void describe(const Member& member, struct archive_entry* entry) {
  ::archive_entry_copy_pathname(entry, member.path.c_str());
  ::archive_entry_set_filetype(entry, file_type(member.type));
  ::archive_entry_set_perm(entry, member.mode & 07777);
  ::archive_entry_set_uid(entry, member.uid);
  ::archive_entry_set_gid(entry, member.gid);
  ::archive_entry_set_mtime(entry, member.modified.seconds,
                            static_cast<long>(member.modified.nanos));
  if (member.accessed) {
    ::archive_entry_set_atime(entry, member.accessed->seconds,
                              static_cast<long>(member.accessed->nanos));
  }
  ::archive_entry_set_size(
      entry, member.type == MemberType::kFile ? static_cast<la_int64_t>(member.size) : 0);
  if (member.type == MemberType::kSymlink)
    ::archive_entry_copy_symlink(entry, member.target.c_str());
  if (member.type == MemberType::kHardLink)
    ::archive_entry_copy_hardlink(entry, member.target.c_str());
  if (member.type == MemberType::kCharDevice || member.type == MemberType::kBlockDevice)
    ::archive_entry_set_rdev(entry, makedev(member.major, member.minor));
  for (const auto& [name, value] : member.attributes)
    ::archive_entry_xattr_add_entry(entry, name.c_str(), value.data(), value.size());
}

class Writer final : public ArchiveWriter {
 public:
  Writer(Format format, Write write)
      : format_(format), write_(std::move(write)), archive_(::archive_write_new()) {}

  Result<void> open(ByteView passphrase) {
    if (!archive_) return fail(ErrorCode::kNoSpace, "there is no memory for an archive");
    const Utf8Locale utf8;
    TRY(set_format());
    if (!passphrase.empty()) TRY(encrypt(passphrase));
    // A tape's blocks mean nothing here, and zeros behind a compressed end are refused by zstd.
    TRY(checked(::archive_write_set_bytes_in_last_block(archive_.get(), 1)));
    TRY(checked(
        ::archive_write_open2(archive_.get(), this, nullptr, &Writer::take, nullptr, nullptr)));
    return {};
  }

  Result<void> begin(const Member& member) override {
    ASSERT(can_hold(format_, member.type));
    const Utf8Locale utf8;
    const std::unique_ptr<struct archive_entry, CloseEntry> entry(::archive_entry_new());
    if (!entry) return fail(ErrorCode::kNoSpace, "there is no memory for a member");
    describe(member, entry.get());
    return checked(::archive_write_header(archive_.get(), entry.get()));
  }

  Result<void> write(ByteView bytes) override {
    while (!bytes.empty()) {
      const la_ssize_t wrote = ::archive_write_data(archive_.get(), bytes.data(), bytes.size());
      if (wrote <= 0) return failure();
      bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    }
    return {};
  }

  Result<void> finish() override {
    const Utf8Locale utf8;
    return checked(::archive_write_close(archive_.get()));
  }

 private:
  Result<void> set_format() {
    struct archive* const one = archive_.get();
    if (format_ == Format::kZip) {
      TRY(checked(::archive_write_set_format_zip(one)));
      return checked(::archive_write_set_options(one, "zip:hdrcharset=UTF-8"));
    }
    TRY(checked(::archive_write_set_format_pax(one)));
    if (format_ == Format::kTarGzip) {
      TRY(checked(::archive_write_add_filter_gzip(one)));
      // The same snapshot gives the same bytes.
      return checked(::archive_write_set_options(one, "gzip:!timestamp"));
    }
    if (format_ == Format::kTarZstd) return checked(::archive_write_add_filter_zstd(one));
    return {};
  }

  Result<void> encrypt(ByteView passphrase) {
    if (format_ != Format::kZip)
      return fail(ErrorCode::kInvalidArgument, "a tar archive has no encryption of its own");
    TRY(checked(::archive_write_set_options(archive_.get(), "zip:encryption=aes256")));
    std::string text(as_text(passphrase));
    auto set = checked(::archive_write_set_passphrase(archive_.get(), text.c_str()));
    crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return set;
  }

  // Warnings are about attributes that the format does not have, or a name that is no text.
  Result<void> checked(int code) {
    if (code == ARCHIVE_OK || code == ARCHIVE_WARN) return {};
    return failure();
  }

  Result<void> failure() {
    if (refused_) return std::unexpected(refused_->clone());
    const char* const why = ::archive_error_string(archive_.get());
    return fail(ErrorCode::kInternal,
                fmt::format("writing the archive: {}", why == nullptr ? "no reason given" : why));
  }

  static la_ssize_t take(struct archive* one, void* self, const void* bytes, std::size_t size) {
    Writer& writer = *static_cast<Writer*>(self);
    // What libarchive closes when it goes early is nobody's.
    if (writer.refused_) return -1;
    auto taken = writer.write_({static_cast<const std::uint8_t*>(bytes), size});
    if (taken) return static_cast<la_ssize_t>(size);
    ::archive_set_error(one, EIO, "not taken");
    writer.refused_ = std::move(taken).error();
    return -1;
  }

  const Format format_;
  const Write write_;
  std::optional<Error> refused_;                           // by who takes the bytes
  std::unique_ptr<struct archive, CloseArchive> archive_;  // last: it writes when it goes
};

}  // namespace

std::string_view suffix_of(Format format) {
  for (const Name& one : kNames)
    if (one.format == format) return one.suffix;
  return {};
}

std::optional<Format> format_of_name(std::string_view name) {
  for (const Name& one : kNames) {
    if (name.size() > one.suffix.size() && name.ends_with(one.suffix) &&
        name[name.size() - one.suffix.size() - 1] == '.')
      return one.format;
  }
  return std::nullopt;
}

bool can_hold(Format format, MemberType type) {
  if (format != Format::kZip) return true;
  return type == MemberType::kFile || type == MemberType::kFolder || type == MemberType::kSymlink;
}

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::open(Format format, Write write,
                                                           ByteView passphrase) {
  auto writer = std::make_unique<Writer>(format, std::move(write));
  TRY_DOING("beginning an archive", writer->open(passphrase));
  return writer;
}

}  // namespace backstay::archive
