#include "http/ftp_client.h"

#include <fmt/format.h>

#include <map>

#include "base/try.h"
#include "http/curl_library.h"
#include "http/ftp_transfer.h"
#include "http/handle_pool.h"

namespace backstay::http {

class FtpClient::Pool final : public HandlePool {
 public:
  using HandlePool::HandlePool;
  ~Pool() {
    for (const auto& [handle, multi] : multis_) curl_->multi_cleanup(multi);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // A handle as long as the call takes.
  class Lent {
   public:
    Lent(Pool& pool, CURL* handle) : pool_(pool), handle_(handle) {}
    ~Lent() { pool_.give_back(handle_); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;

   private:
    Pool& pool_;
    CURL* handle_;
  };

  // `work` with a transfer that is prepared for `path`.
  template <typename Work>
  auto with(const FtpOptions& options, const std::string& path, const Work& work)
      -> decltype(work(std::declval<FtpTransfer&>())) {
    if (options.stop.stop_requested()) return fail(ErrorCode::kCancelled, "it was cancelled");
    const CurlLibrary& curl = *TRY(curl_library());
    CURL* const handle = TRY(take(curl));
    const Lent lent(*this, handle);
    CURLM* const multi = multi_of(curl, handle);
    if (multi == nullptr) return fail(ErrorCode::kUnavailable, "there is no memory for a call");
    FtpTransfer transfer(curl, handle, multi, options);
    transfer.prepare(path);
    return work(transfer);
  }

 private:
  // Of a handle that somebody has: it stays his.
  CURLM* multi_of(const CurlLibrary& curl, CURL* handle) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    curl_ = &curl;
    CURLM*& multi = multis_[handle];
    if (multi == nullptr) multi = curl.multi_init();
    return multi;
  }

  Mutex mutex_;
  std::map<CURL*, CURLM*> multis_ GUARDED_BY(mutex_);
  const CurlLibrary* curl_ = nullptr;  // set before there is one of them
};

FtpClient::FtpClient(FtpOptions options)
    : options_(std::move(options)), pool_(std::make_unique<Pool>(options_.connections_max)) {}

FtpClient::~FtpClient() = default;

Result<std::vector<FtpReply>> FtpClient::commands(const std::vector<std::string>& lines) {
  return pool_->with(options_, "", [&](FtpTransfer& transfer) -> Result<std::vector<FtpReply>> {
    TRY(transfer.set_commands(lines));
    TRY(transfer.run());
    return transfer.replies();
  });
}

Result<FtpAnswer> FtpClient::store(const std::string& path, const StreamedBytes& bytes,
                                   std::uint64_t from, Append append) {
  return pool_->with(options_, path, [&](FtpTransfer& transfer) -> Result<FtpAnswer> {
    transfer.set_upload(bytes, from, append);
    return transfer.run();
  });
}

Result<FtpAnswer> FtpClient::retrieve(const std::string& path, std::uint64_t from,
                                      std::uint64_t size,
                                      const std::function<Result<void>(ByteView)>& sink) {
  return pool_->with(options_, path, [&](FtpTransfer& transfer) -> Result<FtpAnswer> {
    transfer.set_range(from, size);
    transfer.set_sink(sink);
    return transfer.run();
  });
}

Result<FtpAnswer> FtpClient::list(const std::string& command, const std::string& path, Bytes& out,
                                  std::uint64_t size_max) {
  const std::function<Result<void>(ByteView)> sink = [&](ByteView piece) -> Result<void> {
    if (piece.size() > size_max - out.size()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the list is larger than {} bytes", size_max));
    }
    append(out, piece);
    return {};
  };
  return pool_->with(options_, path + "/", [&](FtpTransfer& transfer) -> Result<FtpAnswer> {
    transfer.set_list(command);
    transfer.set_sink(sink);
    return transfer.run();
  });
}

Result<std::string> FtpClient::first_folder() {
  return pool_->with(options_, "", [&](FtpTransfer& transfer) -> Result<std::string> {
    TRY(transfer.set_commands({}));
    TRY(transfer.run());
    return transfer.first_folder();
  });
}

std::uint64_t FtpClient::connections_made() const {
  return pool_->connections();
}

}  // namespace backstay::http
