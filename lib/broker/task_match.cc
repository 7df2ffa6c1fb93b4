#include "broker/task_match.h"

#include <algorithm>

#include "broker/message_reader.h"

namespace sluice::broker {

namespace {

bool in_sequences(const Selector& selector, base::Sequence sequence) {
  if (selector.sequences.empty()) return true;
  const auto at = first_overlap(selector.sequences, sequence);
  return at != selector.sequences.end() && at->first <= sequence;
}

bool in_times(const Selector& selector, base::WallTime at) {
  const bool too_young = selector.before != base::WallTime() && selector.before <= at;
  return !too_young && selector.not_before <= at;
}

bool has_times(const Selector& selector) {
  return selector.before != base::WallTime() || selector.not_before != base::WallTime();
}

bool has_error(Core& core, const std::string& wanted, base::Lsn text) {
  if (wanted.empty()) return true;
  return text != base::Lsn() && read_error(core, text).error.find(wanted) != std::string::npos;
}

}  // namespace

bool reads_log(const TaskPlan& plan) {
  return reads_messages(plan) || !plan.selector.error.empty();
}

bool reads_messages(const TaskPlan& plan) {
  const bool by_age_of_waiting = !plan.dead_letters && has_times(plan.selector);
  return plan.selector.header.has_value() || by_age_of_waiting;
}

bool letter_text_ready(Core& core, const TaskPlan& plan, const DeadLetter& letter) {
  return plan.selector.error.empty() || text_ready(core, letter.text);
}

bool retry_text_ready(Core& core, const TaskPlan& plan, const Subscription& subscription,
                      base::Sequence sequence) {
  if (plan.selector.error.empty()) return true;
  const auto state = subscription.retries().find(sequence);
  return !state || text_ready(core, state->text);
}

bool matches(Core& core, const Task& task, const Subscription& subscription,
             base::Sequence sequence, const DeadLetter& letter) {
  const Selector& selector = task.plan.selector;
  if (letter.record >= task.started || !in_sequences(selector, sequence)) return false;
  if (selector.reason && *selector.reason != letter.reason) return false;
  if (!in_times(selector, letter.died_at)) return false;
  if (!has_error(core, selector.error, letter.text)) return false;
  return !selector.header || has_header(core, subscription.stream(), sequence, *selector.header);
}

bool matches(Core& core, const TaskPlan& plan, const Subscription& subscription,
             base::Sequence sequence) {
  const Selector& selector = plan.selector;
  if (has_times(selector)) {
    const auto message = read_message(core, subscription.stream(), sequence);
    if (!message || !in_times(selector, message->accepted_at)) return false;
  }
  if (!selector.error.empty()) {
    const auto state = subscription.retries().find(sequence);
    if (!state || !has_error(core, selector.error, state->text)) return false;
  }
  return !selector.header || has_header(core, subscription.stream(), sequence, *selector.header);
}

std::optional<base::SequenceRange> next_wanted(const Selector& selector,
                                               base::SequenceRange scope) {
  if (scope.last < scope.first) return std::nullopt;
  if (selector.sequences.empty()) return scope;
  const auto at = first_overlap(selector.sequences, scope.first);
  if (at == selector.sequences.end() || scope.last < at->first) return std::nullopt;
  return intersection(*at, scope);
}

}  // namespace sluice::broker
