// Gives an inode of the target the attributes of an entry.
#pragma once

#include "base/error.h"
#include "io/metadata.h"
#include "io/node.h"
#include "snapshot/entry.h"
#include "source/target_tree.h"

namespace backstay::source {

// `now` is the inode's present state. What this user, kernel or file system cannot set is counted
// in the report; any other failure ends the call.
Result<AttributeReport> apply_attributes(io::NodeRef node, const io::FileStatus& now,
                                         const snapshot::Entry& entry,
                                         const TargetTree::Options& options);

// True when apply_attributes would have nothing to do. Access times are not compared.
[[nodiscard]] bool has_attributes(const snapshot::Entry& now, const snapshot::Entry& entry,
                                  const TargetTree::Options& options);

}  // namespace backstay::source
