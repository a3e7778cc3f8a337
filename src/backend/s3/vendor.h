// In what the stores that speak S3 differ, as data: what each one documents, or was seen to do by
// the tests (docs/backends/s3.md has the table for people).
#pragma once

#include <span>
#include <string_view>

#include "http/client.h"

namespace backstay::backend::s3 {

enum class Support : std::uint8_t {
  kNo,
  kYes,
  kAsk,  // depends on the version: found out before it is relied on
};

struct Vendor {
  std::string_view name;
  std::string_view host_ending;  // of its endpoints; empty where it is run by anybody
  // Of a header in its answers; empty: it cannot be told by that.
  std::string_view header;
  std::string_view header_start;
  std::string_view region;       // where none is given
  Support conditional_put;       // If-None-Match: * on PutObject
  Support conditional_complete;  // and on CompleteMultipartUpload
  Support object_lock;
  bool checksums;  // keeps x-amz-checksum-sha256, or at least does not mind it
  bool lists_at_once;  // what came or went before a list is in it, or is not
  bool seconds_of_32_bits;  // of locks: what ends later would end at another time, early or late
  bool rounds_up;  // says of an object that it is from the second after the one it is from
};

// All of them; the last one is of stores that nobody knows.
[[nodiscard]] std::span<const Vendor> vendors();

// By the host of the endpoint (empty: AWS), else by an answer, else the one that nobody knows.
[[nodiscard]] const Vendor& vendor_by_host(std::string_view host);
[[nodiscard]] const Vendor& vendor_by_answer(const http::Response& response);

}  // namespace backstay::backend::s3
