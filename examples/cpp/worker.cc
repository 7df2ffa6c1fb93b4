// Packs orders, four at a time, until Ctrl-C or SIGTERM, or until COUNT are packed; packing takes
// MILLISECONDS: worker [ENDPOINT [COUNT [MILLISECONDS]]]. Keys, and with them an endpoint, come
// from the environment (docs/access.md); so this runs in a pod as it is: examples/kubernetes.
#include <sluice/sluice.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <iostream>
#include <stdexcept>
#include <thread>

static std::atomic<bool> interrupted{false};

int main(int argc, char** argv) {
  sluice::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const int wanted = argc > 2 ? std::stoi(argv[2]) : -1;
  const std::chrono::milliseconds packing(argc > 3 ? std::stoi(argv[3]) : 0);
  auto credentials = sluice::Credentials::from_environment();
  if (!credentials) return std::cerr << credentials.error().to_string() << "\n", 1;
  options.credentials = *credentials;
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });

  auto client = sluice::Client::connect(options);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  auto consumer = client->consumer({.queue = "orders"});
  if (!consumer) return std::cerr << consumer.error().to_string() << "\n", 1;

  std::atomic<int> packed{0};
  std::jthread watch([&](std::stop_token over) {
    while (!over.stop_requested() && !interrupted && packed != wanted) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    consumer->request_stop();  // what runs goes on to its end, the rest goes back to the queue
  });
  auto status = consumer->run(
      [&](const sluice::Delivery& order) {
        if (order.body().empty()) throw std::runtime_error("an empty order");  // tried again later
        std::this_thread::sleep_for(packing);
        ++packed;  // returning acknowledges
      },
      4);
  std::cout << "packed " << packed << " orders\n";
  return status ? 0 : (std::cerr << status.error().to_string() << "\n", 1);
}
