#pragma once

#include "base/time.h"
#include "broker/core.h"
#include "broker/returning.h"

// Dead letters as messages that can be leased: for attachments to `NAME/dlq`.
namespace sluice::broker {

// As deliver(): leases what is there, in the order of death, to whoever has credit. What is known
// of a letter goes along as headers. Returns true when more could be delivered at once.
bool deliver_dead(Core& core, base::Now now, Subscription& subscription);

// Leased letters of `ranges` are dead letters as before, at once, or after `rest`.
void return_dead(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
                 storage::ReleaseCause cause, base::Millis rest);

// Whoever consumed them needs them no more. REQUIRES: leased.
void discard_dead(Core& core, Subscription& subscription, const Ranges& ranges);

}  // namespace sluice::broker
