#include "runtime/posix/machine_name.h"

#include <unistd.h>

#include <array>

namespace sluice::runtime {

std::string machine_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

}  // namespace sluice::runtime
