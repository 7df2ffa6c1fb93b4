// worker [ENDPOINT [COUNT [MILLISECONDS]]]: packs COUNT orders, or until a signal, four at a time.
// Keys: from the environment (examples/kubernetes). GRACE: seconds for what is in work at a stop.
#include <sluice/sluice.h>

#include <atomic>
#include <csignal>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;
static std::atomic<bool> stopped{false};
static int number(const char* text, int otherwise) { return text ? std::stoi(text) : otherwise; }
int main(int argc, char** argv) {
  auto credentials = sluice::Credentials::from_environment();
  if (!credentials) return std::cerr << credentials.error().to_string() << "\n", 1;
  sluice::ClientOptions options{.credentials = *credentials};
  if (argc > 1) options.endpoint = argv[1];
  const int wanted = number(argc > 2 ? argv[2] : nullptr, -1);
  const std::chrono::milliseconds packing(number(argc > 3 ? argv[3] : nullptr, 0));
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { stopped = true; });
  auto client = sluice::Client::connect(options);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  auto consumer = client->consumer({.queue = "orders"});
  if (!consumer) return std::cerr << consumer.error().to_string() << "\n", 1;
  std::atomic<int> packed{0};
  std::jthread watch([&](std::stop_token end) {
    while (!end.stop_requested() && !stopped && packed != wanted) std::this_thread::sleep_for(20ms);
    // What runs goes on to its end, the rest goes back to the queue; after GRACE all of it does.
    if (!consumer->stop(std::chrono::seconds(number(std::getenv("GRACE"), 25)))) std::_Exit(1);
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
