// Takes COUNT messages of a subscription and acknowledges them in an order. Prints how many are
// settled, and the seconds from the first request to the last confirmation.
//
//   settle_in_order ENDPOINT QUEUE SUBSCRIPTION COUNT all|halves|half
//
// Message by message, as a program does that looks at each. all: in the order in which they come.
// halves: every second one as it comes; when these are confirmed, the others. half: the others are
// given back instead. Whatever the order, the messages stay here until all is settled, so that the
// order is all that makes a difference.
#include <sluice/sluice.h>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  const std::string order = argc == 6 ? argv[5] : "";
  if (order != "all" && order != "halves" && order != "half") {
    return std::cerr << "ENDPOINT QUEUE SUBSCRIPTION COUNT all|halves|half\n", 2;
  }
  sluice::ClientOptions client_options;
  client_options.endpoint = argv[1];
  auto client = sluice::Client::connect(client_options);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  const std::uint64_t count = std::stoull(argv[4]);
  sluice::ConsumerOptions options;
  options.queue = argv[2];
  options.subscription = argv[3];
  // Half of all stay here, and credit is given in halves of the window: it is never short.
  options.prefetch_messages = static_cast<std::uint32_t>(count);
  options.prefetch_bytes = std::uint64_t{options.prefetch_messages} * 1'000;
  options.extend_for = 0ms;  // the queue's lease is long
  const auto begin = std::chrono::steady_clock::now();
  auto consumer = client->consumer(options);
  if (!consumer) return std::cerr << consumer.error().to_string() << "\n", 1;

  std::vector<sluice::DeliveryBatch> held;
  for (std::uint64_t taken = 0; taken < count;) {
    auto batch = consumer->receive_batch(30s);
    if (!batch) return std::cerr << batch.error().to_string() << "\n", 1;
    if (batch->empty()) return std::cerr << taken << " of " << count << " came\n", 1;
    for (const sluice::Delivery& delivery : *batch) {
      if (order == "all" || delivery.sequence() % 2 == 1) consumer->ack(delivery);
    }
    taken += batch->size();
    held.push_back(std::move(*batch));
  }
  auto status = consumer->flush(5min);
  if (status && order == "halves") {
    for (const sluice::DeliveryBatch& batch : held) {
      for (const sluice::Delivery& delivery : batch) {
        if (delivery.sequence() % 2 == 0) consumer->ack(delivery);
      }
    }
    status = consumer->flush(5min);
  }
  if (!status) return std::cerr << status.error().to_string() << "\n", 1;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  std::cout << consumer->stats().messages_settled << " " << passed.count() << "\n";
  static_cast<void>(consumer->stop(1s));  // it says that some were never settled
  return 0;
}
