#include "broker/observing.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "broker/oldest_message.h"

namespace sluice::broker {
namespace {

struct ConsumerCounts {
  std::uint64_t in_flight = 0;
  bool cordoned = false;
};
using Consumers = std::map<std::string_view, ConsumerCounts>;
// By subscription: its streams' ones are added up.
using ConsumersOf = std::unordered_map<const Subscription*, Consumers>;

// A cordoned pod is removed when nothing of it is in flight any more: so of those also counts what
// was leased to a session that has not attached again.
void add_unclaimed(const Core& core, ConsumersOf& consumers) {
  if (core.cordons.empty()) return;
  for (const auto& [id, session] : core.state.sessions) {
    if (!core.cordons.covers(session.client)) continue;
    const auto* epochs = core.state.leases.of_session(id);
    if (epochs == nullptr) continue;
    for (const base::Epoch epoch : *epochs) {
      const Lease& lease = core.state.leases.leases().at(epoch);
      if (lease.dead || (lease.attachment != AttachmentHandle() && !lease.ending)) continue;
      ConsumerCounts& counts = consumers[lease.subscription][session.client];
      counts.in_flight += lease.messages;
      counts.cordoned = true;
    }
  }
}

ConsumersOf consumers_of(const Core& core) {
  ConsumersOf consumers;
  for (const auto& [handle, attachment] : core.sessions.attachments()) {
    if (attachment->dead) continue;  // no help against a backlog
    const Session* session = core.sessions.find(attachment->session);
    ConsumerCounts& counts = consumers[attachment->subscription][session->client];
    counts.in_flight += attachment->outstanding;
    counts.cordoned = attachment->cordoned;
  }
  add_unclaimed(core, consumers);
  return consumers;
}

void add_stream(Core& core, base::Now now, Subscription& subscription,
                SubscriptionPicture& picture) {
  picture.ready += subscription.ready();
  picture.in_flight += subscription.in_flight();
  picture.delayed += subscription.delayed();
  picture.dead += subscription.dead().count();
  if (subscription.delayed() > 0) {
    const auto backoff = subscription.retries().earliest();
    if (backoff && *backoff <= now.mono) ++picture.due_delayed;
    const auto delay = subscription.stream().delays().earliest();
    if (!subscription.delays().empty() && delay && *delay <= now.wall) ++picture.due_delayed;
  }
  const auto accepted = oldest_accepted_at(core, subscription);
  if (!accepted) return;
  picture.oldest =
      picture.oldest == base::WallTime() ? *accepted : std::min(picture.oldest, *accepted);
}

SubscriptionPicture look_at(Core& core, base::Now now, Queue& queue, std::size_t index,
                            const ConsumersOf& consumers, std::uint64_t& damaged) {
  const base::SubscriptionId id = queue.stored().ids[index];
  SubscriptionPicture picture;
  picture.name = queue.config().subscriptions[index].name;
  const SubscriptionTotals& totals = queue.totals(id);
  picture.settled = totals.acked + totals.rejected;
  picture.redelivered = totals.redelivered;
  Consumers all;
  for (const auto& stream : queue.streams()) {
    Subscription& subscription = *stream->find(id);
    add_stream(core, now, subscription, picture);
    damaged += subscription.damaged();
    const auto found = consumers.find(&subscription);
    if (found == consumers.end()) continue;
    for (const auto& [name, counts] : found->second) {
      all[name].in_flight += counts.in_flight;
      all[name].cordoned = counts.cordoned;
    }
  }
  picture.consumers.reserve(all.size());
  for (const auto& [name, counts] : all) {
    picture.consumers.push_back({std::string(name), counts.in_flight, counts.cordoned});
  }
  return picture;
}

template <typename T>
void sort_by_name(std::vector<T>& all) {
  std::sort(all.begin(), all.end(), [](const T& a, const T& b) { return a.name < b.name; });
}

}  // namespace

std::vector<QueuePicture> observe(Core& core, base::Now now) {
  const ConsumersOf consumers = consumers_of(core);
  std::vector<QueuePicture> pictures;
  pictures.reserve(core.state.queues.size());
  for (const auto& [id, queue] : core.state.queues) {
    QueuePicture picture;
    picture.id = id;
    picture.name = queue->name();
    picture.messages = queue->messages();
    picture.bytes = queue->bytes();
    picture.retained = queue->retained_messages();
    picture.published = queue->totals().published;
    picture.paused = queue->config().paused;
    picture.subscriptions.reserve(queue->stored().ids.size());
    for (std::size_t i = 0; i < queue->stored().ids.size(); ++i) {
      picture.subscriptions.push_back(look_at(core, now, *queue, i, consumers, picture.damaged));
    }
    sort_by_name(picture.subscriptions);
    pictures.push_back(std::move(picture));
  }
  sort_by_name(pictures);
  return pictures;
}

QueueHoldings holdings_of(const Queue& queue) {
  QueueHoldings holdings;
  holdings.messages = queue.messages();
  holdings.retained = queue.retained_messages();
  for (const auto& stream : queue.streams()) {
    for (const auto& subscription : stream->subscriptions()) {
      holdings.ready += subscription->ready();
      holdings.in_flight += subscription->in_flight() + subscription->dead_in_flight();
      holdings.delayed += subscription->delayed();
      holdings.dead += subscription->dead().count();
    }
  }
  return holdings;
}

}  // namespace sluice::broker
