// The shared files of AWS's programs: ~/.aws/credentials and ~/.aws/config.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "backend/s3/address.h"
#include "base/error.h"

namespace backstay::backend::s3 {

// What both files say of one profile; those of `credentials` win. Empty without the files.
using Profile = std::map<std::string, std::string, std::less<>>;
Result<Profile> read_profile(const Lookup& environment, std::string_view name);
// The name of the one that is meant: `wished`, else AWS_PROFILE, else "default".
[[nodiscard]] std::string profile_name(const Lookup& environment, std::string_view wished);

// What `text` says in its section `[section]`. Never fails: what is no setting is left out.
[[nodiscard]] Profile parse_section(std::string_view text, std::string_view section);

}  // namespace backstay::backend::s3
