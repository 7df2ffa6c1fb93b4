#pragma once

#include <unistd.h>

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::cli {

// Standard output, with a buffer of its own because commands must know what has left the process:
// a message is acknowledged only after its line has. One thread.
class Output {
 public:
  Output() = default;
  // Called ten times a second while the reader is slow, so that a session lives on behind
  // `sluice sub ... | less`. It may append; that goes out behind what waits. `fd` stays the
  // caller's.
  explicit Output(std::function<void()> while_waiting, int fd = STDOUT_FILENO)
      : while_waiting_(std::move(while_waiting)), fd_(fd) {}
  // Flushes; whoever must know whether that went well calls flush() before.
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // What is written next. Append to it.
  std::string& text() { return text_; }
  Output& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }

  // Returns when all of it is written. Fails when it cannot be, or when a stop signal came while
  // nobody read; then closed() is true, and nothing more will be written. Within the callback it
  // does nothing.
  base::Status flush();
  // The same once so much has come together that a write pays.
  base::Status flush_if_large();
  bool closed() const { return closed_; }

 private:
  base::Status write_all(std::string_view left);
  void wait_for_room();

  std::function<void()> while_waiting_;
  int fd_ = STDOUT_FILENO;
  std::string text_;
  bool flushing_ = false;
  bool closed_ = false;
};

}  // namespace sluice::cli
