#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"
#include "kube/json.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// For how long the deletion of a Queue has waited for a broker that is not heard, as it stands on
// the Queue: a duration, so that nobody's date is in it, and the uid, since a manifest that was
// copied with it makes another Queue.

// What is noted, at most kDeletionPatience; 0 where nothing is, or nothing that can be read.
base::Millis noted_wait(const kube::Json& queue);

// Writes it down, in whole seconds, for the Queue as it is there. nullopt takes it away, however
// the Queue has changed meanwhile: with too little noted a deletion waits longer, which harms
// nobody.
Patch note_wait(std::string_view name_space, const kube::Json& queue,
                std::optional<base::Millis> waited);

}  // namespace sluice::reconcile
