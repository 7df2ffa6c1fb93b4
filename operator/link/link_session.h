#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "client/session_state.h"
#include "operator/link/broker_link.h"
#include "operator/link/observation_book.h"
#include "wire/frame.h"

namespace sluice::link {

struct LinkOptions {
  std::string client_name = "sluice-operator";
  // How long a call waits for its answer, and before that for a connection.
  base::Millis call_timeout{10'000};
  base::Millis observe_interval{200};
  // Pause before the n-th attempt to connect: doubles from min to max, drawn from its upper half.
  base::Millis backoff_min{100};
  base::Millis backoff_max{5'000};
};

// The connection under a session. Never waits.
class LinkPort {
 public:
  virtual ~LinkPort() = default;
  // Drops what there was, and begins a new connection.
  virtual base::Status connect() = 0;
  virtual void disconnect() = 0;
  // False = not taken.
  virtual bool send(base::ByteView frame) = 0;
};

// What one link does: says hello, watches, keeps the session alive, asks and hears answers, and
// begins anew after a loss, for ever. Whoever drives it tells what happened and what time it is; so
// it runs in tests without a network.
//
// Belongs to one thread. `events` and answers are called from inside its methods.
class LinkSession {
 public:
  // Writes the frame of a call under this header.
  using Encode = std::function<void(const wire::FrameHeader&, std::vector<std::byte>&)>;
  // The frame that answers it, as long as the call lasts; ERROR frames come as errors.
  using Answer = std::function<void(base::Result<const wire::Frame*>)>;

  // `port` must outlive it.
  LinkSession(LinkOptions options, LinkPort& port, LinkEvents events, base::Prng prng);

  void call(base::MonoTime now, Encode encode, Answer answer);

  void on_frame(base::MonoTime now, base::ByteView bytes);
  // The connection is gone; `why` may be empty.
  void on_lost(base::MonoTime now, std::string_view why);
  // Does what is due. To be called after everything else, and at the time that it returns.
  base::MonoTime step(base::MonoTime now);
  // Goodbye, as far as that can be said; nothing is called any more.
  void close();

 private:
  struct Call {
    Encode encode;
    Answer answer;
    base::MonoTime deadline;
    bool sent = false;
  };

  void on_welcome(base::MonoTime now, const wire::Welcome& welcome);
  void on_changes(base::MonoTime now, const wire::Changes& changes);
  void refuse_session(base::MonoTime now, const wire::ErrorFrame& error);
  void connect(base::MonoTime now);
  // The calls that the broker may have heard end; the others wait for the next connection.
  void lose(base::MonoTime now, std::string_view why);
  void drop(base::MonoTime now, std::string_view why);
  void send_calls(base::MonoTime now);
  void end_overdue(base::MonoTime now);
  void finish(std::uint64_t request, base::Result<const wire::Frame*> result);
  bool send(base::MonoTime now, const wire::Body& body, std::uint64_t request);
  void set_status(bool connected, std::string_view problem);

  const LinkOptions options_;
  LinkPort& port_;
  const LinkEvents events_;
  client::SessionState state_;
  ObservationBook book_;
  std::map<std::uint64_t, Call> calls_;  // by request
  std::uint64_t last_request_ = 0;
  std::uint64_t watch_request_ = 0;
  std::string version_;
  base::MonoTime observed_at_;  // the last time, or when the session began
  std::optional<LinkStatus> status_;
  std::vector<std::byte> scratch_;
};

}  // namespace sluice::link
