#pragma once

#include <string>
#include <string_view>

#include "runtime/memory_file_system.h"
#include "tests/torture/lossy_fs/disk_mount.h"

namespace sluice::torture {

// Carries out one line and returns the answer, a JSON object on one line; {"error": ...} where the
// line means nothing.
//
//   lose SEED                    the power fails: of what was not synced, what a draw keeps is left
//   lose-all                     ... nothing is left
//   stop COUNT                   after so many more changes every call fails, until `lose`
//   fail OPERATION NTH [PATH]    the nth of them fails with EIO, once, of paths that contain PATH:
//                                read, write, truncate, allocate, sync, create, rename, remove,
//                                sync_folder
//   capacity BYTES               0 = no limit
//   lie files|folders|nothing    syncs of these are answered without being done
//   counts                       operations up to now
std::string carry_out(std::string_view line, runtime::MemoryFileSystem& disk, SyncLies& lies);

}  // namespace sluice::torture
