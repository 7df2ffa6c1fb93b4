#include "runtime/posix/signal_thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace sluice::runtime {
namespace {

// Ends the thread; blocked like the others, so that it is never handled by default.
constexpr int kEnd = SIGUSR2;

sigset_t signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, kEnd}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void SignalThread::block() {
  const sigset_t set = signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

SignalThread::SignalThread(std::function<void(int signal)> on_signal)
    : on_signal_(std::move(on_signal)), thread_([this] {
        const sigset_t set = signals();
        while (true) {
          int signal = 0;
          if (sigwait(&set, &signal) != 0) continue;
          if (signal == kEnd) return;
          on_signal_(signal);
        }
      }) {}

SignalThread::~SignalThread() {
  pthread_kill(thread_.native_handle(), kEnd);
  thread_.join();
}

}  // namespace sluice::runtime
