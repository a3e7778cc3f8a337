// What calls of HTTP and of FTP have alike when libcurl makes them.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "base/streamed_bytes.h"
#include "http/curl_library.h"

namespace backstay::http {

// A body that libcurl asks for, piece by piece and once: when a kept connection turns out to be
// dead it would send everything again, but perhaps it was received, and done. The caller is told
// instead.
class BodySource {
 public:
  // `failure` keeps why a piece could not be had: nothing comes out of what libcurl calls.
  explicit BodySource(std::optional<Error>& failure) : failure_(failure) {}
  BodySource(const BodySource&) = delete;  // libcurl knows where it is
  BodySource& operator=(const BodySource&) = delete;

  // Makes the call of `handle` one that sends `bytes`, which outlive it, from `from` on.
  void send(const CurlLibrary& curl, CURL* handle, const StreamedBytes& bytes,
            std::uint64_t from = 0);
  [[nodiscard]] bool has_bytes() const { return bytes_ != nullptr; }
  // How many bytes libcurl has been given.
  [[nodiscard]] std::uint64_t given() const { return at_ > from_ ? at_ - from_ : 0; }

 private:
  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  Result<std::size_t> give(MutableByteView out);

  std::optional<Error>& failure_;
  const StreamedBytes* bytes_ = nullptr;
  std::uint64_t from_ = 0;
  std::uint64_t at_ = 0;
  ByteView piece_;  // what is left of the piece that is being sent
};

// What is referred to outlives the call.
struct CallOptions {
  const std::string& url;
  const std::string& ca_file;  // empty: the system's authorities
  const std::stop_token& stop;
  std::chrono::milliseconds connect_max;
  std::chrono::seconds silence_max;
};

// Sets on a fresh handle what does not depend on the protocol.
void set_call_options(const CurlLibrary& curl, CURL* handle, const CallOptions& options);

// What a failure means in every protocol, or nothing; `what` is libcurl's word for it.
[[nodiscard]] std::optional<Error> common_error(CURLcode code, const std::string& what);

}  // namespace backstay::http
