#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::api {

// One thing that is wrong with a manifest, told so that its writer can put it right.
struct Problem {
  int line = 0;      // from 1; 0 = the file as a whole
  std::string path;  // "spec.limits.bytes"; empty where the text is no YAML
  std::string text;  // "what is wrong; what is allowed"

  // "orders.yaml:7: spec.shards: ..."
  std::string to_string(std::string_view file) const;
};

// Gathers the problems of one file. A file of a megabyte can be wrong in a hundred thousand places:
// the first kProblemsMax are kept, the rest is counted.
class Problems {
 public:
  static constexpr std::size_t kProblemsMax = 100;

  void add(int line, std::string path, std::string text);
  // Whoever would work hard for a good text need not any more.
  bool full() const { return list_.size() == kProblemsMax; }
  bool empty() const { return list_.empty(); }
  const std::vector<Problem>& list() const { return list_; }
  std::size_t left_out() const { return left_out_; }
  // By line; where lines are equal, in the order in which they were found.
  void sort();

 private:
  std::vector<Problem> list_;
  std::size_t left_out_ = 0;
};

// `text` for a message: one line, at most `bytes_max` bytes of it, nothing that a terminal would
// obey.
std::string printable(std::string_view text, std::size_t bytes_max);
// The same in double quotes, at most 60 bytes of it.
std::string shown(std::string_view text);

// `key` as a step of a path: as it is where it could be a field's name, else as shown() has it.
std::string path_step(std::string_view key);

}  // namespace sluice::api
