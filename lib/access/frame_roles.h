#pragma once

#include "access/role.h"
#include "wire/frame.h"

namespace sluice::access {

// The table of docs/protocol.md, "Roles": which roles open a frame; each of them alone does. Empty
// = the frame needs none (sessions), or is no client's to send.
RoleSet roles_for(wire::FrameType type);

}  // namespace sluice::access
