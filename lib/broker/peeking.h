#pragma once

#include "broker/core.h"

namespace sluice::broker {

// Answers a Peek: messages that wait (ready or delayed, not leased), or dead letters, by sequence.
void peek(Core& core, const Peek& command);

}  // namespace sluice::broker
