// Acknowledges every second message of a subscription and fails the others, which come again after
// DELAY seconds: settle_alternately ENDPOINT QUEUE SUBSCRIPTION COUNT DELAY
#include <sluice/sluice.h>

#include <chrono>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  if (argc != 6) return std::cerr << "ENDPOINT QUEUE SUBSCRIPTION COUNT DELAY\n", 2;
  sluice::ClientOptions options;
  options.endpoint = argv[1];
  auto client = sluice::Client::connect(options);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  auto consumer =
      client->consumer({.queue = argv[2], .subscription = argv[3], .prefetch_messages = 8'192});
  if (!consumer) return std::cerr << consumer.error().to_string() << "\n", 1;

  const std::uint64_t wanted = std::stoull(argv[4]);
  const auto again = std::chrono::steady_clock::now() + std::chrono::seconds(std::stoll(argv[5]));
  std::uint64_t settled = 0;
  while (settled < wanted) {
    auto batch = consumer->receive_batch(std::chrono::seconds(10));
    if (!batch) return std::cerr << batch.error().to_string() << "\n", 1;
    if (batch->empty()) return std::cerr << "only " << settled << " messages came\n", 1;
    // All are due at about the same time, however long this takes.
    const auto delay = std::chrono::duration_cast<std::chrono::milliseconds>(
        again - std::chrono::steady_clock::now());
    for (const sluice::Delivery& delivery : *batch) {
      const bool odd = delivery.sequence() % 2 == 1;
      consumer->settle(
          delivery, odd ? sluice::Settlement::ack() : sluice::Settlement::fail(delay, "not yet"));
    }
    settled += batch->size();
  }
  const auto status = consumer->flush(std::chrono::minutes(1));
  return status ? 0 : (std::cerr << status.error().to_string() << "\n", 1);
}
