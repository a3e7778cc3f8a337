// The part of LocalBackend that refuses: append-only mode and retention.
#include <fmt/format.h>

#include "backend/folder_layout.h"
#include "backend/local_backend.h"
#include "backend/local_retention.h"
#include "base/try.h"
#include "io/attributes.h"
#include "io/file.h"
#include "io/machine.h"
#include "io/metadata.h"
#include "io/node.h"

namespace backstay::backend {
namespace {

std::string marker_in(const std::string& root) {
  return fmt::format("{}/{}", root, kAppendOnlyMarker);
}

}  // namespace

bool LocalBackend::is_append_only() const {
  const auto marker = io::file_info(marker_in(root_), io::Links::kStay);
  return marker.has_value() || marker.error().code() != ErrorCode::kNotFound;
}

// Tried once; a process does not gain the right later.
bool LocalBackend::makes_immutable() const {
  const MutexLock lock(mutex_);
  if (!makes_immutable_) makes_immutable_ = may_make_immutable(root_);
  return *makes_immutable_;
}

// A crash before the flag is set leaves an object that only programs keep; set_append_only() sets
// it again.
void LocalBackend::keep_if_append_only(std::string_view name) const {
  if (may_go_from_append_only(name) || !is_append_only() || !makes_immutable()) return;
  const auto fd = io::open_file(path_of(name), io::OpenMode::kReadObject);
  if (fd) static_cast<void>(make_immutable(fd->get()));
}

Result<void> LocalBackend::retain(std::string_view name, Timestamp until) {
  TRY(validate_name(name));
  if (!keeps_attributes_) return Backend::retain(name, until);
  const std::string path = path_of(name);
  const io::Fd fd = TRY(io::open_file(path, io::OpenMode::kReadObject));
  auto extended = extend_retention(fd.get(), until);
  if (!extended && extended.error().code() == ErrorCode::kPermissionDenied) {
    extended = std::unexpected(std::move(extended).error().with_hint(
        "Only the user that the file belongs to keeps it longer, and only root where the kernel "
        "keeps it already."));
  }
  TRY_DOING("keeping " + path, std::move(extended));
  if (makes_immutable()) make_immutable(fd.get());
  const MutexLock lock(mutex_);
  attributes_unsynced_ = true;
  return {};
}

Result<std::optional<Timestamp>> LocalBackend::retention(std::string_view name) {
  TRY(validate_name(name));
  const std::string path = path_of(name);
  const io::Fd fd = TRY(io::open_file(path, io::OpenMode::kReadObject));
  return TRY_DOING("reading until when " + path + " is kept", read_retention(fd.get()));
}

// What is no regular file has no retention; what must go takes its flag along.
Result<void> LocalBackend::allow_removal(std::string_view name, const std::string& path) {
  if (!may_go_from_append_only(name) && is_append_only()) return refuse_append_only(root_, name);
  const auto fd = io::open_file(path, io::OpenMode::kReadObject);
  if (!fd && fd.error().code() == ErrorCode::kNotFound) return {};
  if (!fd) return std::unexpected(judge_access(fd.error().clone()));
  const auto until = TRY_DOING("removing " + path, read_retention(fd->get()));
  if (until) {
    Result<Timestamp> now = store_time();
    if (!now && now.error().code() == ErrorCode::kNoSpace) now = SystemClock().now();
    if (TRY(std::move(now)) < *until) return refuse_retained(root_, name, *until);
  }
  auto cleared = io::clear_protection(fd->get());
  if (cleared) return {};
  return std::unexpected(
      std::move(cleared)
          .error()
          .with_context("removing " + path)
          .with_hint("The kernel keeps it (the immutable flag): root removes it."));
}

// ---- the mode

// Where a folder is shared, others may write into it, but what it is stays the owner's decision.
Result<void> LocalBackend::require_owner() const {
  const io::FileStatus status = TRY(io::full_status_of_path(root_));
  const std::uint32_t self = io::effective_user();
  if (self == 0 || self == status.uid) return {};
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied, fmt::format("{} belongs to another user", root_))
          .with_hint("Its owner, or root, decides whether it is append-only."));
}

Result<void> LocalBackend::make_marker() {
  const std::string path = marker_in(root_);
  const ByteView text = as_bytes(kAppendOnlyText);
  const auto made = io::create_file(path, {&text, 1}, io::Durability::kSynced);
  if (!made && made.error().code() != ErrorCode::kAlreadyExists)
    return std::unexpected(made.error().clone());
  TRY(io::sync_directory(root_));
  if (!makes_immutable()) return {};
  const auto fd = io::open_file(path, io::OpenMode::kReadObject);
  if (fd) static_cast<void>(make_immutable(fd->get()));
  return {};
}

Result<void> LocalBackend::remove_marker() {
  const io::Fd folder = TRY(io::open_folder_path(root_));
  TRY_DOING("removing " + marker_in(root_),
            io::remove_non_folder_at(folder.get(), std::string(kAppendOnlyMarker)));
  return io::sync_directory(root_);
}

Result<void> LocalBackend::protect_all() {
  if (!makes_immutable()) return {};
  return list("", [&](const ObjectInfo& info) -> Result<void> {
    if (may_go_from_append_only(info.name)) return {};
    const auto fd = io::open_file(path_of(info.name), io::OpenMode::kReadObject);
    if (fd) static_cast<void>(make_immutable(fd->get()));
    return {};
  });
}

// What is retained keeps its flag until its time has come.
Result<void> LocalBackend::unprotect_all() {
  const Timestamp now = TRY(store_time());
  return list("", [&](const ObjectInfo& info) -> Result<void> {
    const std::string path = path_of(info.name);
    const auto fd = io::open_file(path, io::OpenMode::kReadObject);
    if (!fd && fd.error().code() == ErrorCode::kNotFound) return {};
    if (!fd) return std::unexpected(fd.error().clone());
    if (!is_immutable(fd->get())) return {};
    const auto until = read_retention(fd->get());
    if (!until || (*until && now < **until)) return {};
    TRY_DOING("giving " + path + " free", io::clear_protection(fd->get()));
    return {};
  });
}

// The marker first when it comes and last when it goes: what is cut in between is append-only, and
// the command run again ends it.
Result<void> LocalBackend::set_append_only(AppendOnly mode) {
  TRY(require_owner());
  if (mode == AppendOnly::kOn) {
    TRY(make_marker());
    TRY(protect_all());
  } else {
    if (!is_append_only()) return {};
    TRY(unprotect_all());
    TRY(remove_marker());
  }
  return io::sync_file_system(root_);
}

Result<Keeping> LocalBackend::keeping() {
  Keeping found;
  TRY(list("", [&](const ObjectInfo& info) -> Result<void> {
    if (may_go_from_append_only(info.name)) return {};
    ++found.objects;
    const auto fd = io::open_file(path_of(info.name), io::OpenMode::kReadObject);
    if (fd && is_immutable(fd->get())) ++found.by_store;
    return {};
  }));
  return found;
}

}  // namespace backstay::backend
