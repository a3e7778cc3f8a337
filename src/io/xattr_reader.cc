#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/try.h"
#include "io/attributes.h"
#include "io/metadata.h"
#include "io/node.h"
#include "io/system_call.h"

namespace backstay::io {
namespace {

// The kernel's XATTR_LIST_MAX and XATTR_SIZE_MAX: no list and no value is longer.
constexpr std::size_t kXattrBytesMax = std::size_t{64} * 1024;
// Tried first: the kernel allocates what it is offered, and 64 KiB take it half a microsecond
// longer.
constexpr std::size_t kUsualListBytes = 1024;

// getxattrat and listxattrat came with Linux 6.13; the numbers are the same on all architectures
// but Alpha.
constexpr long kGetxattrat = 464;
constexpr long kListxattrat = 465;
struct XattrArgs {
  std::uint64_t value;
  std::uint32_t size;
  std::uint32_t flags;
};

}  // namespace

// Where the attributes are, in one of three ways to say it.
struct XattrReader::Place {
  enum class How : std::uint8_t { kFd, kName, kPath } how = How::kFd;
  int fd = -1;                 // kFd: the file; kName: the folder
  const char* name = nullptr;  // kName: in the folder; kPath: an absolute path

  [[nodiscard]] ssize_t list(MutableByteView out) const {
    auto* const text = reinterpret_cast<char*>(out.data());
    switch (how) {
      case How::kFd:
        return ::flistxattr(fd, text, out.size());
      case How::kName:
        return ::syscall(kListxattrat, fd, name, AT_SYMLINK_NOFOLLOW, text, out.size());
      case How::kPath:
        return ::llistxattr(name, text, out.size());
    }
    return -1;
  }
  [[nodiscard]] ssize_t get(const char* attribute, Bytes& out) const {
    switch (how) {
      case How::kFd:
        return ::fgetxattr(fd, attribute, out.data(), out.size());
      case How::kName: {
        XattrArgs args{reinterpret_cast<std::uintptr_t>(out.data()),
                       static_cast<std::uint32_t>(out.size()), 0};
        return ::syscall(kGetxattrat, fd, name, AT_SYMLINK_NOFOLLOW, attribute, &args, sizeof args);
      }
      case How::kPath:
        return ::lgetxattr(name, attribute, out.data(), out.size());
    }
    return -1;
  }
};

XattrReader::Listing XattrReader::list(const Place& place) {
  if (names_.empty()) names_.resize(kUsualListBytes);
  ssize_t listed = place.list(MutableByteView(names_).first(kUsualListBytes));
  if (listed < 0 && errno == ERANGE) {
    names_.resize(kXattrBytesMax);
    listed = place.list(names_);
  }
  return {listed, listed < 0 ? errno : 0};
}

Result<void> XattrReader::read_listed(const Place& place, Listing listing,
                                      std::vector<NamedValue>& out) {
  out.clear();
  if (listing.length == 0 || listing.error == EOPNOTSUPP) return {};
  if (listing.length < 0) return fail_call(listing.error, "listing the extended attributes");
  if (value_.empty()) value_.resize(kXattrBytesMax);
  Result<void> outcome;
  const auto length = static_cast<std::size_t>(listing.length);
  const std::string_view names = as_text(ByteView(names_).first(length));
  for (std::size_t at = 0; at < names.size();) {
    const std::string_view name = names.substr(at, names.find('\0', at) - at);
    at += name.size() + 1;
    const std::optional<std::string_view> acl = acl_shown_twice(name);
    if (name.empty() || (acl && names.find(*acl) != names.npos)) continue;
    const ssize_t got = place.get(name.data(), value_);
    if (got >= 0) {
      const ByteView value = ByteView(value_).first(static_cast<std::size_t>(got));
      out.push_back({std::string(name), to_owned(value)});
    } else if (errno != ENODATA && outcome) {  // ENODATA: removed since it was listed
      outcome = fail_call(errno, "reading the extended attribute " + quoted(name));
    }
  }
  std::ranges::sort(out, {}, &NamedValue::name);
  const auto repeated = std::ranges::unique(out, {}, &NamedValue::name);
  out.erase(repeated.begin(), repeated.end());
  return outcome;
}

Result<void> XattrReader::read(int fd, std::vector<NamedValue>& out) {
  const Place place{Place::How::kFd, fd, nullptr};
  return read_listed(place, list(place), out);
}

Result<void> XattrReader::read_at(int folder, const char* name, std::vector<NamedValue>& out) {
  if (has_xattrat_) {
    const Place place{Place::How::kName, folder, name};
    const Listing listing = list(place);
    // Old kernels do not know the call; some containers answer EPERM to what they do not know.
    has_xattrat_ = listing.error != ENOSYS && listing.error != EPERM;
    if (has_xattrat_) return read_listed(place, listing, out);
  }
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder, name);
  const Place place{Place::How::kPath, -1, path.c_str()};
  return read_listed(place, list(place), out);
}

}  // namespace backstay::io
