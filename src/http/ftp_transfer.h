// One call of FTP on one of libcurl's handles.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "http/curl_call.h"
#include "http/ftp_client.h"

namespace backstay::http {

class FtpTransfer {
 public:
  // `multi` has the handle's connections, and no other handle.
  FtpTransfer(const CurlLibrary& curl, CURL* handle, CURLM* multi, const FtpOptions& options)
      : curl_(curl), handle_(handle), multi_(multi), options_(options) {}
  ~FtpTransfer();
  FtpTransfer(const FtpTransfer&) = delete;
  FtpTransfer& operator=(const FtpTransfer&) = delete;

  // What it is to do: one of these, then run().
  void prepare(const std::string& path);
  Result<void> set_commands(const std::vector<std::string>& lines);
  void set_upload(const StreamedBytes& bytes, std::uint64_t from, FtpClient::Append append);
  void set_range(std::uint64_t from, std::uint64_t size);
  void set_list(const std::string& command);
  void set_sink(const std::function<Result<void>(ByteView)>& sink) { sink_ = &sink; }

  Result<FtpAnswer> run();
  // Replies to the commands of set_commands(), in order; unavailable when one is missing.
  Result<std::vector<FtpReply>> replies();
  [[nodiscard]] std::string first_folder() const;

 private:
  CURLcode perform();
  [[nodiscard]] Error error_of(CURLcode code, const char* detail) const;
  // Whether it only means that the server refused what was asked of it.
  [[nodiscard]] bool is_refusal(CURLcode code, long status) const;
  void take_line(std::string_view line);

  // What libcurl calls. None lets an exception or a failure out: `failure_` keeps it.
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static int on_debug(CURL* handle, curl_infotype type, char* data, std::size_t size, void* self);

  const CurlLibrary& curl_;
  CURL* handle_;
  CURLM* multi_;
  const FtpOptions& options_;
  std::string url_;
  curl_slist* commands_ = nullptr;
  std::size_t asked_ = 0;           // commands of ours that went out
  std::vector<std::string> lines_;  // ours, in order
  std::vector<FtpReply> replies_;
  bool reply_is_ours_ = false;
  std::string range_;
  std::uint64_t received_ = 0;
  const std::function<Result<void>(ByteView)>* sink_ = nullptr;
  std::optional<Error> failure_;
  BodySource source_{failure_};
};

}  // namespace backstay::http
