// What WebDAV servers say in XML (RFC 4918, section 14). Everything here is hostile: who reads it
// limits its size, nothing is fetched or expanded, and what makes no sense is corruption.
#pragma once

#include <string_view>
#include <vector>

#include "backend/remote/files.h"
#include "base/bytes.h"
#include "base/error.h"

namespace backstay::backend::webdav {

// The body of a PROPFIND that asks for what parse_multistatus() wants to know.
[[nodiscard]] std::string_view propfind_body();

// <multistatus>, the answer to PROPFIND for `path`, which is decoded and does not end with '/'
// unless it is "/". The first entry is the thing itself, without a name; then what is in it.
// corruption where the answer is not whole or says nothing of the thing itself; unsupported where
// it is about what was not asked for.
Result<std::vector<remote::Entry>> parse_multistatus(ByteView xml, std::string_view path);

}  // namespace backstay::backend::webdav
