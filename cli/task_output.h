#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "client/admin.h"

namespace sluice::cli {

// Whoever waits for a task waits until it ends, or until a signal.
inline constexpr base::Millis kForever = std::chrono::hours(24 * 365);

// {"task":"…","state":"Completed","matched":3,"done":3}, with a newline; with "waitsFor" and
// "sample" where there are some.
std::string task_json(const client::TaskStatus& task);
// "would redrive 9 messages, among them 17,18": as --sequence takes them where there is one shard,
// else as SHARD:SEQUENCE, of which it takes those of one shard.
std::string dry_run_sentence(const client::TaskStatus& task, const std::string& would,
                             std::uint16_t shards);
// "verb 3 of 3 messages", and what became of the task where it has not simply ended.
std::string task_sentence(const client::TaskStatus& task, const std::string& verb);
// 0, or 1 where it failed or was cancelled.
int exit_code_of(const client::TaskStatus& task);

}  // namespace sluice::cli
