#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>

#include "broker/config.h"
#include "frontend/broker_host.h"

namespace sluice::sim {

// What the control port told the broker of its queues (CONFIGURE, REMOVE_QUEUE), and what therefore
// may be found there: what was answered holds, also after a power loss, and what was not answered
// holds or does not. A queue is told one thing at a time.
class ToldQueues {
 public:
  // Told, as this queue is now, or is no more. Until answered() it may also be as it was.
  void tell(const broker::QueueConfig& config) { tell(config.name, text_of(config)); }
  void tell_removal(const std::string& name) { tell(name, kNone); }
  // What was told last.
  void answered(const std::string& name);
  // It was refused, so it is as it was.
  void refused(const std::string& name);

  // What the broker has that it may not have; empty = nothing. Of some queues nobody knows.
  std::string check(const frontend::BrokerHost& host, const std::set<std::string>& unknown) const;

 private:
  static constexpr const char* kNone = "no queue";
  static std::string text_of(const broker::QueueConfig& config);
  void tell(const std::string& name, std::string text);

  // What may be, the last one as told last.
  std::map<std::string, std::deque<std::string>> may_be_;
};

}  // namespace sluice::sim
