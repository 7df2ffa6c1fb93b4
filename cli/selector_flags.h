#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "client/admin.h"

namespace CLI {
class App;
}

namespace sluice::cli {

// The flags that choose messages, of `redrive`, `purge`, `copy` and `move`.
struct SelectorFlags {
  std::string reason;
  std::optional<std::uint16_t> shard;
  std::string sequences;   // A-B or A, or several with commas between; SHARD:A all the same
  std::string header;      // NAME=VALUE
  std::string older_than;  // 1h
  std::string newer_than;
  std::string error;  // part of the last error
};
bool is_empty(const SelectorFlags& flags);

// `flags` must outlive the parsing.
void add_selector_flags(CLI::App& command, SelectorFlags& flags);
// InvalidArgument names the flag.
base::Result<client::Selector> selector_from(const SelectorFlags& flags, base::WallTime now);

}  // namespace sluice::cli
