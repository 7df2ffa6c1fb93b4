#include "tests/sim/broker/drawing.h"

#include <utility>

namespace sluice::sim {

broker::QueueConfig plain_queue(base::Prng& prng, std::string name) {
  broker::QueueConfig queue;
  queue.name = std::move(name);
  queue.shards = static_cast<std::uint16_t>(prng.chance(0.4) ? 2 + prng.below(3) : 1);
  queue.limits.messages_max = 100'000;
  queue.limits.bytes_max = 64U << 20;
  broker::SubscriptionConfig subscription;
  subscription.name = "default";
  broker::DeliveryConfig& delivery = subscription.delivery;
  delivery.lease = base::Millis(1'000 + prng.below(30'000));
  delivery.max_attempts = static_cast<std::uint16_t>(2 + prng.below(4));
  delivery.max_stalls = static_cast<std::uint16_t>(2 + prng.below(4));
  delivery.backoff.initial = base::Millis(1 + prng.below(2'000));
  delivery.backoff.max = base::Millis(5'000);
  queue.subscriptions.push_back(std::move(subscription));
  return queue;
}

QueueRules rules_of(const broker::QueueConfig& queue) {
  QueueRules rules;
  rules.durable = queue.fsync == broker::FsyncPolicy::kAlways;
  rules.max_attempts = queue.subscriptions.front().delivery.max_attempts;
  rules.max_stalls = queue.subscriptions.front().delivery.max_stalls;
  rules.retention = queue.retention.time;
  return rules;
}

void add(World& world, const broker::QueueConfig& queue) {
  world.add_queue(queue, rules_of(queue));
}

ConsumerPlan drawn_consumer(base::Prng& prng, const std::string& queue) {
  ConsumerPlan plan;
  plan.queue = queue;
  plan.messages_max = static_cast<std::uint32_t>(1 + prng.below(200));
  plan.hold_ms_max = prng.chance(0.2) ? 5'000 : prng.below(200);
  plan.fail = 0.2 * prng.unit() * prng.unit();
  plan.reject = 0.05 * prng.unit();
  plan.release = 0.1 * prng.unit();
  plan.forget = prng.chance(0.3) ? 0.1 * prng.unit() : 0;
  plan.extend = 0.2 * prng.unit();
  plan.confirm = prng.chance(0.8);
  return plan;
}

ProducerPlan drawn_producer(base::Prng& prng, const std::string& queue) {
  ProducerPlan plan;
  plan.queue = queue;
  plan.messages = 50 + prng.below(600);
  plan.batch_max = 1 + prng.below(60);
  plan.body_bytes_max = prng.chance(0.2) ? 8'000 : 20 + prng.below(500);
  plan.pause_ms_max = 1 + prng.below(2'000);
  plan.delayed = prng.chance(0.3) ? 0.3 * prng.unit() : 0;
  return plan;
}

std::string numbered(const std::string& name, std::uint64_t number) {
  return name + std::to_string(number);
}

void add_producers(World& world, base::Prng& prng, const std::string& queue, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    world.add_client(numbered("producer-" + queue + "-", i),
                     producer(world, drawn_producer(prng, queue)));
  }
}

void add_consumers(World& world, base::Prng& prng, const std::string& queue, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    world.add_client(numbered("consumer-" + queue + "-", i),
                     consumer(world, drawn_consumer(prng, queue)));
  }
}

void set_drain(World& world) {
  world.set_drain([&world](const std::string& queue, const std::string& subscription) {
    ConsumerPlan plan;
    plan.queue = queue;
    plan.subscription = subscription;
    plan.hold_ms_max = 5;
    return consumer(world, plan);
  });
}

// What a client was told is stored, somebody must have had in hand.
void check_taken(World& world) {
  std::uint64_t missing = 0;
  for (const std::uint64_t tag : world.stored()) missing += world.was_taken(tag) ? 0U : 1U;
  if (missing <= world.damaged()) return;
  world.complain(std::to_string(missing) + " of " + std::to_string(world.stored().size()) +
                 " messages whose publish was confirmed came to nobody");
}

}  // namespace sluice::sim
