#pragma once

#include "broker/core.h"

// How much a publisher may send: absolute limits, counted since it was opened, in messages and in
// bytes of entries. A limit that was told is a promise and never falls.
//
// Without Block the limit is always a full window ahead of what was accepted: a full queue
// refuses, or makes room. With Reject the window is no larger than the queue, so that clients make
// batches that an empty queue takes.
// With Block it is at most an equal share of the free space of the queue, so it stops rising when
// the queue is full; several publishers together may overshoot by what they were promised before.
namespace sluice::broker {

// Raises the publisher's limits to what it may have now.
void grant_credit(Core& core, Publisher& publisher);

// True when credit that `before` allowed may be for batches that a queue with `now` can never take,
// and would refuse whole again and again.
bool is_too_much(const Core& core, const LimitsConfig& before, const LimitsConfig& now);

// Space may have come back: publishers that ran low are told.
void return_credit(Core& core, Queue& queue);

}  // namespace sluice::broker
