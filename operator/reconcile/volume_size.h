#pragma once

#include <cstdint>
#include <string>

#include "operator/reconcile/inputs.h"

namespace sluice::reconcile {

// What the volumes of a broker are now, by their claims and by the template of its StatefulSet; 0
// and "" where there are none.
std::uint64_t live_volume_bytes(const Inputs& inputs);  // asked for, the largest
std::string live_storage_class(const Inputs& inputs);

}  // namespace sluice::reconcile
