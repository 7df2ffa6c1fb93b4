#pragma once

#include <string>
#include <string_view>

namespace sluice::cli {

bool stdout_is_terminal();
bool stderr_is_terminal();
// A terminal, and the user has not said otherwise (NO_COLOR, TERM=dumb).
bool stdout_has_colour();
bool stderr_has_colour();

// The text in bold or dimmed where stdout has colour, else as it is.
std::string bold(std::string_view text);
std::string dim(std::string_view text);

// `text` with control characters replaced by dots, so that what somebody has sent cannot drive the
// terminal of whoever looks at it.
std::string printable(std::string_view text);

}  // namespace sluice::cli
