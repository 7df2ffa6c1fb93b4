#include "broker/reporting.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <utility>

#include "broker/oldest_message.h"
#include "broker/returning.h"
#include "broker/subscribing.h"
#include "broker/task_report.h"

namespace sluice::broker {

namespace {

constexpr std::size_t kConsumerNamesMax = 100;

void add_stream(Core& core, base::Now now, Subscription& subscription, SubscriptionStats& stats) {
  stats.ready += subscription.ready();
  stats.in_flight += subscription.in_flight();
  stats.dead_in_flight += subscription.dead_in_flight();
  stats.delayed += subscription.delayed();
  stats.dead_lettered += subscription.dead().count();
  stats.damaged += subscription.damaged();
  if (const auto accepted = oldest_accepted_at(core, subscription)) {
    const std::int64_t age_ms = std::max<std::int64_t>(0, now.wall - *accepted);
    stats.oldest_age_seconds =
        std::max(stats.oldest_age_seconds, static_cast<double>(age_ms) / 1000.0);
  }
}

void add_totals(const SubscriptionTotals& totals, SubscriptionStats& stats) {
  stats.delivered = totals.delivered;
  stats.redelivered = totals.redelivered;
  stats.acked = totals.acked;
  stats.released = totals.released;
  stats.failed = totals.failed;
  stats.rejected = totals.rejected;
  stats.stalled = totals.stalled;
  stats.expired = totals.expired;
  stats.stale_receipts = totals.stale_receipts;
  stats.dead_by_reason = totals.dead_by_reason;
  stats.removed_by_cause = totals.removed_by_cause;
  stats.end_to_end_seconds = totals.end_to_end_seconds.stats();
  stats.processing_seconds = totals.processing_seconds.stats();
}

using Consumers = std::map<std::pair<base::QueueId, base::SubscriptionId>, std::set<std::string>>;
using ConsumerCounts =
    std::map<std::pair<base::QueueId, base::SubscriptionId>, std::set<SessionHandle>>;

QueueStats report_queue(Core& core, base::Now now, Queue& queue, const Consumers& names,
                        const ConsumerCounts& sessions) {
  QueueStats stats;
  stats.id = queue.id();
  stats.name = queue.name();
  stats.config = queue.config();
  stats.messages = queue.messages();
  stats.bytes = queue.bytes();
  stats.retained_messages = queue.retained_messages();
  stats.retained_bytes = queue.retained_bytes();
  stats.publishers = static_cast<std::uint32_t>(queue.publishers.size());
  stats.next_sequence = queue.streams().front()->next().value();
  const QueueTotals& totals = queue.totals();
  stats.published = totals.published;
  stats.published_bytes = totals.published_bytes;
  stats.duplicates = totals.duplicates;
  stats.refused_by_code = totals.refused_by_code;
  stats.message_bytes = totals.message_bytes.stats();
  stats.tasks = tasks_of(core, queue);
  for (std::size_t i = 0; i < queue.stored().ids.size(); ++i) {
    const base::SubscriptionId id = queue.stored().ids[i];
    stats.dead_bytes += queue.dead_bytes(id);
    SubscriptionStats one;
    one.id = id;
    one.name = queue.config().subscriptions[i].name;
    one.created = queue.config().subscriptions[i].created;
    if (one.created) {
      const base::Nanos idle = idle_time(core, now, queue, id).value_or(base::Nanos(0));
      one.idle_seconds = std::chrono::duration<double>(idle).count();
    }
    for (const auto& stream : queue.streams()) add_stream(core, now, *stream->find(id), one);
    add_totals(queue.totals(id), one);
    one.dead_letters_full = dead_letters_full(queue, id);
    const std::pair key(queue.id(), id);
    if (const auto found = sessions.find(key); found != sessions.end()) {
      one.consumers = static_cast<std::uint32_t>(found->second.size());
      for (const std::string& name : names.at(key)) {
        if (one.consumer_names.size() == kConsumerNamesMax) break;
        one.consumer_names.push_back(name);
      }
    }
    stats.subscriptions.push_back(std::move(one));
  }
  return stats;
}

}  // namespace

BrokerStats report(Core& core, base::Now now) {
  BrokerStats stats;
  stats.incarnation = core.state.incarnation;
  stats.log_id = core.state.log_id;
  stats.sessions = static_cast<std::uint32_t>(core.sessions.size());
  Consumers names;
  ConsumerCounts sessions;
  for (const auto& [handle, attachment] : core.sessions.attachments()) {
    if (attachment->dead) continue;  // no help against a backlog
    const Subscription& subscription = *attachment->subscription;
    const std::pair key(subscription.stream().id().queue, subscription.id());
    sessions[key].insert(attachment->session);
    names[key].insert(core.sessions.find(attachment->session)->client);
  }
  for (const auto& [id, queue] : core.state.queues) {
    stats.queues.push_back(report_queue(core, now, *queue, names, sessions));
  }
  std::sort(stats.queues.begin(), stats.queues.end(),
            [](const QueueStats& a, const QueueStats& b) { return a.name < b.name; });
  return stats;
}

}  // namespace sluice::broker
