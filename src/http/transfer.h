// One request on one of libcurl's handles.
#pragma once

#include <stop_token>

#include "http/client.h"
#include "http/curl_call.h"

namespace backstay::http {

class Transfer {
 public:
  Transfer(const CurlLibrary& curl, CURL* handle, const ClientOptions& options,
           const Request& request)
      : curl_(curl), handle_(handle), options_(options), request_(request) {}

  Result<Response> run();

 private:
  void set_options(curl_slist* headers);
  void set_method();
  Result<curl_slist*> header_list() const;
  [[nodiscard]] Error error_of(CURLcode code, const char* detail) const;

  // What libcurl calls. None lets an exception or a failure out: `failure_` keeps it.
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);

  void take_header(std::string_view line);
  Result<void> take_body(ByteView piece);

  const CurlLibrary& curl_;
  CURL* handle_;
  const ClientOptions& options_;
  const Request& request_;
  Response response_;
  std::optional<Error> failure_;
  BodySource source_{failure_};
};

}  // namespace backstay::http
