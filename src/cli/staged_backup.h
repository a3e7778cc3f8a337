// A backup that goes to its repository, or, while that is away, into the stage.
#pragma once

#include <cstdint>
#include <functional>

#include "cli/command.h"
#include "cli/stage.h"
#include "engine/backup.h"

namespace backstay::cli {

struct MadeBackup {
  engine::BackupReport report;
  double seconds = 0;
  std::uint64_t reported = 0;  // trouble with single files
  Durable durable = Durable::kRemote;
  bool all_sent = true;  // false: something waits in the stage that could not be sent
};

// Whether a second attempt would find the source as the first did: standard input is gone then.
enum class SourceIs : std::uint8_t { kReadAgain, kReadOnce };

// No in a dry run: then nothing is sent or learnt either.
enum class Storing : std::uint8_t { kNo, kYes };

// Backs up into the repository that it is given; the second is memory that others hold meanwhile.
using MakeBackup =
    std::function<Result<MadeBackup>(repo::Repository& repository, std::uint64_t memory_beside)>;

// Where the repository is there: sends what waits, backs up, and keeps what is needed to go on
// without it. Where it is away, or goes away meanwhile: backs up into the stage. unavailable where
// that was never prepared.
Result<MadeBackup> back_up_with_stage(Context& context, const Stage& stage, SourceIs source,
                                      const MakeBackup& make, Storing storing);

}  // namespace backstay::cli
