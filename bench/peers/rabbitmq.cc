// RabbitMQ: a durable classic queue, persistent messages, publisher confirms, and an
// acknowledgement of each message by the consumer.

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/fail.h"
#include "bench/load/load.h"
#include "bench/load/tally.h"
#include "bench/peers/peer.h"

namespace sluice::bench {
namespace {

constexpr amqp_channel_t kChannel = 1;
constexpr std::uint8_t kPersistent = 2;

amqp_bytes_t queue_name() { return amqp_cstring_bytes("load"); }

void require_ok(int status, std::string_view what) {
  if (status != AMQP_STATUS_OK) fail(std::string(what) + ": " + amqp_error_string2(status));
}

// One connection with one channel.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : state_(amqp_new_connection()) {
    amqp_socket_t* socket = amqp_tcp_socket_new(state_);
    require(socket != nullptr, "cannot create a socket");
    require_ok(amqp_socket_open(socket, "127.0.0.1", port), "cannot connect to RabbitMQ");
    require_normal(amqp_login(state_, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
                   "cannot log in");
    amqp_channel_open(state_, kChannel);
    check("cannot open a channel");
  }
  ~Connection() { amqp_destroy_connection(state_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  amqp_connection_state_t state() const { return state_; }

  // After a call that answers with what the server said.
  void check(std::string_view what) const { require_normal(amqp_get_rpc_reply(state_), what); }

  static void require_normal(const amqp_rpc_reply_t& reply, std::string_view what) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
      require_ok(reply.library_error, what);
    }
    fail(std::string(what) + ": the server refused");
  }

 private:
  amqp_connection_state_t state_;
};

// Which of the messages sent are confirmed; confirms may come in any order.
class Confirms {
 public:
  void sent() { confirmed_.push_back(false); }
  std::size_t outstanding() const { return confirmed_.size() - confirmed_ahead_; }

  void on_ack(const amqp_basic_ack_t& ack) {
    // Delivery tags count from 1.
    const std::uint64_t index = ack.delivery_tag - 1;
    require(index >= first_ && index - first_ < confirmed_.size(), "an unknown tag was confirmed");
    for (std::uint64_t i = ack.multiple != 0 ? first_ : index; i <= index; ++i) mark(i - first_);
    while (!confirmed_.empty() && confirmed_.front()) {
      confirmed_.pop_front();
      ++first_;
      --confirmed_ahead_;
    }
  }

 private:
  void mark(std::uint64_t position) {
    if (confirmed_[position]) return;
    confirmed_[position] = true;
    ++confirmed_ahead_;
  }

  std::uint64_t first_ = 0;          // number of the first message in confirmed_
  std::deque<bool> confirmed_;       // from the first that is not confirmed to the last sent
  std::size_t confirmed_ahead_ = 0;  // how many of these are true
};

class RabbitmqProducer : public Worker {
 public:
  explicit RabbitmqProducer(const PeerOptions& options)
      : load_(options.load), connection_(options.port) {
    amqp_confirm_select(connection_.state(), kChannel);
    connection_.check("cannot turn on publisher confirms");
  }

  void run() override {
    std::vector<std::byte> message(load_.size_bytes, std::byte{'q'});
    const amqp_bytes_t body{message.size(), message.data()};
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = kPersistent;
    for (std::uint64_t sent = 0; sent < load_.messages || confirms_.outstanding() > 0;) {
      if (sent == load_.messages || confirms_.outstanding() == load_.window) {
        read_confirm(true);
        continue;
      }
      stamp(message, sent);
      require_ok(amqp_basic_publish(connection_.state(), kChannel, amqp_empty_bytes, queue_name(),
                                    0, 0, &properties, body),
                 "cannot publish");
      confirms_.sent();
      ++sent;
      // A look at the socket for each message would cost as much as the message.
      if (sent % 64 == 0) {
        while (read_confirm(false)) {
        }
      }
    }
  }

 private:
  // False when there was none to read.
  bool read_confirm(bool wait) {
    amqp_frame_t frame{};
    timeval no_time{};
    const int status =
        amqp_simple_wait_frame_noblock(connection_.state(), &frame, wait ? nullptr : &no_time);
    if (status == AMQP_STATUS_TIMEOUT) return false;
    require_ok(status, "cannot read a confirm");
    require(
        frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
        "a message was not confirmed");
    confirms_.on_ack(*static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded));
    amqp_maybe_release_buffers(connection_.state());
    return true;
  }

  const Load load_;
  Connection connection_;
  Confirms confirms_;
};

class RabbitmqConsumer : public Worker {
 public:
  explicit RabbitmqConsumer(const PeerOptions& options)
      : tally_(options.load.messages, options.load.size_bytes), connection_(options.port) {
    declare(false);
    require(options.load.window <= 65535, "RabbitMQ's prefetch ends at 65535");
    amqp_basic_qos(connection_.state(), kChannel, 0,
                   static_cast<std::uint16_t>(options.load.window), 0);
    connection_.check("cannot set the prefetch");
    amqp_basic_consume(connection_.state(), kChannel, queue_name(), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    connection_.check("cannot consume");
  }

  void run() override {
    while (!tally_.complete()) {
      amqp_maybe_release_buffers(connection_.state());
      amqp_envelope_t envelope{};
      Connection::require_normal(amqp_consume_message(connection_.state(), &envelope, nullptr, 0),
                                 "cannot receive");
      tally_.count(std::as_bytes(std::span(static_cast<const char*>(envelope.message.body.bytes),
                                           envelope.message.body.len)));
      require_ok(amqp_basic_ack(connection_.state(), kChannel, envelope.delivery_tag, 0),
                 "cannot acknowledge");
      amqp_destroy_envelope(&envelope);
    }
    // An acknowledgement has no answer. This has one, and the server sees it after all of them.
    declare(true);
  }

 private:
  void declare(bool passive) {
    amqp_queue_declare(connection_.state(), kChannel, queue_name(), passive ? 1 : 0, 1, 0, 0,
                       amqp_empty_table);
    connection_.check("cannot declare the queue");
  }

  Tally tally_;
  Connection connection_;
};

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  namespace bench = sluice::bench;
  return bench::run_peer(argc, argv,
                         {.system = "rabbitmq",
                          .setting = "classic durable queue, confirms, ack each",
                          .make_consumer =
                              [](const bench::PeerOptions& options) {
                                return std::make_unique<bench::RabbitmqConsumer>(options);
                              },
                          .make_producer =
                              [](const bench::PeerOptions& options) {
                                return std::make_unique<bench::RabbitmqProducer>(options);
                              }});
}
