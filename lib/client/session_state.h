#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "wire/error_code.h"
#include "wire/frame.h"

namespace sluice::client {

struct SessionOptions {
  base::Millis backoff_min{100};
  base::Millis backoff_max{5'000};
  // How long one attempt waits for WELCOME.
  base::Millis greeting_timeout{2'000};
};

// When to say hello, send heartbeats and give a connection up: the client's half of the diagram in
// docs/protocol.md, "Sessions". Pure: the owner tells what happened and carries out what step()
// says.
class SessionState {
 public:
  enum class Phase {
    kWaiting,   // for the next attempt
    kGreeting,  // HELLO is on its way
    kOpen,
  };
  enum class Action {
    kNone,
    kConnect,     // make a new connection and send hello()
    kDisconnect,  // this attempt or connection is lost; step() will ask for a new one
    kSendHeartbeat,
  };

  SessionState(SessionOptions options, base::Prng prng) : options_(options), prng_(prng) {}

  Phase phase() const { return phase_; }
  bool open() const { return phase_ == Phase::kOpen; }

  // What is to be done now. To be called, after everything that arrived was told, until it says
  // kNone.
  Action step(base::MonoTime now);
  // When step() has to be called next at the latest.
  base::MonoTime deadline() const;

  // The session to ask for; names are the caller's to add.
  wire::Hello hello() const;
  // Header of a frame of the open session.
  wire::FrameHeader header(std::uint64_t request) const;

  void on_sent(base::MonoTime now) { last_sent_ = now; }
  void on_heard(base::MonoTime now);
  // False = not ours to take now.
  bool on_welcome(base::MonoTime now, const wire::Welcome& welcome);
  // An ERROR that is about the session. Fails when there will never be one; otherwise the
  // connection is to be dropped.
  base::Status on_refused(base::MonoTime now, wire::Code code, std::string_view message);
  // The transport lost the connection.
  void on_lost(base::MonoTime now);

  const base::SessionId& id() const { return id_; }
  std::uint32_t incarnation() const { return incarnation_; }
  // Whether the WELCOME before said so.
  bool resumed() const { return resumed_; }

 private:
  void wait_for_next_attempt(base::MonoTime now);

  SessionOptions options_;
  base::Prng prng_;
  Phase phase_ = Phase::kWaiting;
  base::MonoTime attempt_at_;  // in kWaiting: when to try; in kGreeting: when to give up
  unsigned failures_ = 0;      // attempts in a row
  base::SessionId id_;
  std::uint64_t session_ = 0;
  std::uint32_t epoch_ = 0;
  std::uint32_t incarnation_ = 0;
  bool resumed_ = false;
  base::Nanos heartbeat_{};
  base::MonoTime last_sent_;
  base::MonoTime last_heard_;
  std::optional<base::MonoTime> asked_at_;  // the first heartbeat since something was heard
};

}  // namespace sluice::client
