#include "backend/s3/vendor.h"

#include <array>

namespace backstay::backend::s3 {
namespace {

using enum Support;

constexpr std::array<Vendor, 8> kVendors{{
    {.name = "AWS",
     .host_ending = "amazonaws.com",
     .header = "",  // others say that they were it
     .header_start = "",
     .region = "us-east-1",
     .conditional_put = kYes,
     .conditional_complete = kYes,
     .object_lock = kAsk,
     .checksums = true,
     .lists_at_once = true,
     .seconds_of_32_bits = false,
     .rounds_up = false},
    // Retention there is a matter of the bucket, not of objects.
    {.name = "Cloudflare R2",
     .host_ending = "r2.cloudflarestorage.com",
     .header = "",  // what it says, all say that stand behind Cloudflare
     .header_start = "",
     .region = "auto",
     .conditional_put = kYes,
     .conditional_complete = kNo,
     .object_lock = kNo,
     .checksums = true,
     .lists_at_once = true,
     .seconds_of_32_bits = false,
     .rounds_up = false},
    // Has preconditions of its own, which cannot be mixed with the headers of Amazon.
    {.name = "Google Cloud Storage",
     .host_ending = "storage.googleapis.com",
     .header = "server",
     .header_start = "UploadServer",
     .region = "auto",
     .conditional_put = kNo,
     .conditional_complete = kNo,
     .object_lock = kNo,
     .checksums = false,
     .lists_at_once = true,
     .seconds_of_32_bits = false,
     .rounds_up = false},
    {.name = "MinIO",
     .host_ending = "",
     .header = "server",
     .header_start = "MinIO",
     .region = "us-east-1",
     .conditional_put = kAsk,
     .conditional_complete = kAsk,
     .object_lock = kAsk,
     .checksums = true,
     .lists_at_once = true,
     .seconds_of_32_bits = false,
     .rounds_up = false},
    {.name = "Garage",
     .host_ending = "",
     .header = "server",
     .header_start = "Garage",
     .region = "garage",
     .conditional_put = kAsk,
     .conditional_complete = kNo,
     .object_lock = kNo,
     .checksums = true,
     .lists_at_once = true,
     .seconds_of_32_bits = false,
     .rounds_up = false},
    // Lists of a container follow some time after. Answers 501 to conditions. To a retention it
    // answers 200, and overwrites the object with it.
    {.name = "OpenStack Swift",
     .host_ending = "",
     .header = "x-openstack-request-id",
     .header_start = "tx",
     .region = "us-east-1",
     .conditional_put = kNo,
     .conditional_complete = kNo,
     .object_lock = kNo,
     .checksums = false,
     .lists_at_once = false,
     .seconds_of_32_bits = false,
     .rounds_up = true},
    // 16 ignores the condition on the completion, 20 heeds it. In buckets with versions, which
    // those with object lock are, 16 lets all win who create a name at the same moment. It answers
    // 200 to a lock until 2999 and keeps another time.
    {.name = "Ceph RGW",
     .host_ending = "",
     .header = "x-amz-request-id",
     .header_start = "tx0",
     .region = "us-east-1",
     .conditional_put = kAsk,
     .conditional_complete = kNo,
     .object_lock = kAsk,
     .checksums = true,
     .lists_at_once = true,
     .seconds_of_32_bits = true,
     .rounds_up = false},
    {.name = "unknown",
     .host_ending = "",
     .header = "",
     .header_start = "",
     .region = "us-east-1",
     .conditional_put = kAsk,
     .conditional_complete = kNo,
     .object_lock = kAsk,
     .checksums = true,
     .lists_at_once = true,
     .seconds_of_32_bits = false,
     .rounds_up = false},
}};

}  // namespace

std::span<const Vendor> vendors() {
  return kVendors;
}

const Vendor& vendor_by_host(std::string_view host) {
  if (host.empty()) return kVendors.front();
  for (const Vendor& vendor : kVendors) {
    if (!vendor.host_ending.empty() && host.ends_with(vendor.host_ending)) return vendor;
  }
  return kVendors.back();
}

const Vendor& vendor_by_answer(const http::Response& response) {
  for (const Vendor& vendor : kVendors) {
    if (vendor.header.empty()) continue;
    const auto said = response.header(vendor.header);
    if (said && said->starts_with(vendor.header_start)) return vendor;
  }
  return kVendors.back();
}

}  // namespace backstay::backend::s3
