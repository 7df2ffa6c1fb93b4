#pragma once

#include <memory>

#include "base/result.h"
#include "client/api/io_loop.h"
#include "client/connection.h"
#include "sluice/client.h"

namespace sluice {

// A client's thread, and what further connections are made with. Shared by all handles; the last
// one ends the thread.
class SLUICE_HIDDEN Client::Core {
 public:
  static base::Result<std::shared_ptr<Core>> connect(const ClientOptions& options);
  Core(client::ConnectionOptions options, std::shared_ptr<api::IoLoop> loop);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  api::IoLoop& loop() { return *loop_; }
  const client::ConnectionOptions& connection_options() const { return connection_options_; }

 private:
  client::ConnectionOptions connection_options_;
  std::shared_ptr<api::IoLoop> loop_;
};

}  // namespace sluice
