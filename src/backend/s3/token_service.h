// The service that gives credentials for a while (AWS STS), by its query API:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#pragma once

#include <optional>

#include "backend/s3/credentials.h"
#include "backend/s3/signature.h"
#include "base/error.h"
#include "http/client.h"
#include "http/url.h"

namespace backstay::backend::s3 {

// An answer that succeeded; unavailable where another may come later, else permission_denied with
// the service's own words.
Result<http::Response> ask_for_credentials(http::Client& client, const http::Request& request);

// Sends `form` to the service in the configured region, or to AWS_ENDPOINT_URL_STS. Signed where
// there is a signer; AssumeRoleWithWebIdentity needs none.
Result<Credentials> ask_token_service(const CredentialWorld& world, http::Parameters form,
                                      const std::optional<Credentials>& signer);

}  // namespace backstay::backend::s3
