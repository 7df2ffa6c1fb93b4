// Redis Streams with a consumer group: XADD pipelined, XREADGROUP, then XACK and XDEL of what was
// read, so that a settled message is gone as it is in a queue.

#include <hiredis.h>

#include <array>
#include <initializer_list>
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

constexpr std::string_view kStream = "load";
constexpr std::string_view kGroup = "workers";

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyDeleter>;

std::string_view text_of(const redisReply& reply) { return {reply.str, reply.len}; }

std::span<redisReply* const> elements_of(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_NIL) return {};
  require(reply.type == REDIS_REPLY_ARRAY, "a reply is no list");
  return {reply.element, reply.elements};
}

// hiredis sends what was appended when it has no reply left to give, so a pipeline costs one call
// for many commands.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : context_(redisConnect("127.0.0.1", port)) {
    require(context_ != nullptr && context_->err == 0, "cannot connect to Redis");
  }
  ~Connection() { redisFree(context_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void append(std::span<const std::string_view> arguments) {
    data_.clear();
    sizes_.clear();
    for (const std::string_view argument : arguments) {
      data_.push_back(argument.data());
      sizes_.push_back(argument.size());
    }
    const int result = redisAppendCommandArgv(context_, static_cast<int>(arguments.size()),
                                              data_.data(), sizes_.data());
    require(result == REDIS_OK, context_->errstr);
  }

  Reply next_reply() {
    void* reply = nullptr;
    require(redisGetReply(context_, &reply) == REDIS_OK, context_->errstr);
    Reply owned(static_cast<redisReply*>(reply));
    if (owned->type == REDIS_REPLY_ERROR) fail(text_of(*owned));
    return owned;
  }

 private:
  redisContext* context_;
  std::vector<const char*> data_;
  std::vector<std::size_t> sizes_;
};

class RedisProducer : public Worker {
 public:
  explicit RedisProducer(const PeerOptions& options)
      : load_(options.load), connection_(options.port) {}

  void run() override {
    std::vector<std::byte> message(load_.size_bytes, std::byte{'r'});
    const std::string_view body(reinterpret_cast<const char*>(message.data()), message.size());
    const std::array<std::string_view, 5> command{"XADD", kStream, "*", "m", body};
    std::uint64_t sent = 0;
    for (std::uint64_t acknowledged = 0; acknowledged < load_.messages; ++acknowledged) {
      for (; sent < load_.messages && sent - acknowledged < load_.window; ++sent) {
        stamp(message, sent);
        connection_.append(command);
      }
      connection_.next_reply();
    }
  }

 private:
  const Load load_;
  Connection connection_;
};

class RedisConsumer : public Worker {
 public:
  explicit RedisConsumer(const PeerOptions& options)
      : load_(options.load),
        tally_(options.load.messages, options.load.size_bytes),
        connection_(options.port),
        count_(std::to_string(options.load.window)) {
    connection_.append(
        std::array<std::string_view, 6>{"XGROUP", "CREATE", kStream, kGroup, "0", "MKSTREAM"});
    connection_.next_reply();
  }

  void run() override {
    append_read();
    while (true) {
      const Reply streams = connection_.next_reply();
      const bool last = settle(*streams);
      if (!last) append_read();
      for (; settlements_ > 0; --settlements_) {
        const Reply done = connection_.next_reply();
        require(done->type == REDIS_REPLY_INTEGER && done->integer == entries_,
                "Redis settled another number of messages than it was told");
      }
      if (last) return;
    }
  }

 private:
  void append_read() {
    connection_.append(std::array<std::string_view, 11>{"XREADGROUP", "GROUP", kGroup, "consumer",
                                                        "COUNT", count_, "BLOCK", "1000", "STREAMS",
                                                        kStream, ">"});
  }

  // Counts and settles what an XREADGROUP gave: [[stream, [[id, [field, body]], ...]]]. True when
  // it was the last.
  bool settle(const redisReply& streams) {
    std::vector<std::string_view> acknowledge{"XACK", kStream, kGroup};
    std::vector<std::string_view> remove{"XDEL", kStream};
    for (const redisReply* stream : elements_of(streams)) {
      for (const redisReply* entry : elements_of(*elements_of(*stream)[1])) {
        const auto parts = elements_of(*entry);
        const std::string_view body = text_of(*elements_of(*parts[1])[1]);
        tally_.count(std::as_bytes(std::span(body)));
        acknowledge.push_back(text_of(*parts[0]));
        remove.push_back(text_of(*parts[0]));
      }
    }
    entries_ = static_cast<long long>(remove.size()) - 2;
    if (entries_ > 0) {
      connection_.append(acknowledge);
      connection_.append(remove);
      settlements_ = 2;
    }
    return tally_.complete();
  }

  const Load load_;
  Tally tally_;
  Connection connection_;
  const std::string count_;
  long long entries_ = 0;  // settled last
  int settlements_ = 0;    // replies that are still to come
};

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  namespace bench = sluice::bench;
  return bench::run_peer(argc, argv,
                         {.system = "redis",
                          .setting = "stream, appendfsync always, XACK and XDEL",
                          .make_consumer =
                              [](const bench::PeerOptions& options) {
                                return std::make_unique<bench::RedisConsumer>(options);
                              },
                          .make_producer =
                              [](const bench::PeerOptions& options) {
                                return std::make_unique<bench::RedisProducer>(options);
                              }});
}
