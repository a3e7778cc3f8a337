// What the answers of Azure Blob Storage mean.
// https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
#pragma once

#include <string>

#include "base/error.h"
#include "http/client.h"

namespace backstay::backend::azure {

// Of an answer that did not succeed; `what` names what was asked for.
[[nodiscard]] Error failure_of(const http::Response& response, const std::string& what);

}  // namespace backstay::backend::azure
