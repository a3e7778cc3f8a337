#include "cli/job_lock.h"

#include <fmt/format.h>

#include <array>

#include "base/try.h"
#include "crypto/hash.h"
#include "io/machine.h"
#include "io/node.h"

namespace backstay::cli {
namespace {

std::vector<std::string> lock_folders() {
  const std::string own = fmt::format("/tmp/backstay-{}", io::effective_user());
  return io::is_superuser() ? std::vector<std::string>{"/run/backstay", own}
                            : std::vector<std::string>{own};
}

// In a folder that nobody else can have put there: a link in /tmp would lead elsewhere.
Result<io::Fd> open_lock(const std::string& folder, const std::string& name) {
  TRY(io::make_directories(folder));
  if (!TRY(io::file_info(folder, io::Links::kStay)).is_directory)
    return fail(ErrorCode::kPermissionDenied, folder + " is no folder");
  const io::Fd place = TRY(io::open_folder_path(folder));
  auto file = io::create_regular_at(place.get(), name, 0600);
  if (!file && file.error().code() == ErrorCode::kAlreadyExists)
    file = io::open_for_change_at(place.get(), name);
  return file;
}

}  // namespace

Result<std::optional<io::Fd>> try_lock_job(const std::string& config_path, const std::string& job) {
  const std::string what = config_path + "\n" + job;
  const std::string name =
      fmt::format("job-{}", crypto::blake3(as_bytes(what)).hex().substr(0, 32));
  Result<io::Fd> file = fail(ErrorCode::kInternal, "there is no place for locks");
  for (const std::string& folder : lock_folders()) {
    file = open_lock(folder, name);
    if (file) break;
  }
  io::Fd held = TRY_DOING("locking the job " + job, std::move(file));
  if (!TRY(io::try_lock(held.get(), io::FileLock::kExclusive))) return std::optional<io::Fd>();
  return std::optional<io::Fd>(std::move(held));
}

}  // namespace backstay::cli
