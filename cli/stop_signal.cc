#include "cli/stop_signal.h"

#include <atomic>
#include <csignal>

namespace sluice::cli {
namespace {

std::atomic<int> g_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait");

extern "C" void on_stop_signal(int signal) {
  if (g_signal.exchange(signal, std::memory_order_relaxed) == SIGINT && signal == SIGINT) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;  // without SA_RESTART
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return g_signal.load(std::memory_order_relaxed) != 0; }

int stop_exit_code() {
  const int signal = g_signal.load(std::memory_order_relaxed);
  return signal == 0 ? 0 : 128 + signal;
}

void reset_signals_for_child() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGPIPE, SIG_DFL);
}

}  // namespace sluice::cli
