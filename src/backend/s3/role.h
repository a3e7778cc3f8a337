// Roles that profiles of the shared files name: role_arn, with the profile or the place whose
// credentials may take it.
// https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html
#pragma once

#include <optional>
#include <string>

#include "backend/s3/credentials.h"

namespace backstay::backend::s3 {

// Nothing where the profile names no role, or not who may take it (source_profile or
// credential_source): a role by web identity is none of this. permission_denied for what is set up
// and cannot work.
Result<std::optional<Credentials>> credentials_of_role(const CredentialWorld& world,
                                                       const std::string& profile);

}  // namespace backstay::backend::s3
