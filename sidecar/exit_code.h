#pragma once

namespace sluice::sidecar {

// What whoever started us sees; the numbers of sysexits.h where one fits.
enum ExitCode : int {
  kExitOk = 0,          // stopped in order
  kExitUsage = 2,       // flags
  kExitData = 65,       // a manifest or the data can never be right
  kExitIo = 74,         // the disk failed; the next start recovers
  kExitTemporary = 75,  // another broker has the folder, an address is taken: later may help
};

}  // namespace sluice::sidecar
