// Publishes COUNT messages of 100 B of which every second has the header kind=odd, the others
// kind=even: publish_alternately ENDPOINT QUEUE COUNT
#include <sluice/sluice.h>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 4) return std::cerr << "ENDPOINT QUEUE COUNT\n", 2;
  sluice::ClientOptions options;
  options.endpoint = argv[1];
  auto client = sluice::Client::connect(options);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  auto producer = client->producer({.queue = argv[2]});
  if (!producer) return std::cerr << producer.error().to_string() << "\n", 1;

  constexpr std::size_t kBatch = 1'000;
  std::vector<sluice::Message> batch;
  for (std::size_t i = 0; i < kBatch; ++i) {
    batch.push_back(
        sluice::Message(std::string(100, 'x')).header("kind", i % 2 == 0 ? "odd" : "even"));
  }
  const std::uint64_t count = std::stoull(argv[3]);
  for (std::uint64_t sent = 0; sent < count; sent += kBatch) {
    producer->send_batch(batch);  // those that are refused are missed at the end
  }
  const auto status = producer->flush(std::chrono::minutes(5));
  if (!status) return std::cerr << status.error().to_string() << "\n", 1;
  const auto stats = producer->stats();
  if (stats.messages_stored == count) return 0;
  return std::cerr << stats.messages_stored << " of " << count << " were stored\n", 1;
}
