#pragma once

#include <string_view>

#include "wire/frame.h"

namespace sluice::wire {

// The type's name in docs/protocol.md: "HELLO"; empty for a number that is none.
std::string_view to_string(FrameType type);

// The type of the frame that has this body.
FrameType type_of(const Body& body);

}  // namespace sluice::wire
