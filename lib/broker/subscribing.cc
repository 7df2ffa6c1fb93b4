#include "broker/subscribing.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "broker/config_codec.h"
#include "broker/returning.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

constexpr std::size_t kLabelBytesMax = 63;
constexpr std::size_t kRangesPerSlice = 1'024;
constexpr base::Nanos kLookMin = std::chrono::seconds(1);
constexpr base::Nanos kLookMax = std::chrono::seconds(60);

// A DNS label, as in a manifest; `dlq` would be taken for dead letters.
bool is_name(const std::string& name) {
  const auto is_alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.empty() || name.size() > kLabelBytesMax || name == "dlq") return false;
  if (!is_alnum(name.front()) || !is_alnum(name.back())) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return is_alnum(c) || c == '-'; });
}

std::size_t count_created(const QueueConfig& config) {
  return static_cast<std::size_t>(
      std::count_if(config.subscriptions.begin(), config.subscriptions.end(),
                    [](const SubscriptionConfig& one) { return one.created; }));
}

bool is_attached(const Queue& queue, base::SubscriptionId id) {
  return std::any_of(queue.streams().begin(), queue.streams().end(),
                     [&](const auto& stream) { return stream->find(id)->attachments > 0; });
}

// Somebody is there, or messages are on their way, or a task is about it.
bool is_used(const Core& core, const Queue& queue, base::SubscriptionId id) {
  const bool leased =
      std::any_of(queue.streams().begin(), queue.streams().end(), [&](const auto& stream) {
        const Subscription& subscription = *stream->find(id);
        return subscription.in_flight() + subscription.dead_in_flight() > 0;
      });
  if (leased || is_attached(queue, id)) return true;
  const auto here = [&](const Task& task) { return task.key.stream.queue == queue.id(); };
  return std::any_of(core.state.tasks.begin(), core.state.tasks.end(),
                     [&](const auto& task) { return here(task.second); }) ||
         std::any_of(core.dry_runs.begin(), core.dry_runs.end(),
                     [&](const auto& run) { return here(run.second.task); });
}

// Removes what the subscription still has; returns true when nothing is left.
bool empty_out(Core& core, Subscription& subscription, Budget& budget) {
  const Stream& stream = subscription.stream();
  while (subscription.gone().count() < stream.next().value()) {
    if (budget.spent()) return false;
    Ranges left;
    subscription.gone().for_each_gap(Sequence(1), stream.next() - 1, [&](SequenceRange gap) {
      left.push_back(gap);
      return left.size() < kRangesPerSlice;
    });
    budget.take(1 + left.size());
    remove(core, subscription, storage::RemoveCause::kPurged, left);
  }
  while (subscription.dead().count() > 0) {
    if (budget.spent()) return false;
    Ranges dead;
    Sequence from(1);
    while (dead.size() < kRangesPerSlice) {
      const auto next = subscription.dead().next(from);
      if (!next) break;
      append_range(dead, {*next, *next});
      from = *next + 1;
    }
    budget.take(1 + count_messages(dead));
    remove(core, subscription, storage::RemoveCause::kDeadDiscarded, dead);
  }
  return true;
}

// Returns false when the budget ended first.
bool end_subscription(Core& core, base::Now now, Queue& queue, base::SubscriptionId id,
                      Budget& budget) {
  for (const auto& stream : queue.streams()) {
    if (!empty_out(core, *stream->find(id), budget)) return false;
  }
  for (const auto& stream : queue.streams()) core.drop(*stream->find(id));
  core.idle_since.erase({queue.id(), id});
  storage::SubscriptionExpiredFact fact;
  fact.queue = queue.id();
  fact.subscription = id;
  fact.at = now.wall;
  core.record(fact, queue.syncs());
  return true;
}

}  // namespace

Refusal create_subscription(Core& core, Queue& queue, const std::string& name,
                            base::SubscriptionId& id) {
  const CreatedConfig& rules = queue.config().created;
  if (!rules.allowed) {
    return {RefusalCode::kUnknownSubscription,
            "queue " + queue.name() + " has no subscription " + name + "; declared are: " +
                queue.subscription_names() + "; add it to `subscriptions` of the queue"};
  }
  if (!is_name(name)) {
    return {RefusalCode::kUnknownSubscription,
            "queue " + queue.name() + " has no subscription " + name +
                ", and none of that name can be created: 1 to 63 lower-case letters, digits and -"};
  }
  const std::size_t created = count_created(queue.config());
  if (created >= rules.max) {
    return {RefusalCode::kLimitReached,
            "queue " + queue.name() + " has " + std::to_string(created) + " of " +
                std::to_string(rules.max) +
                " subscriptions that consumers created (createdSubscriptions.max): raise it, or "
                "declare the subscription"};
  }
  StoredConfig stored = queue.stored();
  if (stored.next_id.value() == std::numeric_limits<std::uint16_t>::max()) {
    return {RefusalCode::kLimitReached,
            "the numbers of subscriptions of queue " + queue.name() + " are used up"};
  }
  id = stored.next_id;
  ++stored.next_id;
  SubscriptionConfig config = rules.defaults;
  config.name = name;
  config.created = true;
  stored.ids.push_back(id);
  stored.config.subscriptions.push_back(std::move(config));
  storage::QueueConfiguredFact fact;
  fact.queue = queue.id();
  fact.name = queue.name();
  fact.revision = queue.revision() + 1;
  fact.config = encode_config(stored);
  const base::Lsn end = core.record(fact, queue.syncs());
  for (const auto& stream : queue.streams()) {
    stream->find(id)->last_record_end = end;
    stream->last_record_end = end;
  }
  core.created_look = base::MonoTime();
  return {};
}

void note_use(Core& core, const Subscription& subscription) {
  core.idle_since.erase({subscription.stream().id().queue, subscription.id()});
}

std::optional<base::Nanos> idle_time(const Core& core, base::Now now, const Queue& queue,
                                     base::SubscriptionId id) {
  const auto since = core.idle_since.find({queue.id(), id});
  if (since == core.idle_since.end() || is_used(core, queue, id)) return std::nullopt;
  return base::Nanos(now.mono - since->second);
}

void expire_subscriptions(Core& core, base::Now now, Budget& budget) {
  if (!core.created_look || now.mono < *core.created_look) return;
  std::optional<base::Nanos> next;
  for (const auto& [queue_id, queue] : core.state.queues) {
    if (count_created(queue->config()) == 0) continue;
    const base::Nanos limit(queue->config().created.idle_expiry);
    const base::Nanos look = std::clamp(limit / 16, kLookMin, kLookMax);
    if (!next || look < *next) next = look;
    const StoredConfig& stored = queue->stored();
    std::vector<base::SubscriptionId> over;
    for (std::size_t i = 0; i < stored.ids.size(); ++i) {
      if (!stored.config.subscriptions[i].created) continue;
      const std::pair key(queue_id, stored.ids[i]);
      if (is_used(core, *queue, stored.ids[i])) {
        core.idle_since.erase(key);
        continue;
      }
      const base::MonoTime since = core.idle_since.emplace(key, now.mono).first->second;
      if (since + limit <= now.mono) over.push_back(stored.ids[i]);
    }
    for (const base::SubscriptionId id : over) {
      if (!end_subscription(core, now, *queue, id, budget)) return;  // goes on with the next tick
    }
  }
  core.created_look.reset();
  if (next) core.created_look = now.mono + *next;
}

}  // namespace sluice::broker
