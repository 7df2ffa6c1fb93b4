#pragma once

#include <functional>
#include <thread>

namespace sluice::runtime {

// Takes SIGTERM, SIGINT and SIGHUP and calls `on_signal` with each, on its own thread.
class SignalThread {
 public:
  // Keeps the signals pending for this thread and those it makes; before any thread is made.
  static void block();

  explicit SignalThread(std::function<void(int signal)> on_signal);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  std::function<void(int)> on_signal_;
  std::thread thread_;
};

}  // namespace sluice::runtime
