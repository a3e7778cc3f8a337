#include "store/receive.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "io/file.h"
#include "io/node.h"

namespace backstay::store {
namespace {

// Smaller objects are not worth a file.
constexpr std::uint64_t kInMemoryMax = 1 << 20;
constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::string_view kUploadStart = ".tmp-upload-";
// An upload that nobody has gone on with for so long is given up.
constexpr std::int64_t kUploadSeconds = 24 * 60 * 60;

std::string upload_name(const std::string& upload) {
  return std::string(kUploadStart) + upload;
}

// Removes those that were given up, and says how large the others are together.
Result<std::uint64_t> sweep_uploads(const Repository& repository) {
  const std::string root = repository.root();
  std::uint64_t sum = 0;
  std::optional<Timestamp> now;
  for (const std::string& name : TRY(io::list_directory(root))) {
    if (!name.starts_with(kUploadStart)) continue;
    const std::string path = root + "/" + name;
    const auto info = io::file_info(path, io::Links::kStay);
    if (!info || !info->is_regular) continue;
    if (!now) now = TRY(io::file_system_time(root));
    if (now->seconds - info->modified.seconds > kUploadSeconds) {
      TRY(io::remove_file(path));
    } else {
      sum += info->size;
    }
  }
  return sum;
}

// A request's hold on an upload, which a newer request of the same upload ends: the first may lie
// broken on the line for minutes. An upload without a name has nobody else.
class Turn {
 public:
  Turn(Repository& repository, const std::string& upload) {
    if (upload.empty()) return;
    upload_ = repository.upload(upload);
    turn_ = ++upload_->turn;
  }
  // `act` while nobody else does anything to the file.
  template <typename Act>
  Result<void> during(const Act& act) const {
    if (upload_ == nullptr) return act();
    const MutexLock lock(upload_->mutex);
    if (upload_->turn != turn_) {
      return fail(ErrorCode::kUnavailable, "another request goes on with it");
    }
    return act();
  }

 private:
  std::shared_ptr<Repository::Upload> upload_;
  std::uint64_t turn_ = 0;
};

// The file that an object arrives in.
struct Landing {
  io::Fd file;
  std::string path;  // empty: it goes with its descriptor
};

Result<Landing> land(const Repository& repository, const Arrival& arrival) {
  const std::string root = repository.root();
  if (arrival.upload.empty()) {
    return Landing{.file = TRY(io::create_nameless_file(root)), .path = {}};
  }
  const io::Fd folder = TRY(io::open_folder_path(root));
  const std::string name = upload_name(arrival.upload);
  Landing landing{.file = {}, .path = root + "/" + name};
  if (arrival.offset == 0) {
    auto made = io::create_regular_at(folder.get(), name, 0600);
    if (!made && made.error().code() != ErrorCode::kAlreadyExists) {
      return std::unexpected(std::move(made).error());
    }
    if (made) landing.file = *std::move(made);
  }
  if (!landing.file) landing.file = TRY(io::open_for_change_at(folder.get(), name));
  const io::FileInfo info = TRY(io::open_file_info(landing.file.get()));
  if (info.size >= arrival.offset && info.size <= arrival.size) return landing;
  return fail(
      ErrorCode::kUnavailable,
      fmt::format("the upload cannot go on at {}: {} bytes are there", arrival.offset, info.size));
}

Result<void> write_body(http::Exchange& exchange, const Arrival& arrival, const io::Fd& file,
                        const Turn& turn, Examiner& examiner) {
  Bytes piece(kPieceBytes);
  for (std::uint64_t at = arrival.offset;;) {
    const std::size_t got = TRY(exchange.read(piece));
    if (got == 0) return {};
    const ByteView bytes = ByteView(piece).first(got);
    TRY_DOING("keeping what arrives",
              turn.during([&] { return io::pwrite_full(file.get(), bytes, at); }));
    examiner.update(bytes);
    at += got;
  }
}

StreamedBytes bytes_of(const io::Fd& file, std::uint64_t size, Bytes& buffer) {
  return {.size = size, .piece_at = [&file, size, &buffer](std::uint64_t at) -> Result<ByteView> {
            const std::size_t step =
                static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - at));
            const MutableByteView into = MutableByteView(buffer).first(step);
            if (TRY(io::pread_full(file.get(), into, at)) == step) return ByteView(into);
            return fail(ErrorCode::kUnavailable, "what arrived is not there any more");
          }};
}

// What an earlier connection brought is read again: only the whole can be examined.
Result<bool> is_approved(const Arrival& arrival, const StreamedBytes& whole, Examiner& examiner) {
  if (arrival.offset > 0) {
    examiner.restart();
    TRY(for_each_piece(whole, [&](ByteView piece) -> Result<void> {
      examiner.update(piece);
      return {};
    }));
  }
  return examiner.approves();
}

std::unexpected<Error> not_what_was_said(std::string_view name) {
  return fail(ErrorCode::kUnavailable,
              fmt::format("what arrived of {} is not what was sent", name));
}

Result<void> receive_small(http::Exchange& exchange, Repository& repository, const Arrival& arrival,
                           Examiner& examiner) {
  const Bytes bytes = TRY(exchange.read_all(static_cast<std::size_t>(arrival.size)));
  examiner.update(bytes);
  if (bytes.size() != arrival.size || !examiner.approves()) return not_what_was_said(arrival.name);
  return repository.backend().put(arrival.name, bytes);
}

// The file becomes the object. Where it cannot have another name, its bytes are copied; and where
// objects are made immutable, which would hold for the name that it has already.
Result<void> store_landed(Repository& repository, const std::string& name, const Landing& landing,
                          const StreamedBytes& whole) {
  backend::LocalBackend& store = repository.backend();
  if (landing.path.empty() || !store.capabilities().append_only) {
    Result<void> stored = store.put_file(name, landing.file.get());
    if (stored || stored.error().code() != ErrorCode::kUnsupported) return stored;
  }
  return store.put_streamed(name, whole);
}

Result<void> keep_landed(Repository& repository, const Arrival& arrival, const Landing& landing,
                         Examiner& examiner) {
  Bytes buffer(kPieceBytes);
  const StreamedBytes whole = bytes_of(landing.file, arrival.size, buffer);
  const bool approved = TRY(is_approved(arrival, whole, examiner));
  Result<void> stored;
  if (!approved) stored = not_what_was_said(arrival.name);
  if (approved) stored = store_landed(repository, arrival.name, landing, whole);
  // What does not fit now may fit when it is asked for again; all else ends the upload.
  const bool again = !stored && stored.error().code() == ErrorCode::kNoSpace;
  if (!landing.path.empty() && !again) TRY(io::remove_file(landing.path));
  return stored;
}

Result<void> receive_large(http::Exchange& exchange, Repository& repository, const Arrival& arrival,
                           Examiner& examiner) {
  const Turn turn(repository, arrival.upload);
  Landing landing;
  TRY(turn.during([&]() -> Result<void> {
    landing = TRY(land(repository, arrival));
    return {};
  }));
  TRY(write_body(exchange, arrival, landing.file, turn, examiner));
  // From its examination on until it is the object nobody writes to it; and nobody does afterwards:
  // who comes later finds another file of that name, or none.
  return turn.during([&] { return keep_landed(repository, arrival, landing, examiner); });
}

}  // namespace

Result<void> receive_object(http::Exchange& exchange, Repository& repository,
                            const Arrival& arrival, Examiner& examiner) {
  const auto there = repository.backend().head(arrival.name);
  if (there) {
    return fail(ErrorCode::kAlreadyExists,
                fmt::format("object {} is in {} already", arrival.name, repository.name()));
  }
  const bool quota = repository.rules().quota_bytes > 0;
  const bool begins = !arrival.upload.empty() && arrival.offset == 0;
  std::uint64_t aside = 0;
  if (begins || quota) aside = TRY(sweep_uploads(repository));
  if (quota) {
    // Uploads that were broken off take room, too; this one's is in its size already.
    const auto own =
        arrival.upload.empty() ? Result<std::uint64_t>(0) : received_of(repository, arrival.upload);
    aside -= std::min(aside, own ? *own : 0);
    TRY(repository.make_room(arrival.size + aside));
  }
  Repository::Room room = TRY(repository.make_room(arrival.size));
  const bool small = arrival.upload.empty() && arrival.size <= kInMemoryMax;
  TRY(small ? receive_small(exchange, repository, arrival, examiner)
            : receive_large(exchange, repository, arrival, examiner));
  room.stored();
  return repository.barrier();
}

Result<std::uint64_t> received_of(const Repository& repository, const std::string& upload) {
  const std::string path = repository.root() + "/" + upload_name(upload);
  return TRY(io::file_info(path, io::Links::kStay)).size;
}

}  // namespace backstay::store
