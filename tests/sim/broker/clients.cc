#include "tests/sim/broker/clients.h"

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "client/admin.h"
#include "client/consumer.h"
#include "client/publisher.h"
#include "tests/sim/broker/body.h"
#include "wire/shard_map.h"

namespace sluice::sim {
namespace {

constexpr base::Nanos kTryAgain{200'000'000};

base::Millis some_ms(base::Prng& prng, std::uint64_t max) {
  return base::Millis(1 + prng.below(max));
}

// One life of a producer.
class Producing {
 public:
  Producing(ClientProcess& me, World& world, const ProducerPlan& plan, std::uint64_t& left)
      : me_(me), world_(world), plan_(plan), left_(left) {}

  void run() {
    const auto connection = me_.connect();
    if (connection == nullptr) return;
    client::PublisherOptions options;
    options.queue = plan_.queue;
    options.batch_bytes = plan_.batch_bytes;
    options.linger = base::Millis(me_.prng().below(20));
    options.send_timeout = base::Millis(5'000);
    options.on_outcome = [this](const client::BatchOutcome& outcome) { take(outcome); };
    auto opened = client::Publisher::open(*connection, options);
    if (!opened.has_value()) return me_.rest(kTryAgain);
    client::Publisher& publisher = **opened;
    while (!me_.stopping() && left_ > 0) {
      if (!publish_some(publisher)) break;
      const bool wait = me_.prng().chance(0.3);
      const base::Status status = wait ? publisher.flush(base::Millis(10'000))
                                       : publisher.poll(some_ms(me_.prng(), plan_.pause_ms_max));
      if (!status.has_value() && !publisher.failure().has_value()) break;
    }
    (void)publisher.flush(base::Millis(60'000));
  }

 private:
  bool publish_some(client::Publisher& publisher) {
    base::Prng& prng = me_.prng();
    for (std::uint64_t n = 1 + prng.below(plan_.batch_max); n > 0 && left_ > 0; --n) {
      const std::uint64_t tag = world_.next_tag();
      base::Message message;
      message.body = make_body(tag, prng.below(plan_.body_bytes_max));
      message.key = "k" + std::to_string(prng.below(50));
      if (prng.chance(plan_.delayed)) {
        message.deliver_at =
            world_.clock().wall_now() + static_cast<std::int64_t>(prng.below(plan_.delay_ms_max));
      }
      const std::uint16_t slot = wire::slot_of(message.key);
      std::deque<std::uint64_t>& waiting = waiting_[publisher.slots().shard_of(slot)];
      waiting.push_back(tag);
      const base::Status status = publisher.publish(message);
      if (!status.has_value()) {
        waiting.pop_back();
        return publisher.failure().has_value();
      }
      --left_;
    }
    return true;
  }

  // Within a shard outcomes come in the order of the messages.
  void take(const client::BatchOutcome& outcome) {
    std::deque<std::uint64_t>& waiting = waiting_[outcome.shard.value()];
    for (std::uint32_t i = 0; i < outcome.count; ++i) {
      if (waiting.empty()) return world_.complain("more outcomes than messages");
      if (outcome.stored()) world_.note_stored(waiting.front());
      waiting.pop_front();
    }
  }

  ClientProcess& me_;
  World& world_;
  const ProducerPlan& plan_;
  std::uint64_t& left_;
  std::map<std::uint16_t, std::deque<std::uint64_t>> waiting_;  // by shard
};

// One life of a consumer.
class Consuming {
 public:
  Consuming(ClientProcess& me, World& world, const ConsumerPlan& plan)
      : me_(me), world_(world), plan_(plan) {}

  void run() {
    connection_ = me_.connect();
    if (connection_ == nullptr) return;
    if (!plan_.forward_to.empty() && !open_next(*connection_)) return me_.rest(kTryAgain);
    client::ConsumerOptions options;
    options.queue = plan_.queue;
    options.subscription = plan_.subscription;
    options.messages_max = plan_.messages_max;
    options.at_most_once = plan_.at_most_once;
    options.confirm_settles = plan_.confirm;
    auto opened = client::Consumer::open(*connection_, options);
    if (!opened.has_value()) return me_.rest(kTryAgain);
    client::Consumer& consumer = **opened;
    // Whoever forgets messages runs out of credit, and begins anew.
    while (!me_.stopping() && forgotten_ < plan_.messages_max / 2 + 1) {
      auto batch = consumer.poll(some_ms(me_.prng(), world_.in_liveness() ? 3'000 : 200));
      if (!batch.has_value()) break;
      if (*batch) take(**batch);
      settle_due(consumer, false);
      if (!held_.empty() && me_.prng().chance(plan_.extend)) {
        (void)consumer.extend(held_.front().receipt, base::Millis(1 + me_.prng().below(20'000)));
      }
    }
    if (me_.prng().chance(0.7)) settle_due(consumer, true);
    (void)consumer.flush_settles(base::Millis(5'000));
  }

 private:
  struct Held {
    client::Receipt receipt;
    std::uint64_t tag = 0;
    std::size_t bytes = 0;
    base::MonoTime due;
  };

  bool open_next(client::Connection& connection) {
    client::PublisherOptions options;
    options.queue = plan_.forward_to;
    auto opened = client::Publisher::open(connection, options);
    if (!opened.has_value()) return false;
    next_ = std::move(*opened);
    return true;
  }

  void take(const client::DeliveredBatch& batch) {
    for (const client::Delivery& delivery : batch) {
      const auto tag = read_body(delivery.message.body);
      if (!tag) {
        world_.complain("a consumer got what nobody published");
        continue;
      }
      world_.note_taken(*tag);
      const base::Nanos hold(base::Millis(me_.prng().below(plan_.hold_ms_max + 1)));
      held_.push_back({delivery.receipt(), *tag, delivery.message.body.size(), me_.now() + hold});
    }
  }

  void settle_due(client::Consumer& consumer, bool all) {
    std::vector<Held> later;
    for (Held& held : std::exchange(held_, {})) {
      if (!all && held.due > me_.now()) {
        later.push_back(std::move(held));
      } else {
        settle(consumer, held);
      }
    }
    later.insert(later.end(), held_.begin(), held_.end());
    held_ = std::move(later);
  }

  void settle(client::Consumer& consumer, const Held& held) {
    double drawn = me_.prng().unit();
    const auto is = [&drawn](double part) {
      drawn -= part;
      return drawn < 0;
    };
    if (world_.in_liveness()) drawn = 1;
    if (is(plan_.forget)) {
      ++forgotten_;
    } else if (is(plan_.fail)) {
      client::FailOptions options;
      options.error = "the simulation says so";
      if (me_.prng().chance(0.3)) options.delay = base::Millis(me_.prng().below(3'000));
      consumer.fail(held.receipt, options);
    } else if (is(plan_.reject)) {
      consumer.reject(held.receipt, "rejected");
    } else if (is(plan_.release)) {
      consumer.release(held.receipt);
    } else if (forward(held)) {
      consumer.ack(held.receipt);
    } else {
      consumer.release(held.receipt);
    }
  }

  bool forward(const Held& held) {
    if (next_ == nullptr) return true;
    const std::uint64_t tag = world_.next_tag();
    if (plan_.on_forward) plan_.on_forward(world_, held.tag, tag);
    base::Message message;
    message.body = make_body(tag, held.bytes);
    const auto stored = next_->publish_sync(message, base::Millis(10'000));
    if (stored.has_value()) world_.note_stored(tag);
    return stored.has_value();
  }

  ClientProcess& me_;
  World& world_;
  const ConsumerPlan& plan_;
  std::unique_ptr<client::Connection> connection_;
  std::unique_ptr<client::Publisher> next_;
  std::vector<Held> held_;
  std::uint64_t forgotten_ = 0;
};

}  // namespace

ClientProcess::Body producer(World& world, ProducerPlan plan) {
  const auto left = std::make_shared<std::uint64_t>(plan.messages);
  return [&world, plan = std::move(plan), left](ClientProcess& me) {
    while (!me.stopping() && *left > 0) {
      Producing(me, world, plan, *left).run();
      if (!me.stopping()) me.rest(base::Nanos(1'000'000));
    }
  };
}

ClientProcess::Body consumer(World& world, ConsumerPlan plan) {
  return [&world, plan = std::move(plan)](ClientProcess& me) {
    if (plan.pause_ms_first > 0 && !world.in_liveness()) {
      me.rest(base::Nanos(base::Millis(plan.pause_ms_first)));
    }
    while (!me.stopping()) {
      Consuming(me, world, plan).run();
      if (!me.stopping()) me.rest(base::Nanos(1'000'000));
    }
  };
}

ClientProcess::Body admin(World& world, AdminPlan plan) {
  return [&world, plan = std::move(plan)](ClientProcess& me) {
    while (!me.stopping()) {
      const auto connection = me.connect();
      if (connection == nullptr) continue;
      client::Admin admin(*connection);
      while (!me.stopping()) {
        (void)connection->poll(some_ms(me.prng(), plan.pause_ms_max));
        const auto queue = admin.resolve(plan.queue);
        if (!queue.has_value()) break;
        client::PeekOptions peek;
        peek.queue = queue->id;
        peek.subscription = plan.subscription;
        peek.dead_letters = me.prng().chance(0.5);
        const auto page = admin.peek(peek);
        if (page.has_value()) {
          for (const client::PeekedMessage& message : page->messages) {
            if (message.readable && !message.is_cut() &&
                !read_body(base::as_bytes(message.message.body))) {
              world.complain("a peek showed what nobody published");
            }
          }
        }
        if (!plan.transfer_to.empty() && me.prng().chance(0.6)) {
          const auto target = admin.resolve(plan.transfer_to);
          if (!target.has_value()) break;
          client::TaskOptions task;
          task.kind = me.prng().chance(0.5) ? client::TaskKind::kCopy : client::TaskKind::kMove;
          task.queue = queue->id;
          task.target = target->id;
          task.subscription = plan.subscription;
          task.dead_letters = me.prng().chance(0.5);
          if (me.prng().chance(0.3)) task.rate_per_second_max = 20;
          (void)admin.start_task(task, base::Millis(me.prng().below(3'000)));
        }
        if (plan.redrives && me.prng().chance(0.5)) {
          client::TaskOptions task;
          task.kind = client::TaskKind::kRedrive;
          task.queue = queue->id;
          task.subscription = plan.subscription;
          task.dead_letters = true;
          (void)admin.start_task(task, base::Millis(me.prng().below(3'000)));
        }
        if (plan.seeks && me.prng().chance(0.3)) {
          using To = client::Admin::SeekTo;
          const To to = me.prng().chance(0.5) ? To::kFirst : To::kEnd;
          (void)admin.seek(queue->id, plan.subscription, base::ShardIndex(0), to, 0);
        }
      }
    }
  };
}

}  // namespace sluice::sim
