#include "tests/sim/broker/checkers.h"

// What there is when a queue is removed, and in the end. Numbers of docs/simulation-broker.md,
// "What is checked": nothing that was acknowledged is missing, each message has found its end (1),
// the broker's own counts are the model's (11), and what was removed as empty was empty (14).
namespace sluice::sim {

void Checkers::on_remove(const Request& request, Removal removal) {
  // Unless it is to be done only where there is nothing.
  for (const base::QueueId& queue : removal.queues) {
    if (!removal.if_empty) model_.on_remove(queue);
  }
  removing_[request] = std::move(removal);
}

void Checkers::on_removed(const Request& request) {
  const auto found = removing_.find(request);
  if (found == removing_.end()) return;
  const Removal removal = std::move(found->second);
  removing_.erase(found);
  for (const base::QueueId& queue : removal.queues) {
    if (model_.removed.insert(queue).second && removal.if_empty) check_was_empty(queue);
  }
}

void Checkers::check_was_empty(const base::QueueId& queue) {
  for (const auto& [key, stream] : model_.streams) {
    if (key.first != queue) continue;
    for (const auto& [name, places] : stream.places) {
      if (Model::is_dead_letters(name)) continue;
      for (const auto& [sequence, message] : stream.messages) {
        if (!message.accepted || message.may_be_lost) continue;
        if (model_.may_be_gone(stream, name, sequence)) continue;
        complain("queue " + stream.queue + " was removed as empty, and had sequence " +
                 std::to_string(sequence) + " of " + name);
      }
    }
  }
}

void Checkers::check_end(std::uint64_t damaged) {
  std::uint64_t lost = 0;
  std::string first;
  for (const auto& [key, stream] : model_.streams) {
    const auto rules = model_.rules.find(stream.queue);
    if (rules == model_.rules.end()) continue;
    for (const auto& [name, places] : stream.places) {
      if (Model::is_dead_letters(name)) continue;
      for (const auto& [sequence, message] : stream.messages) {
        if (!message.accepted || message.may_be_lost) continue;
        if (model_.may_be_gone(stream, name, sequence)) continue;
        if (lost++ > 0) continue;
        first = "queue " + stream.queue + " (" + name + ") sequence " + std::to_string(sequence);
      }
    }
  }
  if (lost <= damaged) return;
  complain(std::to_string(lost) + " acknowledged messages were lost, " + std::to_string(damaged) +
           " are counted as damaged; the first: " + first);
}

void Checkers::check_drained(const broker::BrokerStats& stats, bool rotted) {
  for (const broker::QueueStats& queue : stats.queues) {
    std::uint64_t unreadable = 0;  // those that nobody can take
    for (const broker::SubscriptionStats& subscription : queue.subscriptions) {
      unreadable += subscription.damaged + subscription.dead_lettered;
      const std::uint64_t rest = subscription.ready + subscription.in_flight +
                                 subscription.delayed +
                                 (rotted ? 0 : subscription.damaged + subscription.dead_lettered);
      if (rest == 0) continue;
      complain("queue " + queue.name + " (" + subscription.name + ") still counts " +
               std::to_string(rest) + " messages");
    }
    // How large a dead letter was stands in a record that may be lost.
    const bool sizes = unreadable > 0 || (queue.bytes == 0 && (rotted || queue.dead_bytes == 0));
    if (queue.messages <= unreadable && sizes) continue;
    complain("queue " + queue.name + " is empty and counts " + std::to_string(queue.messages) +
             " messages, " + std::to_string(queue.bytes) + " bytes, " +
             std::to_string(queue.dead_bytes) + " dead bytes");
  }
}

}  // namespace sluice::sim
