#pragma once

#include "base/time.h"
#include "broker/core.h"

// Messages in.
namespace sluice::broker {

void open_publisher(Core& core, base::Now now, const OpenPublisher& command);
void publish(Core& core, base::Now now, const Publish& command);

}  // namespace sluice::broker
