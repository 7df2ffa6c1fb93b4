#include "broker/configuring.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/buggify.h"
#include "broker/attaching.h"
#include "broker/config_codec.h"
#include "broker/gathering.h"
#include "broker/hosting.h"
#include "broker/observing.h"
#include "broker/publish_credit.h"
#include "broker/seeking.h"
#include "broker/task_runner.h"

namespace sluice::broker {

namespace {

using base::Status;

constexpr std::size_t kNameBytesMax = 253;
constexpr std::size_t kSubscriptionsMax = 100;
constexpr std::uint16_t kCreatedMax = 32;
constexpr base::Millis kLeaseMax{12LL * 3600 * 1000};
// Keeps every sum of times far from the end of the clock.
constexpr base::Millis kDurationMax{100LL * 365 * 24 * 3600 * 1000};

base::Error unimplemented(const std::string& field, const std::string& value) {
  return {base::ErrorCode::kUnimplemented, field + ": " + value + " is not in this version"};
}

Status check_duration(const std::string& field, base::Millis duration) {
  if (duration.count() >= 0 && duration <= kDurationMax) return {};
  return base::invalid_argument(field + ": must be 0 to 100 years");
}

Status check_subscription(const SubscriptionConfig& config) {
  const std::string at = "subscriptions[" + config.name + "].";
  if (config.name.empty() || config.name.size() > kNameBytesMax) {
    return base::invalid_argument("subscriptions: a name of 1 to 253 bytes is needed");
  }
  RETURN_IF_ERROR(check_duration(at + "delivery.maxLease", config.delivery.max_lease));
  RETURN_IF_ERROR(check_duration(at + "deadLetter.retention", config.dead_letter.retention));
  if (config.delivery.lease.count() < 0 || config.delivery.lease > kLeaseMax) {
    return base::invalid_argument(at + "delivery.leaseDuration: must be 0 s to 12 h");
  }
  return {};
}

Status check_config(const QueueConfig& config) {
  if (config.name.empty() || config.name.size() > kNameBytesMax) {
    return base::invalid_argument("name: 1 to 253 bytes are needed");
  }
  if (config.shards == 0 || config.shards > kShardsMax) {
    return base::invalid_argument("shards: must be 1 to 64");
  }
  RETURN_IF_ERROR(check_duration("ttl", config.ttl));
  RETURN_IF_ERROR(check_duration("retention.time", config.retention.time));
  RETURN_IF_ERROR(check_duration("createdSubscriptions.idleExpiry", config.created.idle_expiry));
  if (config.created.max > kCreatedMax) {
    return base::invalid_argument("createdSubscriptions.max: must be at most 32");
  }
  if (config.ordering == Ordering::kGrouped) return unimplemented("ordering", "Grouped");
  if (config.subscriptions.empty() || config.subscriptions.size() > kSubscriptionsMax) {
    return base::invalid_argument("subscriptions: 1 to 100 are needed");
  }
  std::set<std::string> names;
  for (const SubscriptionConfig& subscription : config.subscriptions) {
    RETURN_IF_ERROR(check_subscription(subscription));
    if (!names.insert(subscription.name).second) {
      return base::invalid_argument("subscriptions: " + subscription.name + " is there twice");
    }
  }
  return {};
}

// Gives every subscription its number: the one that it had, or a new one.
base::Result<StoredConfig> number(const QueueConfig& config, const Queue* before) {
  StoredConfig stored;
  stored.config = config;
  if (before != nullptr) stored.next_id = before->stored().next_id;
  for (const SubscriptionConfig& subscription : config.subscriptions) {
    const auto known =
        before == nullptr ? std::nullopt : before->find_subscription(subscription.name);
    if (known) {
      stored.ids.push_back(*known);
      continue;
    }
    if (stored.next_id.value() == std::numeric_limits<std::uint16_t>::max()) {
      return base::resource_exhausted("subscriptions: the numbers of this queue are used up");
    }
    stored.ids.push_back(stored.next_id);
    ++stored.next_id;
  }
  if (before == nullptr) return stored;
  // What consumers created is in no manifest and stays; it goes by its idle time.
  for (std::size_t i = 0; i < before->stored().ids.size(); ++i) {
    SubscriptionConfig one = before->config().subscriptions[i];
    const base::SubscriptionId id = before->stored().ids[i];
    const bool declared = std::find(stored.ids.begin(), stored.ids.end(), id) != stored.ids.end();
    if (!one.created || declared) continue;
    if (config.created.allowed) {
      one.delivery = config.created.defaults.delivery;
      one.dead_letter = config.created.defaults.dead_letter;
    }
    stored.ids.push_back(id);
    stored.config.subscriptions.push_back(std::move(one));
  }
  return stored;
}

// The subscriptions that `stored` no longer has; an error when one of them is still needed.
base::Result<std::vector<Subscription*>> removed(const Queue& queue, const StoredConfig& stored) {
  std::vector<Subscription*> gone;
  for (const base::SubscriptionId id : queue.stored().ids) {
    if (std::find(stored.ids.begin(), stored.ids.end(), id) != stored.ids.end()) continue;
    std::uint64_t waiting = 0;
    std::uint64_t dead = 0;
    for (const auto& stream : queue.streams()) {
      Subscription* subscription = stream->find(id);
      waiting += stream->next().value() - subscription->gone().count();
      dead += subscription->dead().count();
      gone.push_back(subscription);
    }
    if (waiting + dead == 0) continue;
    return base::failed_precondition(
        "subscriptions: " + queue.settings(id).name + " still has " + std::to_string(waiting) +
        " messages and " + std::to_string(dead) + " dead letters: purge both before it is removed");
  }
  return gone;
}

// Fields that a log of feature level 1 has no place for.
Status check_level(const Core& core, const QueueConfig& config) {
  constexpr std::uint32_t kLogLevel = 2;
  const std::uint32_t level = core.log.feature_level();
  if (level >= kLogLevel) return {};
  const auto refuse = [&](const std::string& field) {
    return base::failed_precondition(field + ": needs a log of feature level 2, and this one is " +
                                     "of level " + std::to_string(level) +
                                     ": start the broker once with --log-feature-level 2");
  };
  if (config.retention.keeps()) return refuse("retention.policy");
  for (const SubscriptionConfig& one : config.subscriptions) {
    if (one.dead_letter.messages_max > 0) return refuse("deadLetter.messages");
  }
  if (config.created.allowed) return refuse("subscriptionPolicy");
  for (const SubscriptionConfig& one : config.subscriptions) {
    const bool placed = one.start == StartPosition::kSequence || one.start == StartPosition::kTime;
    if (placed) return refuse("subscriptions[" + one.name + "].start");
  }
  return {};
}

// Finds where the subscriptions that are new with this change begin, for each shard.
Status find_begins(const Core& core, const Queue& queue, StoredConfig& stored) {
  for (std::size_t i = 0; i < stored.ids.size(); ++i) {
    const SubscriptionConfig& one = stored.config.subscriptions[i];
    if (queue.find_subscription(one.name)) continue;
    if (one.start != StartPosition::kSequence && one.start != StartPosition::kTime) continue;
    std::vector<base::Sequence>& begin = stored.begins[stored.ids[i]];
    for (const auto& stream : queue.streams()) {
      base::Sequence first(std::max<std::uint64_t>(one.start_at, 1));
      if (one.start == StartPosition::kTime) {
        const base::WallTime time(static_cast<std::int64_t>(one.start_at));
        ASSIGN_OR_RETURN(first, first_accepted_at(core, *stream, time));
      }
      begin.push_back(std::min(first, stream->next()));
    }
  }
  return {};
}

Status check_change(const Core& core, const Configure& command, const Queue* before,
                    std::size_t new_ones = 0) {
  if (before == nullptr) {
    if (core.state.queues.size() + new_ones >= core.options.queues_max) {
      return base::resource_exhausted("this broker has " + std::to_string(core.options.queues_max) +
                                      " queues: delete one, or use another broker");
    }
    if (core.state.queue(command.id_if_new) != nullptr) {
      return Status(base::Error(base::ErrorCode::kAlreadyExists, "the queue's id is taken"));
    }
    return {};
  }
  if (before->config().shards != command.config.shards) {
    return base::failed_precondition("shards: is " + std::to_string(before->config().shards) +
                                     " and cannot become " + std::to_string(command.config.shards) +
                                     "; create a queue of another name");
  }
  return {};
}

std::string describe_holdings(const std::string& name, const QueueHoldings& holdings) {
  return "queue " + name + " is not empty: " + std::to_string(holdings.messages) + " messages (" +
         std::to_string(holdings.ready) + " ready, " + std::to_string(holdings.in_flight) +
         " in flight, " + std::to_string(holdings.delayed) + " delayed), " +
         std::to_string(holdings.dead) + " dead, " + std::to_string(holdings.retained) +
         " retained";
}

}  // namespace

base::Status check_configure(const Core& core, const Configure& command, std::size_t new_ones) {
  RETURN_IF_ERROR(check_config(command.config));
  RETURN_IF_ERROR(check_shards(core.options, command.config.shards));
  const Queue* queue = core.state.queue(command.config.name);
  RETURN_IF_ERROR(check_change(core, command, queue, new_ones));
  RETURN_IF_ERROR(check_level(core, command.config));
  ASSIGN_OR_RETURN(StoredConfig stored, number(command.config, queue));
  if (queue == nullptr) return {};
  ASSIGN_OR_RETURN(const std::vector<Subscription*> gone, removed(*queue, stored));
  return find_begins(core, *queue, stored);
}

base::Result<base::QueueId> configure(Core& core, const Configure& command) {
  RETURN_IF_ERROR(check_config(command.config));
  RETURN_IF_ERROR(check_shards(core.options, command.config.shards));
  Queue* queue = core.state.queue(command.config.name);
  RETURN_IF_ERROR(check_change(core, command, queue));
  RETURN_IF_ERROR(check_level(core, command.config));
  ASSIGN_OR_RETURN(StoredConfig stored, number(command.config, queue));
  storage::QueueConfiguredFact fact;
  fact.queue = queue == nullptr ? command.id_if_new : queue->id();
  fact.name = command.config.name;
  fact.revision = queue == nullptr ? 1 : queue->revision() + 1;
  fact.config = encode_config(stored);
  // Whatever the queue promises of its messages, what was said of itself is not taken back.
  const bool syncs = !PLANTED("settings_not_synced");
  if (queue == nullptr) {
    core.record(fact, syncs);
    return fact.queue;
  }
  if (fact.config == encode_config(queue->stored())) return queue->id();
  ASSIGN_OR_RETURN(const std::vector<Subscription*> gone, removed(*queue, stored));
  RETURN_IF_ERROR(find_begins(core, *queue, stored));
  fact.config = encode_config(stored);
  for (Subscription* subscription : gone) {
    close_attachments(core, *subscription,
                      {RefusalCode::kUnknownSubscription,
                       "subscription " + queue->settings(subscription->id()).name +
                           " was removed from queue " + queue->name()});
    core.drop(*subscription);
  }
  const LimitsConfig before = queue->config().limits;
  core.record(fact, syncs);
  core.created_look = base::MonoTime();
  // Whoever waits for credit may have other limits now.
  queue->short_of_credit = queue->publishers;
  if (is_too_much(core, before, queue->config().limits)) {
    // A credit does not fall, so they have to be opened anew. Whoever waits for some gets it first:
    // he hears of this by what he sends.
    return_credit(core, *queue);
    abandon_gatherings(core, *queue,
                       "has other limits since the message began to come: open it again");
    close_publishers(core, *queue);
  }
  // Dead letters may have less room than they take.
  for (const base::SubscriptionId id : queue->stored().ids) {
    core.overfull.emplace(queue->id(), id);
  }
  core.touch(*queue);
  return queue->id();
}

void delete_queue(Core& core, const DeleteQueue& command) {
  DeleteReply reply;
  reply.origin = command.origin;
  reply.counted = command.counted;
  Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    reply.refusal = {RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex()};
    // It may have been removed a moment ago, and could still come back.
    core.effects.emit(Wait{core.removed_end, core.removed_end != base::Lsn()}, std::move(reply));
    return;
  }
  reply.holdings = holdings_of(*queue);
  const bool goes_anyway = PLANTED("full_queue_removed_as_empty");
  if (command.if_empty && !reply.holdings.empty() && !goes_anyway) {
    reply.refusal = {RefusalCode::kNotEmpty, describe_holdings(queue->name(), reply.holdings)};
    core.effects.emit(Wait{}, std::move(reply));
    return;
  }
  const Refusal reason{RefusalCode::kUnknownQueue, "queue " + queue->name() + " was deleted"};
  for (const auto& stream : queue->streams()) {
    for (const auto& subscription : stream->subscriptions()) {
      close_attachments(core, *subscription, reason);
    }
  }
  abandon_gatherings(core, *queue, "was deleted while the message came: send it to another queue");
  close_publishers(core, *queue);
  abandon_tasks(core, *queue);
  storage::QueueDeletedFact fact;
  fact.queue = queue->id();
  // Leases leave while the subscriptions still stand; only then do those go.
  core.drop(*queue);
  // Whatever the queue promised: what was told to be gone does not come back.
  const bool syncs = !PLANTED("removal_not_synced");
  core.removed_end = core.record(fact, syncs);
  core.effects.emit(Wait{core.removed_end, syncs}, std::move(reply));
}

}  // namespace sluice::broker
