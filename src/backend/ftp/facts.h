// What FTP servers say of files: MLSD and MLST (RFC 3659, section 7), MDTM, SIZE, NLST. Everything
// here is hostile: who reads it limits its size, and what makes no sense is corruption.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/remote/files.h"
#include "base/error.h"

namespace backstay::backend::ftp {

// "20261122171318" or with a fraction, which is dropped; in UTC.
Result<Timestamp> parse_moment(std::string_view text);

// The answer to MLSD: what is in the folder, without it and the one above. A list whose last line
// does not end is corruption.
Result<std::vector<remote::Entry>> parse_machine_list(std::string_view text);

// The reply to MLST, in lines, with the one that begins with a blank: the thing without its name.
Result<remote::Entry> parse_machine_reply(std::string_view text);

// The answer to NLST: names, whether the server sends them with their folder or without.
Result<std::vector<std::string>> parse_names(std::string_view text);
// Whether "." is among them.
bool names_itself(std::string_view text);

// "213 1234" and "213 20261122171318".
Result<std::uint64_t> parse_size_reply(std::string_view text);
Result<Timestamp> parse_time_reply(std::string_view text);

// Whether the reply to FEAT has a line that begins with this word.
[[nodiscard]] bool has_feature(std::string_view reply, std::string_view word);

}  // namespace backstay::backend::ftp
