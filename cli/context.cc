#include "cli/context.h"

#include <cstdio>

#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "client/refusal.h"

namespace sluice::cli {

void print_error(const std::string& message) {
  const bool colour = stderr_has_colour();
  std::fprintf(stderr, "%ssluice:%s %s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
               message.c_str());
}

void print_error(const base::Error& error) { print_error(error.message()); }

void print_note(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

int exit_code_of(const base::Error& error) {
  if (client::is_permission_denied(error)) return kExitNoPermission;
  switch (error.code()) {
    case base::ErrorCode::kInvalidArgument:
      return kExitData;
    case base::ErrorCode::kUnavailable:
    case base::ErrorCode::kDeadlineExceeded:
      return kExitUnavailable;
    case base::ErrorCode::kResourceExhausted:
    case base::ErrorCode::kFailedPrecondition:
      return kExitTemporary;
    default:
      return kExitFailure;
  }
}

int fail(const base::Error& error) {
  print_error(error);
  return exit_code_of(error);
}

}  // namespace sluice::cli
