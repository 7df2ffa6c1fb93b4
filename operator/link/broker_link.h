#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "operator/link/observation.h"

namespace sluice::link {

// A broker repeats what it told after 2 s without news. One that was silent for longer than this is
// unknown: what is known of it is not to be acted on.
inline constexpr base::Millis kStaleAfter{6'000};

// One broker's control port.
struct LinkAddress {
  std::string endpoint;       // tcp://POD_IP:7651
  std::string broker_key;     // the broker's public key (Z85); empty = plain text
  std::string client_secret;  // the operator's secret key for this broker; empty = plain text

  bool operator==(const LinkAddress&) const = default;
};

struct LinkStatus {
  bool connected = false;  // a session is open, and an observation came within kStaleAfter
  std::string problem;     // while not connected: why, as far as it is known

  bool operator==(const LinkStatus&) const = default;
};

// What a link tells by itself. Both are posted as the answers are, and may be empty.
struct LinkEvents {
  // A newer observation; each one is whole.
  std::function<void(std::shared_ptr<const BrokerObservation>)> observed;
  // The first call is with what holds at the beginning: not connected.
  std::function<void(const LinkStatus&)> status_changed;
};

enum class RemoveMode : std::uint8_t {
  kAlways,
  kIfEmpty,  // only while it holds nothing at all; decided and done in one step
};

// What a queue held when it was removed, or why it was not. Over all of its subscriptions.
struct QueueRemoval {
  bool removed = false;        // false = kIfEmpty, and it is not empty
  std::uint64_t messages = 0;  // not yet settled by all subscriptions
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t delayed = 0;
  std::uint64_t dead = 0;
  std::uint64_t retained = 0;

  bool operator==(const QueueRemoval&) const = default;
};

// The operator's side of one broker's control port, and the seam where tests put a fake.
//
// Every call carries the leader's epoch. A broker keeps the highest that it was shown, also over
// its restarts, and refuses lower ones: FailedPrecondition, with both numbers in the message; the
// highest is in each observation, so a leader that finds one above its own takes that + 1.
//
// All methods return at once and may be called on any thread. `done` is called exactly once, posted
// to where the owner wants its callbacks; after the link's destruction not at all. Errors besides
// those named: Unavailable (no connection, or lost before the answer: it may have happened),
// DeadlineExceeded (no answer in time: it may have happened); InvalidArgument (the message is the
// broker's). All calls may be repeated.
class BrokerLink {
 public:
  virtual ~BrokerLink() = default;

  // Creates or changes the queue of the manifest: one Queue as JSON or YAML text. Done when it is
  // in force and durable.
  virtual void configure(std::uint64_t epoch, std::string manifest,
                         std::function<void(base::Status)> done) = 0;

  // Removes a queue with all that it holds. One that does not exist counts as removed, and held
  // nothing. A manifest of it that the broker finds at its next start creates it again, empty.
  virtual void remove_queue(std::uint64_t epoch, std::string queue, RemoveMode mode,
                            std::function<void(base::Result<QueueRemoval>)> done) = 0;

  // Nothing new goes to the consumers of this pod (the name, or what stands before its first '/')
  // for the time of the lease, on any queue of the broker; also to sessions that it begins
  // meanwhile. `lease` 0 lifts it. The answer: how many messages it still holds there. A restarted
  // broker does not know of it: to be repeated well within the lease, and watched in observations.
  virtual void cordon(std::uint64_t epoch, std::string consumer, base::Millis lease,
                      std::function<void(base::Result<std::uint64_t>)> done) = 0;
};

// Where links come from. One that is destroyed closes its connection.
class BrokerLinks {
 public:
  virtual ~BrokerLinks() = default;
  // Never waits: the link connects, and connects again, by itself.
  virtual std::unique_ptr<BrokerLink> open(const LinkAddress& address, LinkEvents events) = 0;
};

// Names the text of a manifest: QueueObservation::revision says which one a broker goes by. Never
// 0.
std::uint64_t manifest_revision(std::string_view manifest);

}  // namespace sluice::link
