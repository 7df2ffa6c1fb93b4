#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sluice::cli {

// Columns under headings, for people. Numbers stand to the right, as a '>' before their heading
// says: TextTable({"QUEUE", ">READY"}).
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headings);

  // REQUIRES: as many cells as headings.
  void add(std::vector<std::string> cells);
  std::size_t size() const { return rows_.size(); }
  // With a newline at the end of each row; the headings in bold on a terminal.
  std::string render() const;

 private:
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sluice::cli
