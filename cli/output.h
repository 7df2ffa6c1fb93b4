#pragma once

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
  // Called about once a second while the reader is slow, so that a session lives on behind
  // `sluice sub ... | less`.
  explicit Output(std::function<void()> while_waiting)
      : while_waiting_(std::move(while_waiting)) {}
  // Flushes; whoever must know whether that went well calls flush() before.
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // What the next flush() writes. Append to it.
  std::string& text() { return text_; }
  Output& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }

  // Returns when all of it is written. Fails when it cannot be, or when a stop signal came while
  // nobody read; then closed() is true, and nothing more will be written.
  base::Status flush();
  // The same once so much has come together that a write pays.
  base::Status flush_if_large();
  bool closed() const { return closed_; }

 private:
  void wait_for_room();

  std::function<void()> while_waiting_;
  std::string text_;
  bool closed_ = false;
};

}  // namespace sluice::cli
