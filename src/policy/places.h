// A set: a repository, and others that are to hold copies of its snapshots. What a person says of
// it, in a file of its own or (some day) in a profile; nothing here is looked up anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace backstay::policy {

// Where a secret is to be found. The secret itself is never part of a set.
struct SecretReference {
  enum class Kind : std::uint8_t {
    kAsGiven,  // what the options and the environment say, as for a single repository
    kVariable,
    kFile,
    kCommand,
  };
  Kind kind = Kind::kAsGiven;
  std::string value = {};  // the variable's name, the path, or the program with its arguments
  friend bool operator==(const SecretReference&, const SecretReference&) = default;
};
// "env:NAME", "file:PATH", "command:PROGRAM ARGUMENT..."; invalid_argument for all else, whose text
// no message repeats, because it may be the secret.
Result<SecretReference> parse_secret_reference(std::string_view text);

enum class CopyWhen : std::uint8_t {
  kAfterBackup,
  kLater,  // by 'copy', at another time or on another machine
};

struct Place {
  std::string name;  // a-z, 0-9 and '-'
  std::string url;
  SecretReference passphrase = {};  // at most one of these is given
  SecretReference recovery_key = {};
  SecretReference key = {};
  // What only a person knows; empty where it is not said.
  std::string medium = {};  // "disk", "cloud", "tape"
  std::string site = {};
  bool offline = false;  // connected to nothing but while it is copied to
  CopyWhen copied = CopyWhen::kAfterBackup;
  [[nodiscard]] bool has_own_secret() const;
};

struct PlaceSet {
  // Of what is backed up.
  std::string source_medium = {};
  std::string source_site = {};
  Place primary = {};
  std::vector<Place> copies = {};  // the first that can help is asked first
  [[nodiscard]] const Place* find(std::string_view name) const;
};

inline constexpr std::size_t kPlaceFileBytesMax = 256 * 1024;
inline constexpr std::size_t kCopiesMax = 32;

// YAML:
//
//   source: {medium: disk, site: office}   # what is backed up; may be left out
//   primary:
//     name: cellar
//     url: /mnt/cellar/backups
//     medium: disk
//     site: office
//   copies:
//     - name: garden
//       url: sftp://backup@garden.example/srv/backups
//       passphrase: file:/etc/backstay/garden   # when it is another than that of the primary
//       copy: later                             # default: after-backup
//
// invalid_argument with "FILE:LINE:COLUMN: what". `path` is for messages. Two places that have one
// name or one URL are refused, and so is a set in a set.
Result<PlaceSet> parse_place_file(std::string_view text, std::string_view path);

}  // namespace backstay::policy
