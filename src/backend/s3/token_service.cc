#include "backend/s3/token_service.h"

#include <fmt/format.h>

#include "backend/s3/answers.h"
#include "base/hex.h"
#include "base/try.h"
#include "crypto/sha256.h"

namespace backstay::backend::s3 {
namespace {

struct TokenService {
  std::string url;        // ends with '/'
  std::string path;       // of it, encoded
  std::string authority;  // of it
  std::string region;
};

Result<TokenService> service_of(const CredentialWorld& world) {
  std::string region = configured_region(world);
  if (region.empty()) region = "us-east-1";
  std::string url = world.environment("AWS_ENDPOINT_URL_STS")
                        .value_or(fmt::format("https://sts.{}.amazonaws.com", region));
  while (url.ends_with('/')) url.pop_back();
  const http::Url parsed = TRY(http::parse_url(url));
  return TokenService{.url = url + "/",
                      .path = http::percent_encoded(parsed.path, http::Slashes::kStay) + "/",
                      .authority = http::authority(parsed.host, parsed.port),
                      .region = region};
}

}  // namespace

Result<http::Response> ask_for_credentials(http::Client& client, const http::Request& request) {
  http::Response response = TRY(client.call(request));
  if (response.succeeded()) return response;
  const bool later = response.status == 429 || response.status >= 500;
  return fail(
      later ? ErrorCode::kUnavailable : ErrorCode::kPermissionDenied,
      fmt::format("the answer is {} {}", response.status, parse_error(response.body).message));
}

Result<Credentials> ask_token_service(const CredentialWorld& world, http::Parameters form,
                                      const std::optional<Credentials>& signer) {
  const TokenService service = TRY(service_of(world));
  form.emplace_back("Version", "2011-06-15");
  const std::string text = canonical_query(form);
  const ByteView piece = as_bytes(text);
  const StreamedBytes body = streamed({&piece, 1});
  http::Request request{.method = "POST",
                        .url = service.url,
                        .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                        .body = &body};
  if (signer) {
    const Timestamp now = world.clock.now();
    request.headers.push_back({"x-amz-date", amz_date(now)});
    if (!signer->session_token.empty()) {
      request.headers.push_back({"x-amz-security-token", signer->session_token});
    }
    UnsignedRequest to_sign{.method = request.method,
                            .path = service.path,
                            .query = {},
                            .headers = request.headers,
                            .payload_hash = to_hex(crypto::sha256(piece))};
    to_sign.headers.push_back({"host", service.authority});
    request.headers.push_back(
        {"Authorization",
         authorization(to_sign, *signer, {.region = service.region, .service = "sts"}, now)});
  }
  const http::Response response = TRY(ask_for_credentials(world.client, request));
  return parse_assumed_role(response.body);
}

}  // namespace backstay::backend::s3
