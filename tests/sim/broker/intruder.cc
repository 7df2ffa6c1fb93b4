#include "tests/sim/broker/intruder.h"

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/message.h"
#include "client/connection.h"
#include "tests/sim/broker/body.h"

namespace sluice::sim {
namespace {

constexpr std::uint32_t kHandlesMax = 6;

class Intruding {
 public:
  Intruding(ClientProcess& me, World& world, const std::string& queue)
      : me_(me), world_(world), queue_(queue) {}

  void run() {
    const auto connection = me_.connect();
    if (connection == nullptr) return;
    while (!me_.stopping()) {
      if (!connection->poll(base::Millis(1 + me_.prng().below(1'000))).has_value()) return;
      const std::optional<base::QueueId> id = world_.queue_id(queue_);
      if (id) try_something(*connection, *id);
    }
  }

 private:
  template <typename Frame>
  static Frame about(const base::QueueId& queue) {
    Frame frame;
    frame.queue = queue;
    return frame;
  }

  void try_something(client::Connection& connection, const base::QueueId& id) {
    base::Prng& prng = me_.prng();
    switch (prng.below(10)) {
      case 0: {
        auto frame = about<wire::OpenPublisher>(id);
        frame.producer = base::ProducerId(prng.id128());
        return expect_refusal(connection, "OPEN_PUBLISHER", frame);
      }
      case 1: {
        auto frame = about<wire::Attach>(id);
        frame.messages_limit = 100;
        frame.bytes_limit = 1U << 20;
        return expect_refusal(connection, "ATTACH", frame);
      }
      case 2:
        return expect_refusal(connection, "PURGE", about<wire::Purge>(id));
      case 3:
        return expect_refusal(connection, "REDRIVE", about<wire::Redrive>(id));
      case 4: {
        auto frame = about<wire::Seek>(id);
        frame.to = static_cast<std::uint8_t>(3 + prng.below(2));
        return expect_refusal(connection, "SEEK", frame);
      }
      case 5: {
        auto frame = about<wire::StartTask>(id);
        frame.kind = static_cast<std::uint8_t>(1 + prng.below(2));
        return expect_refusal(connection, "START_TASK", frame);
      }
      case 6:
        return expect_refusal(connection, "DELETE_QUEUE", about<wire::DeleteQueue>(id));
      case 7: {
        wire::RemoveQueue frame;  // of the other port
        frame.leader_epoch = ~std::uint64_t{0};
        frame.queue = queue_;
        return expect_refusal(connection, "REMOVE_QUEUE", frame);
      }
      default:
        return use_handles(connection);
    }
  }

  // Handles that others have, or that it would have, had it been let in.
  void use_handles(client::Connection& connection) {
    base::Prng& prng = me_.prng();
    const auto handle = static_cast<std::uint32_t>(1 + prng.below(kHandlesMax));
    if (prng.chance(0.5)) {
      wire::Settle frame;
      frame.attachment = handle;
      frame.receipts = {{(std::uint64_t{1} << 32) + prng.below(500), 1, 1 + prng.below(200), 0}};
      return expect_refusal(connection, "SETTLE", frame);
    }
    base::Message message;
    message.body = make_body(world_.next_tag(), prng.below(100));
    std::vector<std::byte> entries;
    if (!base::append_entry(message, entries).has_value()) return;
    wire::Publish frame;
    frame.publisher = handle;
    frame.producer_sequence = 1;
    frame.count = 1;
    frame.entries = entries;
    expect_refusal(connection, "PUBLISH", frame);
  }

  void expect_refusal(client::Connection& connection, const char* what, const wire::Body& body) {
    client::Connection::RequestOptions options;
    options.timeout = base::Millis(5'000);
    const auto answer = connection.request(body, options);
    if (!answer.has_value()) return;
    // Whoever may use handles at all is told that he has none.
    const wire::Body& said = answer->frame.body;
    const auto* const published = std::get_if<wire::Published>(&said);
    const auto* const settled = std::get_if<wire::Settled>(&said);
    const bool refused = (published != nullptr && published->code != 0) ||
                         (settled != nullptr && settled->code != 0);
    if (!refused) world_.complain(me_.name() + ": " + what + " was not refused");
  }

  ClientProcess& me_;
  World& world_;
  const std::string& queue_;
};

}  // namespace

ClientProcess::Body intruder(World& world, std::string queue) {
  return [&world, queue = std::move(queue)](ClientProcess& me) {
    while (!me.stopping()) {
      Intruding(me, world, queue).run();
      if (!me.stopping()) me.rest(base::Nanos(base::Millis(100)));
    }
  };
}

}  // namespace sluice::sim
