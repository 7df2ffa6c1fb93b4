#pragma once

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "base/time.h"
#include "broker/core.h"
#include "broker/ticking.h"

// What consumers say about what they were delivered.
namespace sluice::broker {

// Failing or rejecting very many messages is done in steps of kSettledPerStep, the first one at
// once.
inline constexpr std::uint64_t kSettledPerStep = 4'096;
void settle(Core& core, base::Now now, const Settle& command);
// The next steps; ticks go on.
void go_on_settling(Core& core, base::Now now, Budget& budget);
// The next step of what was said of messages of that lease; false: there is none.
bool go_on_settling(Core& core, base::Now now, base::Epoch epoch, Budget& budget);
// All steps of what the session, or one attachment of it, has said: it is about to leave.
void finish_settling(Core& core, base::Now now, SessionHandle session,
                     std::optional<AttachmentHandle> attachment = std::nullopt);
void extend(Core& core, base::Now now, const Extend& command);

}  // namespace sluice::broker
