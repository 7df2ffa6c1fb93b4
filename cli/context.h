#pragma once

#include <string>

#include "base/error.h"
#include "base/time.h"
#include "cli/cluster/flags.h"

namespace sluice::cli {

inline constexpr char kEndpointVariable[] = "SLUICE_ENDPOINT";

// The global flags. One thread.
struct Context {
  std::string endpoint = "tcp://127.0.0.1:7650";
  double timeout_seconds = 5;
  bool endpoint_given = false;  // by flag or variable: then the folder's does not count
  std::string keys;             // a folder of keys; empty = none
  std::string broker_key;       // keys without a folder
  std::string client_key;
  cluster::ClusterFlags cluster;  // where it is wanted, the broker and its keys are found there

  base::Millis timeout() const {
    return base::Millis(static_cast<std::int64_t>(timeout_seconds * 1'000));
  }
};

// "sluice: message" on stderr, red only on a terminal.
void print_error(const base::Error& error);
void print_error(const std::string& message);
void print_note(const std::string& text);

// The exit code that an error calls for.
int exit_code_of(const base::Error& error);

// Prints the error, returns its exit code.
int fail(const base::Error& error);

}  // namespace sluice::cli
