#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/time.h"
#include "broker/core.h"
#include "broker/refusal.h"
#include "broker/ticking.h"

// Subscriptions that consumers create by attaching to a name that nobody declared
// (subscriptionPolicy: AllowCreate), and their end when nobody has used them for long.
namespace sluice::broker {

// Creates it in all shards where the queue allows that; else says why not. On success `id` is set,
// and nobody may be told before its last_record_end is committed.
Refusal create_subscription(Core& core, Queue& queue, const std::string& name,
                            base::SubscriptionId& id);

// Somebody attached: its idle time is over.
void note_use(Core& core, const Subscription& subscription);
// How long nobody has used a created subscription; nullopt for declared ones and those in use.
std::optional<base::Nanos> idle_time(const Core& core, base::Now now, const Queue& queue,
                                     base::SubscriptionId id);

// Removes created subscriptions that were idle for too long: first, in slices, what they still have
// to settle and their dead letters, then themselves. One that is attached to meanwhile stays, with
// what is left.
void expire_subscriptions(Core& core, base::Now now, Budget& budget);

}  // namespace sluice::broker
