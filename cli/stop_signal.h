#pragma once

namespace sluice::cli {

// SIGINT and SIGTERM as a flag that loops look at, so that a command ends in order: what it holds
// goes back, what it started is stopped. System calls that wait return with EINTR.

// From now on the signals set the flag. A second SIGINT ends the process at once.
void catch_stop_signals();
bool stop_requested();
// The signal's exit code for shells (130 for ^C); 0 = none came.
int stop_exit_code();
// What a child gets before exec: the signals as they were when this program started.
void reset_signals_for_child();

}  // namespace sluice::cli
