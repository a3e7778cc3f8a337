#include "io/file_system.h"

#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <cerrno>
#include <string_view>

#include "base/try.h"
#include "io/attributes.h"
#include "io/failure.h"
#include "io/node.h"

namespace backstay::io {
namespace {

struct KnownKind {
  std::uint32_t number = 0;  // statfs(2), linux/magic.h
  std::string_view name;
  bool ignores_case = false;
  bool keeps_attributes = true;
  std::uint64_t file_bytes_max = ~std::uint64_t{0};
};

constexpr KnownKind kKnownKinds[] = {
    {.number = 0x4d44,
     .name = "vfat",
     .ignores_case = true,
     .keeps_attributes = false,
     .file_bytes_max = 0xffff'ffff},
    {.number = 0x2011bab0, .name = "exfat", .ignores_case = true, .keeps_attributes = false},
    {.number = 0xff534d42, .name = "cifs", .ignores_case = true},
    {.number = 0xfe534d42, .name = "smb2", .ignores_case = true},
    {.number = 0x482b, .name = "hfsplus", .ignores_case = true},
};

// FS_CASEFOLD_FL.
constexpr std::uint32_t kIgnoresCaseFlag = 0x40000000;

bool folds_names(const std::string& folder) {
  const Result<Fd> fd = open_folder_path(folder);
  if (!fd) return false;
  const Result<std::uint32_t> flags = inode_flags(fd->get());
  return flags && (*flags & kIgnoresCaseFlag) != 0;
}

}  // namespace

Result<FileSystemFacts> file_system_facts(const std::string& folder) {
  struct statvfs vfs {};
  struct statfs kind {};
  if (::statvfs(folder.c_str(), &vfs) != 0 || ::statfs(folder.c_str(), &kind) != 0)
    return fail_io(errno, "looking at the file system of " + folder);
  FileSystemFacts facts;
  facts.free_bytes = std::uint64_t{vfs.f_bavail} * vfs.f_frsize;
  if (vfs.f_files > 0) facts.free_inodes = vfs.f_favail;
  facts.read_only = (vfs.f_flag & ST_RDONLY) != 0;
  for (const KnownKind& known : kKnownKinds) {
    if (static_cast<std::uint32_t>(kind.f_type) != known.number) continue;
    facts.name = known.name;
    facts.ignores_case = known.ignores_case;
    facts.keeps_attributes = known.keeps_attributes;
    facts.file_bytes_max = known.file_bytes_max;
  }
  facts.ignores_case = facts.ignores_case || folds_names(folder);
  return facts;
}

}  // namespace backstay::io
