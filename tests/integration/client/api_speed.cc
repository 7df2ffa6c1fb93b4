// Measures the public client library: one producer and one consumer in this process, batches both
// ways. Every message is counted, and none may be missing. Usage: api_speed ENDPOINT QUEUE MESSAGES
// BYTES
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sluice/sluice.h"

namespace {

constexpr std::size_t kAtOnce = 2'000;
constexpr std::chrono::seconds kPatience{60};

int fail(const sluice::Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 1;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int measure(const std::string& endpoint, const std::string& queue, std::size_t messages,
            std::size_t bytes) {
  auto client = sluice::Client::connect({.endpoint = endpoint});
  if (!client) return fail(client.error());
  auto second = sluice::Client::connect({.endpoint = endpoint});
  if (!second) return fail(second.error());
  auto producer = client->producer({.queue = queue, .batch_bytes = 256'000});
  if (!producer) return fail(producer.error());
  auto consumer = second->consumer({.queue = queue, .prefetch_messages = 200'000});
  if (!consumer) return fail(consumer.error());

  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t stored = 0;
  double produced_s = 0;
  std::thread sender([&] {
    const std::string body(bytes, '.');
    const std::vector<std::string_view> bodies(kAtOnce, body);
    std::vector<std::future<sluice::BatchReceipt>> receipts;
    for (std::size_t sent = 0; sent < messages; sent += kAtOnce) {
      const std::size_t count = std::min(kAtOnce, messages - sent);
      receipts.push_back(producer->send_batch(std::span(bodies).first(count)));
    }
    for (auto& receipt : receipts) stored += receipt.get().stored;
    produced_s = seconds_since(begin);
  });
  std::size_t consumed = 0;
  while (consumed < messages) {
    auto batch = consumer->receive_batch(kPatience);
    if (!batch || batch->empty()) break;
    consumed += batch->size();
    consumer->ack(*batch);
  }
  const auto flushed = consumer->flush(kPatience);
  const double consumed_s = seconds_since(begin);
  sender.join();
  if (!flushed) return fail(flushed.error());
  std::printf("stored %llu in %.2f s (%.0f/s), settled %zu in %.2f s (%.0f/s)\n",
              static_cast<unsigned long long>(stored), produced_s,
              static_cast<double>(stored) / produced_s, consumed, consumed_s,
              static_cast<double>(consumed) / consumed_s);
  return stored == messages && consumed == messages ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: api_speed ENDPOINT QUEUE MESSAGES BYTES\n");
    return 64;
  }
  return measure(argv[1], argv[2], std::stoul(argv[3]), std::stoul(argv[4]));
}
