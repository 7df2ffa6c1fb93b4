// One half of a load through the public client library: a producer or a consumer, as a process.
// bench/client/run starts a broker and both; bench/README.md says what is measured.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/fail.h"
#include "bench/load/load.h"
#include "bench/load/tally.h"
#include "sluice/sluice.h"

namespace sluice::bench {
namespace {

constexpr std::chrono::seconds kPatience{120};
constexpr std::size_t kAtOnce = 1'000;

struct Options {
  std::string role;
  std::string endpoint;
  std::string queue = "bench";
  std::string way = "batch";
  Load load{1'000'000, 128, 0};
  unsigned concurrency = 1;
};

template <typename T>
T expect(Result<T> result) {
  if (!result) fail(result.error().to_string());
  return std::move(*result);
}
void expect(const Status& status) {
  if (!status) fail(status.error().to_string());
}

void print_times(std::uint64_t messages, std::int64_t begin_ns, std::int64_t end_ns) {
  const nlohmann::ordered_json json = {
      {"messages", messages}, {"begin_ns", begin_ns}, {"end_ns", end_ns}};
  std::printf("%s\n", json.dump().c_str());
}

// Each message on its own, as a Message with a callback: how most programs send.
void send_each(Producer& producer, const Options& options) {
  std::atomic<std::uint64_t> stored{0};
  const auto count = [&stored](const Result<Receipt>& receipt) {
    if (receipt) stored.fetch_add(1, std::memory_order_relaxed);
  };
  std::string body(options.load.size_bytes, '.');
  for (std::uint64_t i = 0; i < options.load.messages; ++i) {
    stamp(std::as_writable_bytes(std::span(body)), i);
    producer.send(Message(body), count);
  }
  expect(producer.flush(kPatience));
  require(stored == options.load.messages, "not every message was stored");
}

// Rows of bodies with one outcome each, the fastest way.
void send_batches(Producer& producer, const Options& options) {
  std::deque<std::future<BatchReceipt>> receipts;
  std::uint64_t stored = 0;
  const auto take = [&] {
    stored += receipts.front().get().stored;
    receipts.pop_front();
  };
  std::string text(options.load.size_bytes * kAtOnce, '.');
  std::vector<std::string_view> bodies;
  for (std::uint64_t sent = 0; sent < options.load.messages; sent += bodies.size()) {
    bodies.clear();
    const std::uint64_t count = std::min<std::uint64_t>(kAtOnce, options.load.messages - sent);
    for (std::uint64_t i = 0; i < count; ++i) {
      char* const body = text.data() + i * options.load.size_bytes;
      stamp(std::as_writable_bytes(std::span(body, options.load.size_bytes)), sent + i);
      bodies.emplace_back(body, options.load.size_bytes);
    }
    receipts.push_back(producer.send_batch(bodies));
    while (receipts.front().wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      take();
      if (receipts.empty()) break;
    }
  }
  while (!receipts.empty()) take();
  require(stored == options.load.messages, "not every message was stored");
}

int produce(const Options& options) {
  Client client = expect(Client::connect({.endpoint = options.endpoint}));
  Producer producer = expect(client.producer({.queue = options.queue, .batch_bytes = 128 * 1024}));
  const std::int64_t begin = now_ns();
  options.way == "each" ? send_each(producer, options) : send_batches(producer, options);
  print_times(options.load.messages, begin, now_ns());
  return 0;
}

// Every message is handed to a handler, or fetched and acknowledged in rows; both ways every settle
// is confirmed at the end.
int consume(const Options& options) {
  Client client = expect(Client::connect({.endpoint = options.endpoint}));
  Consumer consumer =
      expect(client.consumer({.queue = options.queue, .prefetch_messages = 50'000}));
  Tally tally(options.load.messages, options.load.size_bytes);
  const std::int64_t begin = now_ns();
  if (options.way == "each") {
    std::mutex mutex;
    expect(consumer.run(
        [&](const Delivery& delivery) {
          const std::lock_guard lock(mutex);
          tally.count(std::as_bytes(std::span(delivery.body())));
          if (tally.complete()) consumer.request_stop();
        },
        options.concurrency));
  } else {
    while (!tally.complete()) {
      const DeliveryBatch batch = expect(consumer.receive_batch(kPatience));
      require(!batch.empty(), "no message for two minutes");
      for (const Delivery& delivery : batch) {
        tally.count(std::as_bytes(std::span(delivery.body())));
      }
      consumer.ack(batch);
    }
  }
  expect(consumer.flush(kPatience));
  const std::int64_t end = now_ns();
  require(consumer.stats().messages_settled >= options.load.messages, "a settle came too late");
  print_times(options.load.messages, begin, end);
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::Options options;
  CLI::App app("One half of a load through the public client library; see bench/client/run");
  app.add_option("role", options.role)->required()->check(CLI::IsMember({"produce", "consume"}));
  app.add_option("--endpoint", options.endpoint)->required();
  app.add_option("--queue", options.queue);
  app.add_option("--way", options.way, "each: a message at a time; batch: rows")
      ->check(CLI::IsMember({"each", "batch"}));
  app.add_option("--messages", options.load.messages)->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--size", options.load.size_bytes)->check(CLI::Range(8, 255'000));
  app.add_option("--concurrency", options.concurrency, "threads that handle, with --way each")
      ->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);
  if (options.role == "produce") return sluice::bench::produce(options);
  return sluice::bench::consume(options);
}
