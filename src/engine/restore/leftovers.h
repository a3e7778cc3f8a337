// What restores that were killed left in the folders of the target, and what restores that run at
// the same time are writing there.
//
// Whoever writes a file under a temporary name holds a lock on it, which ends with the process; so
// what can be locked belongs to nobody any more. Only regular files with exactly such a name are
// looked at, and everything that is in doubt stays.
#pragma once

#include <optional>
#include <string>

#include "engine/restore/folder_node.h"
#include "engine/restore/temporary_names.h"
#include "io/file.h"

namespace backstay::engine::restoring {

struct Leftover {
  enum class Fate : std::uint8_t {
    kGoes,     // a new file that never became whole
    kReturns,  // a file that was moved aside, and whose own name is free: it gets that back
    kStays,    // somebody writes it, or nobody can tell, or it exists nowhere else
  };
  Fate fate = Fate::kStays;
  std::string original;  // kReturns: the name that it had
  std::string why;       // kStays: the reason; empty where there is nothing to say
  io::Fd file;           // kGoes, kReturns: open, and locked against those who write it
};

// Nothing for a name that is no leftover of another restore.
[[nodiscard]] std::optional<Leftover> find_leftover(const Site& site,
                                                    const source::TargetFolderPtr& folder,
                                                    const std::string& name);

// Removes and puts back what killed restores left in a folder, and says what became of files that
// exist nowhere else. Before anything is restored into the folder: the snapshot may hold a file of
// such a name, too.
void clear_leftovers(const Site& site, const FolderNode& folder);

// Tells other restores that this open file is being written. Where the file system knows no locks,
// those cannot lock it either and leave it alone. False when another restore was faster and took
// the new file for a leftover: it has lost its name, or is about to.
bool hold_as_written(int fd);

}  // namespace backstay::engine::restoring
