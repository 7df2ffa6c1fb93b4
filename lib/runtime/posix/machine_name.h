#pragma once

#include <string>

namespace sluice::runtime {

// What this machine is called; in a pod, the pod. Empty where the system does not say.
std::string machine_name();

}  // namespace sluice::runtime
