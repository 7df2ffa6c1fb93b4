#include "frontend/http/queue_selection.h"

#include <algorithm>
#include <string>

namespace sluice::frontend::http {
namespace {

using broker::HistogramStats;
using broker::QueueStats;
using broker::SubscriptionStats;

void add(HistogramStats& sum, const HistogramStats& one) {
  if (one.counts.empty()) return;
  if (sum.counts.empty()) {
    sum = one;
    return;
  }
  // One process makes all histograms of a kind with the same bounds; if that ever changes, a
  // missing one is better than a wrong one.
  if (sum.bounds != one.bounds || sum.counts.size() != one.counts.size()) return;
  for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += one.counts[i];
  sum.sum += one.sum;
}

template <typename Key>
void add(std::map<Key, std::uint64_t>& sum, const std::map<Key, std::uint64_t>& one) {
  for (const auto& [key, count] : one) sum[key] += count;
}

void add(SubscriptionStats& sum, const SubscriptionStats& one) {
  sum.ready += one.ready;
  sum.in_flight += one.in_flight;
  sum.delayed += one.delayed;
  sum.dead_lettered += one.dead_lettered;
  sum.dead_in_flight += one.dead_in_flight;
  sum.damaged += one.damaged;
  sum.oldest_age_seconds = std::max(sum.oldest_age_seconds, one.oldest_age_seconds);
  sum.consumers += one.consumers;
  sum.delivered += one.delivered;
  sum.redelivered += one.redelivered;
  sum.acked += one.acked;
  sum.released += one.released;
  sum.failed += one.failed;
  sum.rejected += one.rejected;
  sum.stalled += one.stalled;
  sum.expired += one.expired;
  sum.stale_receipts += one.stale_receipts;
  sum.dead_letters_full = sum.dead_letters_full || one.dead_letters_full;
  add(sum.dead_by_reason, one.dead_by_reason);
  add(sum.removed_by_cause, one.removed_by_cause);
  add(sum.end_to_end_seconds, one.end_to_end_seconds);
  add(sum.processing_seconds, one.processing_seconds);
}

void add(QueueStats& sum, const QueueStats& one) {
  sum.messages += one.messages;
  sum.bytes += one.bytes;
  sum.dead_bytes += one.dead_bytes;
  sum.retained_messages += one.retained_messages;
  sum.retained_bytes += one.retained_bytes;
  sum.publishers += one.publishers;
  sum.published += one.published;
  sum.published_bytes += one.published_bytes;
  sum.duplicates += one.duplicates;
  sum.config.limits.messages_max += one.config.limits.messages_max;
  sum.config.limits.bytes_max += one.config.limits.bytes_max;
  sum.config.paused = sum.config.paused || one.config.paused;
  add(sum.refused_by_code, one.refused_by_code);
  add(sum.message_bytes, one.message_bytes);
  for (const SubscriptionStats& subscription : one.subscriptions) {
    add(sum.subscriptions.front(), subscription);
  }
}

QueueStats empty_other() {
  QueueStats other;
  other.name = kOtherName;
  other.config.limits.messages_max = 0;
  other.config.limits.bytes_max = 0;
  other.subscriptions.emplace_back().name = kOtherName;
  return other;
}

}  // namespace

QueueSelection select_queues(const broker::BrokerStats& stats, const SeriesLimits& limits) {
  QueueSelection selection;
  std::size_t subscriptions = 0;
  for (const QueueStats& queue : stats.queues) {
    subscriptions += queue.subscriptions.size();
    // Once one is left out, so are all behind it: the choice depends on names alone.
    const bool fits = !selection.other && selection.named.size() < limits.queues_max &&
                      subscriptions <= limits.subscriptions_max;
    if (fits) {
      selection.named.push_back(&queue);
      continue;
    }
    if (!selection.other) selection.other = empty_other();
    add(*selection.other, queue);
  }
  return selection;
}

}  // namespace sluice::frontend::http
