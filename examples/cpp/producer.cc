// Sends orders to the queue `orders` and says how many are stored: producer [ENDPOINT [COUNT]].
// Keys, and with them an endpoint, come from the environment (docs/access.md).
#include <sluice/sluice.h>

#include <iostream>
#include <string>

static int fail(const sluice::Error& error) {
  std::cerr << error.to_string() << "\n";
  return 1;
}

int main(int argc, char** argv) {
  sluice::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const int count = argc > 2 ? std::stoi(argv[2]) : 10;
  auto credentials = sluice::Credentials::from_environment();
  if (!credentials) return fail(credentials.error());
  options.credentials = *credentials;

  auto client = sluice::Client::connect(options);
  if (!client) return fail(client.error());
  auto producer = client->producer({.queue = "orders"});
  if (!producer) return fail(producer.error());

  int refused = 0;  // written by the client's thread, read after flush()
  for (int i = 0; i < count; ++i) {
    auto order = sluice::Message("order " + std::to_string(i)).key("customer-7");
    producer->send(order, [&refused](const sluice::Result<sluice::Receipt>& receipt) {
      if (!receipt) ++refused;
    });
  }
  if (auto flushed = producer->flush(std::chrono::seconds(30)); !flushed)
    return fail(flushed.error());
  std::cout << "stored " << count - refused << " orders\n";
  return refused == 0 ? 0 : 1;
}
