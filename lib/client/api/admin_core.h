#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "base/result.h"
#include "client/admin.h"
#include "client/connection.h"
#include "sluice/admin.h"

namespace sluice {

// Has a connection of its own, made by the first call, so that a long answer holds nobody else up.
class SLUICE_HIDDEN Admin::Core {
 public:
  explicit Core(client::ConnectionOptions options) : options_(std::move(options)) {}

  // Calls `use` with an admin, one caller at a time.
  template <typename F>
  auto with(F use) -> decltype(use(std::declval<client::Admin&>())) {
    const std::lock_guard lock(mutex_);
    if (connection_ == nullptr) {
      ASSIGN_OR_RETURN(connection_, client::Connection::open(options_));
    }
    client::Admin admin(*connection_);
    return use(admin);
  }

 private:
  client::ConnectionOptions options_;
  std::mutex mutex_;
  std::unique_ptr<client::Connection> connection_;
};

}  // namespace sluice
