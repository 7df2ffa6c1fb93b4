#include "tests/sim/broker/workloads.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "tests/sim/broker/clients.h"
#include "tests/sim/broker/drawing.h"
#include "tests/sim/broker/feature_workloads.h"

namespace sluice::sim {
namespace {

// --- The workloads.

void total_queue(World& world, base::Prng& prng) {
  const std::uint64_t queues = 1 + prng.below(2);
  for (std::uint64_t i = 0; i < queues; ++i) {
    const broker::QueueConfig queue = plain_queue(prng, numbered("total", i));
    add(world, queue);
    add_producers(world, prng, queue.name, 1 + prng.below(2 * world.options().clients_scale));
    add_consumers(world, prng, queue.name, 1 + prng.below(2 * world.options().clients_scale));
  }
  set_drain(world);
  world.set_check(check_taken);
}

// Which token a message carries; tokens begin as messages that producers make.
struct Tokens {
  std::map<std::uint64_t, std::uint64_t> of;  // by tag

  std::uint64_t find(std::uint64_t tag) const {
    const auto found = of.find(tag);
    return found == of.end() ? tag : found->second;
  }
};

ConsumerPlan forwarder(base::Prng& prng, const std::string& from, const std::string& to,
                       const std::shared_ptr<Tokens>& tokens) {
  ConsumerPlan plan = drawn_consumer(prng, from);
  plan.forward_to = to;
  plan.messages_max = static_cast<std::uint32_t>(1 + prng.below(20));
  plan.on_forward = [tokens](World&, std::uint64_t tag, std::uint64_t new_tag) {
    tokens->of[new_tag] = tokens->find(tag);
  };
  return plan;
}

// Every token goes round for ever, so in the end each is somewhere.
void ring(World& world, base::Prng& prng) {
  const auto tokens = std::make_shared<Tokens>();
  const std::uint64_t queues = 2 + prng.below(3);
  for (std::uint64_t i = 0; i < queues; ++i) add(world, plain_queue(prng, numbered("ring", i)));
  ProducerPlan seeds = drawn_producer(prng, "ring0");
  seeds.messages = 1 + prng.below(30);
  world.add_client("seeds", producer(world, seeds));
  for (std::uint64_t i = 0; i < queues; ++i) {
    const std::string to = numbered("ring", (i + 1) % queues);
    world.add_client(numbered("station", i),
                     consumer(world, forwarder(prng, numbered("ring", i), to, tokens)));
  }
  set_drain(world);
  world.set_check([tokens](World& ended) {
    check_taken(ended);
    if (ended.damaged() > 0) return;
    std::set<std::uint64_t> there;
    for (const std::uint64_t tag : ended.taken_in_liveness()) there.insert(tokens->find(tag));
    for (const std::uint64_t tag : ended.stored()) {
      if (there.contains(tokens->find(tag))) continue;
      return ended.complain("token " + std::to_string(tokens->find(tag)) + " is gone");
    }
  });
}

// Amounts go from one queue to another; their sum stays.
void ledger(World& world, base::Prng& prng) {
  const auto tokens = std::make_shared<Tokens>();
  add(world, plain_queue(prng, "debit"));
  add(world, plain_queue(prng, "credit"));
  add_producers(world, prng, "debit", 1 + prng.below(2));
  for (std::uint64_t i = 0; i < 2; ++i) {
    world.add_client(numbered("clerk", i),
                     consumer(world, forwarder(prng, "debit", "credit", tokens)));
  }
  add_consumers(world, prng, "credit", 1);
  set_drain(world);
  world.set_check([tokens](World& ended) {
    check_taken(ended);
    if (ended.damaged() > 0) return;
    const auto amount = [](std::uint64_t token) { return 1 + token % 97; };
    std::set<std::uint64_t> roots;
    std::set<std::uint64_t> booked;
    std::uint64_t sum = 0;
    for (const std::uint64_t tag : ended.stored()) {
      const std::uint64_t token = tokens->find(tag);
      if (roots.insert(token).second) sum += amount(token);
      if (ended.was_taken(tag) && booked.insert(token).second) sum -= amount(token);
    }
    if (sum != 0) ended.complain("the ledger is out by " + std::to_string(sum));
  });
}

void slow_consumer(World& world, base::Prng& prng) {
  broker::QueueConfig queue = plain_queue(prng, "slow");
  queue.limits.messages_max = 50 + prng.below(300);
  queue.limits.overflow = prng.chance(0.5) ? broker::Overflow::kBlock : broker::Overflow::kReject;
  add(world, queue);
  add_producers(world, prng, queue.name, 2);
  for (std::uint64_t i = 0; i < 2; ++i) {
    ConsumerPlan plan = drawn_consumer(prng, queue.name);
    plan.hold_ms_max = 1'000 + prng.below(40'000);
    plan.extend = prng.unit();
    world.add_client(numbered("consumer", i), consumer(world, plan));
  }
  set_drain(world);
  world.set_check(check_taken);
}

void redrive(World& world, base::Prng& prng) {
  const broker::QueueConfig queue = plain_queue(prng, "redrive");
  add(world, queue);
  add_producers(world, prng, queue.name, 1 + prng.below(2));
  for (std::uint64_t i = 0; i < 2; ++i) {
    ConsumerPlan plan = drawn_consumer(prng, queue.name);
    plan.fail = 0.3 * prng.unit();
    plan.reject = 0.3 * prng.unit();
    world.add_client(numbered("consumer", i), consumer(world, plan));
  }
  ConsumerPlan dead = drawn_consumer(prng, queue.name);
  dead.subscription = "default/dlq";
  dead.reject = 0;
  if (prng.chance(0.5)) world.add_client("undertaker", consumer(world, dead));
  AdminPlan redrives;
  redrives.queue = queue.name;
  world.add_client("admin", admin(world, redrives));
  set_drain(world);
  world.set_check(check_taken);
}

void disk_full(World& world, base::Prng& prng) {
  const broker::QueueConfig queue = plain_queue(prng, "full");
  add(world, queue);
  for (std::uint64_t i = 0; i < 2; ++i) {
    ProducerPlan plan = drawn_producer(prng, queue.name);
    plan.body_bytes_max = 2'000 + prng.below(6'000);
    plan.messages = 300 + prng.below(1'000);
    world.add_client(numbered("producer", i), producer(world, plan));
  }
  add_consumers(world, prng, queue.name, 2);
  set_drain(world);
  world.set_check(check_taken);
}

// Messages that wait, and messages that expire.
void delays(World& world, base::Prng& prng) {
  broker::QueueConfig queue = plain_queue(prng, "delays");
  QueueRules rules = rules_of(queue);
  if (prng.chance(0.5)) {
    queue.ttl = base::Millis(2'000 + prng.below(20'000));
    queue.expiry_action =
        prng.chance(0.5) ? broker::ExpiryAction::kDrop : broker::ExpiryAction::kDeadLetter;
    rules.may_lose = queue.expiry_action == broker::ExpiryAction::kDrop;
    rules.may_die = true;
  }
  world.add_queue(queue, rules);
  for (std::uint64_t i = 0; i < 2; ++i) {
    ProducerPlan plan = drawn_producer(prng, queue.name);
    plan.delayed = 0.2 + 0.8 * prng.unit();
    plan.delay_ms_max = 1 + prng.below(30'000);
    world.add_client(numbered("producer", i), producer(world, plan));
  }
  add_consumers(world, prng, queue.name, 2);
  set_drain(world);
}

void retention(World& world, base::Prng& prng) {
  broker::QueueConfig queue = plain_queue(prng, "retention");
  queue.retention.time = base::Millis(5'000 + prng.below(60'000));
  broker::SubscriptionConfig second = queue.subscriptions.front();
  second.name = "second";
  queue.subscriptions.push_back(second);
  add(world, queue);
  add_producers(world, prng, queue.name, 1 + prng.below(2));
  for (const char* const subscription : {"default", "second"}) {
    ConsumerPlan plan = drawn_consumer(prng, queue.name);
    plan.subscription = subscription;
    world.add_client(std::string("consumer-") + subscription, consumer(world, plan));
  }
  AdminPlan seeks;
  seeks.queue = queue.name;
  seeks.seeks = prng.chance(0.7);
  world.add_client("admin", admin(world, seeks));
  set_drain(world);
}

// Queues that promise less: other kinds of fsync, limits that drop, at most once.
void loose(World& world, base::Prng& prng) {
  broker::QueueConfig queue = plain_queue(prng, "loose");
  const std::uint64_t kind = prng.below(3);
  if (kind == 0) {
    queue.fsync = prng.chance(0.5) ? broker::FsyncPolicy::kNever : broker::FsyncPolicy::kInterval;
  }
  QueueRules rules = rules_of(queue);
  if (kind == 1) {
    queue.limits.messages_max = 20 + prng.below(100);
    queue.limits.overflow =
        prng.chance(0.5) ? broker::Overflow::kDropOldest : broker::Overflow::kDeadLetterOldest;
    rules.may_lose = rules.may_die = true;
  }
  rules.may_lose |= kind == 2;
  world.add_queue(queue, rules);
  add_producers(world, prng, queue.name, 2);
  for (std::uint64_t i = 0; i < 2; ++i) {
    ConsumerPlan plan = drawn_consumer(prng, queue.name);
    plan.at_most_once = kind == 2;
    world.add_client(numbered("consumer", i), consumer(world, plan));
  }
  set_drain(world);
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = {
      {"total-queue",
       "everything that was accepted comes out, once it was settled no more",
       {},
       total_queue},
      {"ring", "tokens go round through several queues; none is lost", {}, ring},
      {"ledger", "amounts go from one queue to another; the sum stays", {}, ledger},
      {"slow-consumer",
       "consumers that take longer than their leases; full queues",
       {},
       slow_consumer},
      {"attrition",
       "total-queue, and whatever lives dies often",
       {Fault::kCrash, Fault::kPower, Fault::kClientKill, Fault::kDiskError},
       total_queue},
      {"clogging",
       "total-queue on a bad network",
       {Fault::kCut, Fault::kClog, Fault::kRepeat, Fault::kHostile},
       total_queue},
      {"config-change",
       "total-queue, restarted with other options and changed while it works",
       {Fault::kRestart, Fault::kConfigure},
       total_queue},
      {"redrive",
       "much fails, and dead letters are given back meanwhile",
       {Fault::kCrash},
       redrive},
      {"disk-full", "the disk is full for a while", {Fault::kDiskFull}, disk_full},
      {"damage",
       "total-queue, and what the disk keeps changes",
       {Fault::kRot, Fault::kBitFlip, Fault::kCrash},
       total_queue},
      {"delays", "messages that wait and messages that expire", {Fault::kCrash}, delays},
      {"large", "messages in pieces, between others", {Fault::kClog}, large, 512U << 10},
      {"transfer",
       "messages are copied and moved to another queue",
       {Fault::kCrash},
       transfer,
       512U << 10},
      {"created", "subscriptions that consumers create", {Fault::kCrash}, created},
      {"told",
       "the control port says what the queues are, and old leaders say it too",
       {Fault::kConfigure, Fault::kPower},
       told,
       0,
       true},
      {"removal",
       "queues are removed, with what they have or only if that is nothing, and made again",
       {Fault::kPower},
       removal,
       0,
       true},
      {"guarded",
       "everybody has a key, rights change, and intruders try what theirs does not open",
       {Fault::kConfigure},
       guarded,
       0,
       false,
       true},
      {"retention", "two subscriptions, replay and seeks", {}, retention},
      {"loose",
       "queues that promise less: fsync now and then, limits that drop, at most once",
       {Fault::kPower},
       loose},
  };
  return all;
}

const Workload* find_workload(std::string_view name) {
  for (const Workload& workload : workloads()) {
    if (workload.name == name) return &workload;
  }
  return nullptr;
}

}  // namespace sluice::sim
