#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "kube/http_transport.h"
#include "kube/list_watch.h"
#include "runtime/clock.h"

namespace sluice::kube {

struct ReflectorHooks {
  // Each list and each watch that ended: how it went, 0 = no answer. May be empty.
  std::function<void(std::string_view method, int status)> observe;
  // The first list is in the sink. May be empty.
  std::function<void()> on_synced;
  // A new trouble, once; empty = it is over. May be empty.
  std::function<void(const std::string& problem)> on_problem;
};

// Keeps a sink in step with a collection of the API server, on a thread of its own; all hooks and
// the sink are called there. `transport`, `sink` and `clock` must outlive it.
class Reflector {
 public:
  Reflector(HttpTransport& transport, ListWatchOptions options, ObjectSink& sink,
            const runtime::Clock& clock, std::uint64_t prng_seed, ReflectorHooks hooks);
  // Stops the thread; the sink is not called any more when this returns.
  ~Reflector();
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  // The first list is complete. Any thread.
  bool synced() const { return synced_.load(); }
  // Returns at once, so that several stop together. Any thread.
  void request_stop() { thread_.request_stop(); }

 private:
  void run(const std::stop_token& stop);
  void list(const std::string& target);
  void watch(const std::string& target, const std::stop_token& stop);
  void wait_until(base::MonoTime due, const std::stop_token& stop);
  void tell_problem();
  void observe(const base::Result<HttpResponse>& response);

  HttpTransport& transport_;
  ListWatch core_;
  ObjectSink& sink_;
  const runtime::Clock& clock_;
  ReflectorHooks hooks_;
  std::string told_problem_;
  std::atomic<bool> synced_{false};
  std::mutex mutex_;  // for waiting only
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace sluice::kube
