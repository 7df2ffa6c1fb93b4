#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice::cli::bench {

// The flags of `sluice bench`.
struct Options {
  std::uint64_t messages = 10'000'000;
  std::uint32_t size_bytes = 128;
  std::uint32_t producers = 1;
  std::uint32_t consumers = 1;
  std::uint32_t batch_bytes = 128 * 1024;
  std::uint32_t window = 64;  // batches that a producer may have under way
  std::uint64_t rate = 0;     // messages a second over all producers; 0 = as fast as it goes
  std::string fsync = "Always";
  std::string data;                 // where the broker's folder is made; empty = a temporary place
  std::uint64_t waiting = 0;        // messages put into another queue before, and left there
  bool drain = false;               // consumers begin when everything is published
  std::string encryption = "none";  // "curve" = with keys; "compare" = once without, once with
  bool json = false;
};

// What the hidden worker commands are told.
struct WorkerOptions {
  std::string endpoint;
  std::string queue;
  int shared_fd = -1;
  std::uint32_t worker = 0;    // its place in the shared state
  std::uint32_t producer = 0;  // a producer's own number, which its messages carry
  std::uint64_t messages = 0;  // a producer's share
  std::uint32_t size_bytes = 0;
  std::uint32_t batch_bytes = 0;
  std::uint32_t window = 0;
  std::uint64_t rate = 0;   // a producer's share
  std::string keys_folder;  // empty = plain text
};

inline constexpr char kQueue[] = "bench";
inline constexpr char kWaitingQueue[] = "waiting";
inline constexpr char kProducerCommand[] = "bench-producer";
inline constexpr char kConsumerCommand[] = "bench-consumer";

// How many messages worker `index` of `workers` has of `total`.
constexpr std::uint64_t share_of(std::uint64_t total, std::uint32_t index, std::uint32_t workers) {
  return total / workers + (index < total % workers ? 1 : 0);
}

// The whole life of one worker process; returns its exit code.
int run_producer(const WorkerOptions& options);
int run_consumer(const WorkerOptions& options);

}  // namespace sluice::cli::bench
