// Sends the numbers 1 to LAST exactly once, however often it is killed and started again:
// named_producer ENDPOINT LAST
#include <sluice/sluice.h>

#include <iostream>
#include <string>

int main(int argc, char** argv) {
  sluice::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const unsigned long last = argc > 2 ? std::stoul(argv[2]) : 100;

  auto client = sluice::Client::connect(options);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  auto producer = client->producer({.queue = "orders", .name = "numbers"});
  if (!producer) return std::cerr << producer.error().to_string() << "\n", 1;

  std::cout << "going on after " << producer->last_sequence() << "\n";
  for (unsigned long number = producer->last_sequence() + 1; number <= last; ++number) {
    producer->send(sluice::Message(std::to_string(number)), nullptr);
  }
  auto status = producer->close(std::chrono::seconds(30));
  if (!status) return std::cerr << status.error().to_string() << "\n", 1;
  return producer->stats().messages_refused == 0 ? 0 : 1;
}
