#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/result.h"
#include "wire/error_code.h"

namespace sluice::client {

// A refusal of the broker as an error of ours: "QueueFull: the queue 'orders' ...".
base::Error to_error(wire::Code code, std::string_view message);

// OK when `code` is 0.
base::Status to_status(std::uint16_t code, std::string_view message);

// The broker cannot answer yet or no longer: asking again later may help, unchanged.
bool asks_for_patience(wire::Code code);

}  // namespace sluice::client
