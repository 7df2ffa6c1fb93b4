#pragma once

#include <string>

#include "tests/sim/broker/client_process.h"
#include "tests/sim/broker/world.h"

namespace sluice::sim {

// Asks a guarded broker for what its key does not allow, by well-formed frames with the right ids,
// over and over. That nothing of it has an effect is the model's to see, which never hears of it;
// that it is refused is complained of here.
ClientProcess::Body intruder(World& world, std::string queue);

}  // namespace sluice::sim
