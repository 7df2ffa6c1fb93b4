// Takes COUNT messages of a subscription and acknowledges every second one, in the order in which
// they come; the others stay leased until all acknowledgements are confirmed, and are then given
// back: settle_alternately ENDPOINT QUEUE SUBSCRIPTION COUNT
#include <sluice/sluice.h>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc != 5) return std::cerr << "ENDPOINT QUEUE SUBSCRIPTION COUNT\n", 2;
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
  auto consumer = client->consumer(options);
  if (!consumer) return std::cerr << consumer.error().to_string() << "\n", 1;

  std::uint64_t taken = 0;
  while (taken < count) {
    auto batch = consumer->receive_batch(30s);
    if (!batch) return std::cerr << batch.error().to_string() << "\n", 1;
    if (batch->empty()) return std::cerr << taken << " of " << count << " came\n", 1;
    sluice::DeliveryBatch odd;
    for (const sluice::Delivery& delivery : *batch) {
      if (taken++ % 2 == 0) odd.push_back(delivery);
    }
    consumer->ack(odd);
  }
  if (auto status = consumer->flush(5min); !status) {
    return std::cerr << status.error().to_string() << "\n", 1;
  }
  std::cout << consumer->stats().messages_settled << "\n";
  static_cast<void>(consumer->stop(1s));  // it says that some were never settled
  return 0;
}
