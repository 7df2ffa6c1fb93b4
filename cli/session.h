#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/cluster/port_forward.h"
#include "cli/context.h"
#include "client/connection.h"

namespace sluice::cli {

// A connection of a command, and what it goes through when the broker is in a cluster.
class Session {
 public:
  explicit Session(std::unique_ptr<client::Connection> connection,
                   std::vector<std::unique_ptr<cluster::PortForward>> forwards = {})
      : forwards_(std::move(forwards)), connection_(std::move(connection)) {}

  client::Connection& operator*() const { return *connection_; }
  client::Connection* operator->() const { return connection_.get(); }

 private:
  // The connection says goodbye when it ends, so it ends first.
  std::vector<std::unique_ptr<cluster::PortForward>> forwards_;
  std::unique_ptr<client::Connection> connection_;
};

// A connection to the broker of the global flags, or an error that says what to do about it. In a
// cluster it is that of `queue`, an address as it was typed; empty = of all queues.
base::Result<Session> connect(const Context& context, std::string_view queue = {});

}  // namespace sluice::cli
