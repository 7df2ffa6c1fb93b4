#pragma once

#include "broker/core.h"
#include "broker/task_plan.h"

// What a task's selector says of single messages.
namespace sluice::broker {

// True when the log has to be read to know whether a message matches.
bool reads_log(const TaskPlan& plan);
// True when it reads the messages themselves.
bool reads_messages(const TaskPlan& plan);

bool matches(Core& core, const Task& task, const Subscription& subscription,
             base::Sequence sequence, const DeadLetter& letter);
// One that waits. REQUIRES: neither leased nor gone.
bool matches(Core& core, const TaskPlan& plan, const Subscription& subscription,
             base::Sequence sequence);

// The first stretch of `scope` that the selector's sequences allow; nullopt = none.
std::optional<base::SequenceRange> next_wanted(const Selector& selector, base::SequenceRange scope);

}  // namespace sluice::broker
