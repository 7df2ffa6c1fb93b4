#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace sluice::cli::bench {

// All of it; empty where there is none.
inline std::string read_text(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace sluice::cli::bench
