// Fetches orders in batches until none came for two seconds: pull_consumer ENDPOINT
#include <sluice/sluice.h>

#include <iostream>

int main(int argc, char** argv) {
  sluice::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  auto client = sluice::Client::connect(options);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  auto consumer = client->consumer({.queue = "orders"});
  if (!consumer) return std::cerr << consumer.error().to_string() << "\n", 1;

  std::size_t fetched = 0;
  for (;;) {
    auto batch = consumer->receive_batch(std::chrono::seconds(2));
    if (!batch) return std::cerr << batch.error().to_string() << "\n", 1;
    if (batch->empty()) break;
    fetched += batch->size();
    consumer->ack(*batch);
  }
  auto status = consumer->flush(std::chrono::seconds(30));  // now it is certain
  if (!status) return std::cerr << status.error().to_string() << "\n", 1;
  std::cout << "fetched " << fetched << " orders\n";
  return 0;
}
