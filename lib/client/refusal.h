#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/result.h"
#include "wire/error_code.h"

namespace sluice::client {

// A refusal of the broker as an error of ours: "QueueFull: the queue 'orders' ...".
base::Error to_error(wire::Code code, std::string_view message);

// Whether an error is the broker's refusal for lack of a key or a right, or a handshake that no key
// of ours has come through: what it is about stands in front of its text, as to_error() puts it.
bool is_permission_denied(const base::Error& error);

// Whether nobody answered, or nobody who could: what was asked may have been done or not.
bool is_unanswered(const base::Error& error);

// OK when `code` is 0.
base::Status to_status(std::uint16_t code, std::string_view message);

// The broker cannot answer yet or no longer: asking again later may help, unchanged.
bool asks_for_patience(wire::Code code);

}  // namespace sluice::client
