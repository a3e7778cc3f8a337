// Configuration files of other forms, as files of ours: three that programs of this kind are
// configured with, and variables of the environment.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/file.h"
#include "config/value.h"

namespace backstay::config {

struct Imported {
  Value top;                       // a file of ours
  std::vector<std::string> notes;  // what has no place in it, or is to be looked at
};

// By the keys that are there: [backup] with backup_directory (and [schedule], [storage.local]);
// backup.storage with local, s3, azure and backup.jobs; backup.storage with local_path, s3_bucket,
// and backup.encryption, compression, defaults, limits. invalid_argument for all else. No secret is
// taken over: a note says where it belongs.
Result<Imported> import_file(const Value& top);

// BACKUP_STORAGE_TYPE, BACKUP_S3_*, BACKUP_SCHEDULE_*, BACKUP_RETENTION_DAYS, ... The secrets stay
// in their variables. invalid_argument where none of them is set.
Result<Imported> import_variables(const Lookup& lookup);

// As YAML that parse_yaml() reads as the same value.
[[nodiscard]] std::string to_yaml(const Value& top);

}  // namespace backstay::config
