#pragma once

#include "broker/core.h"
#include "broker/task_plan.h"

// What a task's selector says of single messages.
namespace sluice::broker {

// True when the log has to be read to know whether a message matches.
bool reads_log(const TaskPlan& plan);
// True when it reads the messages themselves.
bool reads_messages(const TaskPlan& plan);

// True when what the selector asks about last errors is here, or it asks nothing; else storage is
// bringing it in. Of a dead letter, and of a message that waits.
bool letter_text_ready(Core& core, const TaskPlan& plan, const DeadLetter& letter);
bool retry_text_ready(Core& core, const TaskPlan& plan, const Subscription& subscription,
                      base::Sequence sequence);

bool matches(Core& core, const Task& task, const Subscription& subscription,
             base::Sequence sequence, const DeadLetter& letter);
// One that waits. REQUIRES: neither leased nor gone.
bool matches(Core& core, const TaskPlan& plan, const Subscription& subscription,
             base::Sequence sequence);

// The first stretch of `scope` that the selector's sequences allow; nullopt = none.
std::optional<base::SequenceRange> next_wanted(const Selector& selector, base::SequenceRange scope);

}  // namespace sluice::broker
