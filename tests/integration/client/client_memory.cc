// What a producer and a consumer need for a million messages that are outstanding, as lines of
// "NAME MIBIBYTES". Stops the broker for the producer's part, so that nothing is answered. Usage:
// client_memory ENDPOINT QUEUE BROKER_PID
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "sluice/sluice.h"

namespace {

constexpr std::uint64_t kMessages = 1'000'000;
constexpr std::size_t kBodyBytes = 100;
constexpr std::size_t kSmallBytes = 8 * 1024 * 1024;
constexpr std::chrono::seconds kPatience{120};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T expect(sluice::Result<T> result) {
  if (!result) fail(result.error().to_string());
  return std::move(*result);
}
void expect(const sluice::Status& status) {
  if (!status) fail(status.error().to_string());
}

// Resident now, in MiB.
double resident() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t pages = 0;
  statm >> size >> pages;
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

void report(const char* name, double before) {
  std::printf("%s %.0f\n", name, resident() - before);
}

void produce(sluice::Client& client, const std::string& queue, pid_t broker) {
  auto producer = expect(client.producer({.queue = queue, .buffer_bytes = 512 * 1024 * 1024}));
  auto small = expect(client.producer({.queue = queue, .buffer_bytes = kSmallBytes}));
  kill(broker, SIGSTOP);
  const double before = resident();
  std::uint64_t answered = 0;  // on the client's thread, read after flush()
  const std::string body(kBodyBytes, 'x');
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    expect(producer.try_send(sluice::Message(body), [&answered](const auto& receipt) {
      if (!receipt) fail(receipt.error().to_string());
      ++answered;
    }));
  }
  report("producer", before);
  // A full buffer takes nothing, however often it is asked.
  std::uint64_t taken = 0;
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    taken += small.try_send(sluice::Message(body)).has_value();
  }
  report("small_buffer_too", before);
  kill(broker, SIGCONT);
  expect(small.flush(kPatience));
  if (taken == 0 || taken > kSmallBytes / kBodyBytes) fail("the buffer has another limit");
  expect(producer.flush(kPatience));
  if (answered != kMessages) fail("a message without an answer");
}

void consume(sluice::Client& client, const std::string& queue) {
  const double before = resident();
  auto consumer = expect(client.consumer(
      {.queue = queue, .prefetch_messages = 2'000'000, .prefetch_bytes = 1024 * 1024 * 1024}));
  std::vector<sluice::Delivery> held;
  held.reserve(kMessages);
  while (held.size() < kMessages) {
    auto batch = expect(consumer.receive_batch(kPatience));
    if (batch.empty()) fail("a message is missing");
    for (sluice::Delivery& delivery : batch) held.push_back(std::move(delivery));
  }
  report("consumer", before);
  // As far apart as it gets.
  for (std::size_t begin : {0U, 1U}) {
    for (std::size_t i = begin; i < held.size(); i += 2) consumer.ack(held[i]);
    expect(consumer.flush(kPatience));
    report(begin == 0 ? "half_settled" : "settled", before);
  }
  if (consumer.stats().messages_settled < kMessages) fail("not everything was settled");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: client_memory ENDPOINT QUEUE BROKER_PID");
  const pid_t broker = std::stoi(argv[3]);
  auto client = expect(sluice::Client::connect({.endpoint = argv[1]}));
  produce(client, argv[2], broker);
  consume(client, argv[2]);
  return 0;
}
