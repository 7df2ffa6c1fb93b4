#pragma once

namespace sluice::cli {

// What the shell sees; the numbers of sysexits.h where one fits.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,        // the command ran and the answer is no (lost messages, corrupt log)
  kExitUsage = 2,          // flags
  kExitData = 65,          // input that can never be right
  kExitUnavailable = 69,   // no broker at the endpoint
  kExitTemporary = 75,     // refused now; trying again later may help
  kExitNoPermission = 77,  // no key, a wrong one, or one without the role
};

}  // namespace sluice::cli
