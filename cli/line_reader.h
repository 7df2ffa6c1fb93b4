#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::cli {

// Splits a stream into lines, fast and with bounded memory. A last line without a newline counts.
// Everything but the newline belongs to the line, so a file with CRLF keeps its CR.
class LineReader {
 public:
  // Longer lines are cut and marked.
  LineReader(int fd, std::size_t line_bytes_max);

  struct Line {
    std::string_view text;  // valid until the next call of fill()
    bool too_long = false;
  };
  // The next line, or nothing before the next fill().
  std::optional<Line> next();

  // One read. REQUIRES: next() returned nothing. Waits while there is nothing to read. False at the
  // end, or when a stop signal came; next() then gives the last line.
  base::Result<bool> fill();
  bool at_end() const { return at_end_; }

 private:
  int fd_;
  std::size_t line_bytes_max_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;    // of what was not returned yet
  std::size_t scanned_ = 0;  // no newline stands before this
  std::size_t end_ = 0;
  bool skipping_ = false;  // the rest of a line that was too long
  bool at_end_ = false;
};

}  // namespace sluice::cli
