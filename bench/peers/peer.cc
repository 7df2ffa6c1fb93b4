#include "bench/peers/peer.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <thread>

#include "bench/load/report.h"

namespace sluice::bench {

int run_peer(int argc, char** argv, const Peer& peer) {
  PeerOptions options;
  CLI::App app{"The load of bench-limit for " + peer.system};
  app.add_option("--port", options.port, "Where the server listens on loopback")->required();
  app.add_option("--messages", options.load.messages, "How many to send")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--size", options.load.size_bytes, "Bytes in a message")
      ->check(CLI::Range(kMinSizeBytes, 16U << 20))
      ->capture_default_str();
  app.add_option("--window", options.load.window, "Messages in flight")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--json", options.as_json, "Print one JSON object");
  CLI11_PARSE(app, argc, argv);

  const std::unique_ptr<Worker> consumer = peer.make_consumer(options);
  const std::unique_ptr<Worker> producer = peer.make_producer(options);
  const std::int64_t begin_ns = now_ns();
  std::thread consuming([&] { consumer->run(); });
  producer->run();
  const std::int64_t published_ns = now_ns();
  consuming.join();
  print(
      Report{
          .system = peer.system,
          .setting = peer.setting + ", " + std::to_string(options.load.window) + " in flight",
          .load = options.load,
          .fsync = true,
          .publish_ns = published_ns - begin_ns,
          .end_to_end_ns = now_ns() - begin_ns,
      },
      options.as_json);
  return EXIT_SUCCESS;
}

}  // namespace sluice::bench
