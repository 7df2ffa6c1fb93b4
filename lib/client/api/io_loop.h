#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/time.h"
#include "client/connection.h"

namespace sluice::api {

// What wants its turn on the loop's thread after every round of the connection.
class Attendant {
 public:
  virtual ~Attendant() = default;
  // Does what is due; returns when it wants to be called again at the latest.
  virtual std::optional<base::MonoTime> turn(base::MonoTime now) = 0;
  // The connection can never come back; turn() is not called any more.
  virtual void on_dead(const base::Error& error) = 0;
};

// The thread of a client: owns the connection, runs what others post, and drives the attendants.
// Others own a reference; the thread has one itself, so that the last may go on the thread too.
//
// Thread: posting, waking and running are for any; the rest is for the loop's own.
class IoLoop : public std::enable_shared_from_this<IoLoop> {
 public:
  using Log = std::function<void(bool lost, std::uint64_t reconnects)>;

  explicit IoLoop(std::unique_ptr<client::Connection> connection);

  void start();
  // Ends the thread once what was posted has run, and waits for it unless this is it.
  void stop();

  // Runs `task` on the thread, soon; never inside a round of the connection. False = it has ended.
  bool post(std::function<void()> task);
  // The attendants get their turn soon.
  void wake();
  bool on_thread() const { return std::this_thread::get_id() == thread_id_.load(); }

  // Runs `task` on the thread and returns what it does. Not for the thread itself.
  template <typename F>
  base::Status run(F task) {
    std::promise<base::Status> done;
    std::future<base::Status> result = done.get_future();
    if (on_thread()) {
      return base::failed_precondition("a call that waits cannot be made from a callback");
    }
    if (!post([&] { done.set_value(task()); })) return base::failed_precondition("it is closed");
    return result.get();
  }

  // --- On the thread.
  client::Connection& connection() { return *connection_; }
  void attend(std::shared_ptr<Attendant> attendant);
  void leave(const Attendant* attendant);
  // Any thread.
  std::uint64_t reconnects() const { return reconnects_.load(); }

 private:
  void serve();
  void run_tasks();
  base::MonoTime give_turns();
  void die(const base::Error& error);

  std::unique_ptr<client::Connection> connection_;
  std::vector<std::shared_ptr<Attendant>> attendants_;
  std::optional<base::Error> dead_;
  std::atomic<bool> awake_{false};
  std::atomic<std::uint64_t> reconnects_{0};
  std::atomic<std::thread::id> thread_id_{};

  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<std::function<void()>> tasks_;
  bool stopping_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace sluice::api
