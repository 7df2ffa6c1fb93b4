#pragma once

namespace sluice::op {

// What whoever started us sees; the numbers of sysexits.h where one fits.
enum ExitCode : int {
  kExitOk = 0,          // stopped in order
  kExitUsage = 2,       // flags
  kExitConfig = 65,     // a kubeconfig that can never be right
  kExitTestHook = 70,   // --exit-after-calls
  kExitTemporary = 75,  // the lease was lost, an address is taken: later may help
};

}  // namespace sluice::op
