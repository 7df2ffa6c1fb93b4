#include "cli/terminal.h"

#include <unistd.h>

#include <cstdlib>

namespace sluice::cli {
namespace {

bool wants_colour() {
  const char* term = std::getenv("TERM");
  return std::getenv("NO_COLOR") == nullptr && term != nullptr && std::string_view(term) != "dumb";
}

std::string styled(std::string_view text, std::string_view code) {
  if (!stdout_has_colour()) return std::string(text);
  return std::string(code).append(text).append("\033[0m");
}

}  // namespace

bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }
bool stdout_has_colour() { return stdout_is_terminal() && wants_colour(); }
bool stderr_has_colour() { return stderr_is_terminal() && wants_colour(); }

std::string bold(std::string_view text) { return styled(text, "\033[1m"); }
std::string dim(std::string_view text) { return styled(text, "\033[2m"); }

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = '.';
  }
  return out;
}

}  // namespace sluice::cli
