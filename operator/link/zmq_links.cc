#include "operator/link/zmq_links.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "client/refusal.h"
#include "operator/link/zmq_dealer.h"
#include "runtime/posix/wakeup.h"
#include "wire/frame_codec.h"

namespace sluice::link {
namespace {

constexpr base::Nanos kIdleWait{60'000'000'000};

// Whether the owner of a link still wants to be called.
using Alive = std::shared_ptr<std::atomic<bool>>;

base::Prng drawn_prng() {
  std::random_device device;
  return base::Prng(std::uint64_t{device()} << 32 | device());
}

// The answer as its frame, or why there is none.
template <typename Frame>
base::Result<Frame> answer_as(base::Result<const wire::Frame*> result) {
  if (!result.has_value()) return std::move(result).error();
  const auto* body = std::get_if<Frame>(&(*result)->body);
  if (body == nullptr) return base::unavailable("the broker answered with another frame");
  return *body;
}

// The thread of all links, and what it owns.
class LinkThread {
 public:
  LinkThread(const runtime::Clock& clock, LinkOptions options)
      : clock_(clock), options_(std::move(options)) {
    auto wakeup = runtime::Wakeup::create();
    CHECK(wakeup.has_value());
    wakeup_ = std::move(*wakeup);
    thread_ = std::thread([this] { run(); });
  }
  ~LinkThread() {
    post([this] { stopping_ = true; });
    thread_.join();
  }
  LinkThread(const LinkThread&) = delete;
  LinkThread& operator=(const LinkThread&) = delete;

  void open(std::uint64_t id, LinkAddress address, LinkEvents events) {
    post([this, id, address = std::move(address), events = std::move(events)]() mutable {
      auto link = std::make_unique<Link>(context_, std::move(address), options_, std::move(events));
      links_.emplace(id, std::move(link));
    });
  }
  void close(std::uint64_t id) {
    post([this, id] {
      const auto at = links_.find(id);
      at->second->session.close();
      links_.erase(at);
    });
  }
  void call(std::uint64_t id, LinkSession::Encode encode, LinkSession::Answer answer) {
    post([this, id, encode = std::move(encode), answer = std::move(answer)]() mutable {
      links_.at(id)->session.call(clock_.mono_now(), std::move(encode), std::move(answer));
    });
  }

 private:
  struct Link {
    Link(ZmqLinkContext& context, LinkAddress address, const LinkOptions& options,
         LinkEvents events)
        : dealer(context, std::move(address)),
          session(options, dealer, std::move(events), drawn_prng()) {}
    ZmqDealer dealer;
    LinkSession session;
  };

  void post(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    wakeup_->notify();
  }

  void run() {
    while (!stopping_) {
      base::MonoTime next = clock_.mono_now() + kIdleWait;
      std::vector<void*> sockets;
      for (const auto& [id, link] : links_) {
        next = std::min(next, link->session.step(clock_.mono_now()));
        if (link->dealer.socket() == nullptr) continue;
        sockets.push_back(link->dealer.socket());
        sockets.push_back(link->dealer.monitor());
      }
      wait_for_input(sockets, wakeup_->fd(), base::Nanos(next - clock_.mono_now()));
      wakeup_->clear();
      run_tasks();
      for (const auto& [id, link] : links_) read(*link);
    }
    for (const auto& [id, link] : links_) link->session.close();
    links_.clear();
  }

  void run_tasks() {
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
  }

  void read(Link& link) {
    link.dealer.receive(
        [&](base::ByteView bytes) { link.session.on_frame(clock_.mono_now(), bytes); });
    if (link.dealer.read_monitor()) {
      link.session.on_lost(clock_.mono_now(), link.dealer.refusal());
    }
  }

  const runtime::Clock& clock_;
  const LinkOptions options_;
  std::unique_ptr<runtime::Wakeup> wakeup_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  // The thread's own.
  ZmqLinkContext context_;
  std::map<std::uint64_t, std::unique_ptr<Link>> links_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

class ZmqLink final : public BrokerLink {
 public:
  ZmqLink(std::shared_ptr<LinkThread> thread, std::uint64_t id, Post post, Alive alive)
      : thread_(std::move(thread)), id_(id), post_(std::move(post)), alive_(std::move(alive)) {}
  ~ZmqLink() override {
    alive_->store(false);
    thread_->close(id_);
  }

  void configure(std::uint64_t epoch, std::string manifest,
                 std::function<void(base::Status)> done) override {
    if (manifest.size() > wire::kFrameBytesMax / 2) {
      return tell(std::move(done),
                  base::Status(base::invalid_argument("manifest: is too long for a frame")));
    }
    thread_->call(
        id_,
        [epoch, manifest = std::move(manifest)](const auto& header, auto& out) {
          wire::encode_frame(header, wire::Configure{epoch, manifest}, out);
        },
        [self = shared(), done = std::move(done)](auto result) mutable {
          const auto answer = answer_as<wire::Configured>(std::move(result));
          tell(self, std::move(done),
               answer.has_value() ? client::to_status(answer->code, answer->message)
                                  : base::Status(answer.error()));
        });
  }

  void remove_queue(std::uint64_t epoch, std::string queue, RemoveMode mode,
                    std::function<void(base::Result<QueueRemoval>)> done) override {
    const bool if_empty = mode == RemoveMode::kIfEmpty;
    thread_->call(
        id_,
        [epoch, queue = std::move(queue), if_empty](const auto& header, auto& out) {
          wire::encode_frame(header, wire::RemoveQueue{epoch, queue, if_empty}, out);
        },
        [self = shared(), done = std::move(done)](auto result) mutable {
          tell(self, std::move(done), removal_of(answer_as<wire::QueueRemoved>(std::move(result))));
        });
  }

  void cordon(std::uint64_t epoch, std::string consumer, base::Millis lease,
              std::function<void(base::Result<std::uint64_t>)> done) override {
    const auto lease_ms = static_cast<std::uint32_t>(lease.count());
    thread_->call(
        id_,
        [epoch, consumer = std::move(consumer), lease_ms](const auto& header, auto& out) {
          wire::encode_frame(header, wire::Cordon{epoch, lease_ms, consumer}, out);
        },
        [self = shared(), done = std::move(done)](auto result) mutable {
          const auto answer = answer_as<wire::Cordoned>(std::move(result));
          base::Result<std::uint64_t> held = std::uint64_t{0};
          if (!answer.has_value()) {
            held = answer.error();
          } else if (const auto status = client::to_status(answer->code, answer->message);
                     !status.has_value()) {
            held = status.error();
          } else {
            held = answer->in_flight;
          }
          tell(self, std::move(done), std::move(held));
        });
  }

 private:
  // What an answer needs of the link, which may be gone by then.
  struct Shared {
    Post post;
    Alive alive;
  };
  Shared shared() const { return {post_, alive_}; }

  template <typename Done, typename T>
  static void tell(const Shared& shared, Done done, T result) {
    shared.post(
        [alive = shared.alive, done = std::move(done), result = std::move(result)]() mutable {
          if (alive->load()) done(std::move(result));
        });
  }
  template <typename Done, typename T>
  void tell(Done done, T result) {
    tell(shared(), std::move(done), std::move(result));
  }

  static base::Result<QueueRemoval> removal_of(const base::Result<wire::QueueRemoved>& answer) {
    if (!answer.has_value()) return answer.error();
    const bool not_empty = static_cast<wire::Code>(answer->code) == wire::Code::kNotEmpty;
    if (answer->code != 0 && !not_empty) {
      return client::to_status(answer->code, answer->message).error();
    }
    QueueRemoval removal;
    removal.removed = !not_empty;
    removal.messages = answer->messages;
    removal.ready = answer->ready;
    removal.in_flight = answer->in_flight;
    removal.delayed = answer->delayed;
    removal.dead = answer->dead;
    removal.retained = answer->retained;
    return removal;
  }

  const std::shared_ptr<LinkThread> thread_;
  const std::uint64_t id_;
  const Post post_;
  const Alive alive_;
};

class ZmqLinks final : public BrokerLinks {
 public:
  ZmqLinks(const runtime::Clock& clock, Post post, LinkOptions options)
      : thread_(std::make_shared<LinkThread>(clock, std::move(options))), post_(std::move(post)) {}

  std::unique_ptr<BrokerLink> open(const LinkAddress& address, LinkEvents events) override {
    const std::uint64_t id = ++last_id_;
    const Alive alive = std::make_shared<std::atomic<bool>>(true);
    LinkEvents posted;
    if (events.observed) {
      posted.observed = [post = post_, alive, observed = std::move(events.observed)](auto seen) {
        post([alive, observed, seen] {
          if (alive->load()) observed(seen);
        });
      };
    }
    if (events.status_changed) {
      posted.status_changed = [post = post_, alive, changed = std::move(events.status_changed)](
                                  const LinkStatus& status) {
        post([alive, changed, status] {
          if (alive->load()) changed(status);
        });
      };
    }
    thread_->open(id, address, std::move(posted));
    return std::make_unique<ZmqLink>(thread_, id, post_, alive);
  }

 private:
  const std::shared_ptr<LinkThread> thread_;
  const Post post_;
  std::atomic<std::uint64_t> last_id_{0};
};

}  // namespace

std::unique_ptr<BrokerLinks> make_zmq_links(const runtime::Clock& clock, Post post,
                                            LinkOptions options) {
  return std::make_unique<ZmqLinks>(clock, std::move(post), std::move(options));
}

}  // namespace sluice::link
