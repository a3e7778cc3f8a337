#include "http/ftp_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/try.h"
#include "http/url.h"

namespace backstay::http {
namespace {

// At least and at most.
constexpr long kTls12 = long{CURL_SSLVERSION_TLSv1_2} | (long{CURL_SSLVERSION_TLSv1_2} << 16);
constexpr std::size_t kReplyBytesMax = 64 * 1024;

// Of those that have one: three digits, and then a blank.
int final_code(std::string_view line) {
  int code = 0;
  const auto [end, error] =
      std::from_chars(line.data(), line.data() + std::min<std::size_t>(line.size(), 3), code);
  const bool is_final = error == std::errc{} && end == line.data() + 3 &&
                        (line.size() == 3 || line[3] == ' ') && code >= 100;
  return is_final ? code : 0;
}

}  // namespace

FtpTransfer::~FtpTransfer() {
  // The handle lives on, and says goodbye to the server some day: it must not call here then.
  curl_.easy_setopt(handle_, CURLOPT_VERBOSE, 0L);
  curl_.easy_setopt(handle_, CURLOPT_NOPROGRESS, 1L);
  if (commands_ != nullptr) curl_.slist_free_all(commands_);
}

void FtpTransfer::prepare(const std::string& path) {
  const auto set = [&](CURLoption option, auto value) {
    curl_.easy_setopt(handle_, option, value);
  };
  curl_.easy_reset(handle_);
  // After the slash that ends the authority the path is as it goes to the server.
  url_ =
      fmt::format("{}://{}/{}", options_.tls == FtpTls::kImplicit ? "ftps" : "ftp",
                  authority(options_.host, options_.port), percent_encoded(path, Slashes::kStay));
  set_call_options(curl_, handle_,
                   {.url = url_,
                    .ca_file = options_.ca_file,
                    .stop = options_.stop,
                    .connect_max = options_.connect_max,
                    .silence_max = options_.silence_max});
  set(CURLOPT_PROTOCOLS_STR, "ftp,ftps");
  // What the environment says of proxies would turn FTP into HTTP.
  set(CURLOPT_PROXY, "");
  set(CURLOPT_USERNAME, options_.user.c_str());
  set(CURLOPT_PASSWORD, options_.password.c_str());
  set(CURLOPT_FTP_FILEMETHOD, static_cast<long>(CURLFTPMETHOD_NOCWD));
  set(CURLOPT_FTP_SKIP_PASV_IP, 1L);
  set(CURLOPT_SERVER_RESPONSE_TIMEOUT, static_cast<long>(options_.silence_max.count()));
  if (options_.tls != FtpTls::kNone) {
    set(CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
    set(CURLOPT_FTPSSLAUTH, static_cast<long>(CURLFTPAUTH_TLS));
    // Servers want data connections to go on with the session of the other one, to know that they
    // are the same client's. libcurl cannot do that with the tickets of TLS 1.3: each connection's
    // takes the place of the one before.
    set(CURLOPT_SSLVERSION, kTls12);
  }
  set(CURLOPT_WRITEFUNCTION, &FtpTransfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  // The only way to tell replies to our commands from those to libcurl's own. Nothing of it is
  // kept but those replies.
  set(CURLOPT_VERBOSE, 1L);
  set(CURLOPT_DEBUGFUNCTION, &FtpTransfer::on_debug);
  set(CURLOPT_DEBUGDATA, static_cast<void*>(this));
}

Result<void> FtpTransfer::set_commands(const std::vector<std::string>& lines) {
  lines_ = {"TYPE I"};
  lines_.insert(lines_.end(), lines.begin(), lines.end());
  for (const std::string& line : lines_) {
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument, "a command of FTP has a line break in it");
    }
    // The star: a refusal is an answer, and the next one is asked all the same.
    curl_slist* const longer = curl_.slist_append(commands_, ("*" + line).c_str());
    if (longer == nullptr) return fail(ErrorCode::kUnavailable, "there is no memory for a request");
    commands_ = longer;
  }
  curl_.easy_setopt(handle_, CURLOPT_QUOTE, commands_);
  curl_.easy_setopt(handle_, CURLOPT_NOBODY, 1L);
  return {};
}

void FtpTransfer::set_upload(const StreamedBytes& bytes, std::uint64_t from,
                             FtpClient::Append append) {
  source_.send(curl_, handle_, bytes, from);
  curl_.easy_setopt(handle_, CURLOPT_APPEND, append == FtpClient::Append::kYes ? 1L : 0L);
}

void FtpTransfer::set_range(std::uint64_t from, std::uint64_t size) {
  const bool to_the_end = size >= ~std::uint64_t{0} - from;
  if (to_the_end && from == 0) return;
  range_ = to_the_end ? fmt::format("{}-", from) : fmt::format("{}-{}", from, from + size - 1);
  curl_.easy_setopt(handle_, CURLOPT_RANGE, range_.c_str());
}

void FtpTransfer::set_list(const std::string& command) {
  curl_.easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, command.c_str());
}

Result<FtpAnswer> FtpTransfer::run() {
  char detail[CURL_ERROR_SIZE] = "";
  curl_.easy_setopt(handle_, CURLOPT_ERRORBUFFER, detail);
  const CURLcode code = perform();
  curl_.easy_setopt(handle_, CURLOPT_ERRORBUFFER, nullptr);
  long status = 0;
  curl_.easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  if (failure_) return std::unexpected(*std::move(failure_));
  if (code != CURLE_OK && !is_refusal(code, status)) return std::unexpected(error_of(code, detail));
  // libcurl takes this answer to a list for an empty one.
  constexpr long kTryAgain = 450;
  if (code == CURLE_OK && status == kTryAgain && received_ == 0) {
    return FtpAnswer{.code = static_cast<int>(status), .bytes = 0};
  }
  const std::uint64_t moved = source_.has_bytes() ? source_.given() : received_;
  return FtpAnswer{.code = code == CURLE_OK ? 226 : static_cast<int>(status), .bytes = moved};
}

// As curl_easy_perform() does it, but that waits for a second where there is nothing to wait for:
// 7.88 says so now and then between the answer to EPSV and the connection that should follow.
CURLcode FtpTransfer::perform() {
  constexpr int kWaitMostMs = 200;
  if (curl_.multi_add_handle(multi_, handle_) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
  int running = 1;
  int wait_ms = 1;
  CURLMcode good = CURLM_OK;
  while (good == CURLM_OK && running > 0) {
    good = curl_.multi_perform(multi_, &running);
    int events = 0;
    if (good == CURLM_OK && running > 0) {
      good = curl_.multi_poll(multi_, nullptr, 0, wait_ms, &events);
    }
    wait_ms = events > 0 ? 1 : std::min(wait_ms * 2, kWaitMostMs);
  }
  CURLcode code = CURLE_OUT_OF_MEMORY;
  int left = 0;
  while (const CURLMsg* const message = curl_.multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_.multi_remove_handle(multi_, handle_);
  return code;
}

bool FtpTransfer::is_refusal(CURLcode code, long status) const {
  switch (code) {
    case CURLE_REMOTE_FILE_NOT_FOUND:
    case CURLE_FTP_COULDNT_RETR_FILE:
    case CURLE_FTP_COULDNT_USE_REST:
    case CURLE_UPLOAD_FAILED:
    case CURLE_REMOTE_DISK_FULL:
    case CURLE_REMOTE_ACCESS_DENIED:
    case CURLE_QUOTE_ERROR:
      return status >= 400 && status != 421;
    case CURLE_PARTIAL_FILE:
      // What the server says in the end of a transfer that it could not go on with: no space.
      return source_.has_bytes() && (status == 452 || status == 552);
    default:
      return false;
  }
}

Error FtpTransfer::error_of(CURLcode code, const char* detail) const {
  const std::string what = *detail != '\0' ? detail : curl_.easy_strerror(code);
  if (auto common = common_error(code, what)) return *std::move(common);
  switch (code) {
    case CURLE_LOGIN_DENIED:
      return Error(ErrorCode::kPermissionDenied, "the server does not let the user in")
          .with_hint("Check the user in the URL, and BACKSTAY_FTP_PASSWORD.");
    case CURLE_USE_SSL_FAILED:
      return Error(ErrorCode::kPermissionDenied, "the server has no TLS, or refuses it")
          .with_hint(
              "Without TLS the password could be read on the way: use another server or, "
              "where the network is to be trusted, ftp:// with ?cleartext=1.");
    case CURLE_BAD_DOWNLOAD_RESUME:
      return {ErrorCode::kCorruption, "the file ends before what was asked for"};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return Error(ErrorCode::kUnavailable, what)
          .with_hint(
              "Is the address right, and does the server run? ftps:// speaks TLS from the "
              "first byte, on port 990; ?tls=explicit begins without, on port 21.");
    default:
      return {ErrorCode::kUnavailable, what};
  }
}

Result<std::vector<FtpReply>> FtpTransfer::replies() {
  if (replies_.size() != lines_.size() || replies_.empty()) {
    return fail(ErrorCode::kUnavailable, "the server does not answer each command");
  }
  replies_.erase(replies_.begin());  // of TYPE I
  return std::move(replies_);
}

std::string FtpTransfer::first_folder() const {
  const char* path = nullptr;
  curl_.easy_getinfo(handle_, CURLINFO_FTP_ENTRY_PATH, &path);
  return path == nullptr ? "" : path;
}

// ---- what libcurl calls

int FtpTransfer::on_debug(CURL*, curl_infotype type, char* data, std::size_t size, void* self) {
  auto& transfer = *static_cast<FtpTransfer*>(self);
  std::string_view text(data, size);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (type == CURLINFO_HEADER_OUT) {
    const std::size_t asked = transfer.asked_;
    transfer.reply_is_ours_ = asked < transfer.lines_.size() && text == transfer.lines_[asked];
    if (transfer.reply_is_ours_) {
      ++transfer.asked_;
      transfer.replies_.emplace_back();
    }
  } else if (type == CURLINFO_HEADER_IN && transfer.reply_is_ours_) {
    transfer.take_line(text);
  }
  return 0;
}

void FtpTransfer::take_line(std::string_view line) {
  FtpReply& reply = replies_.back();
  if (reply.text.size() + line.size() < kReplyBytesMax) {
    if (!reply.text.empty()) reply.text += '\n';
    reply.text += line;
  }
  reply.code = final_code(line);
  reply_is_ours_ = reply.code == 0;
}

std::size_t FtpTransfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<FtpTransfer*>(self);
  transfer.received_ += size * count;
  if (transfer.sink_ == nullptr) return size * count;
  Result<void> taken = (*transfer.sink_)(as_bytes({data, size * count}));
  if (taken) return size * count;
  transfer.failure_ = std::move(taken).error();
  return size * count == 0 ? 1 : 0;
}

}  // namespace backstay::http
