// Reads a manifest a line (JSON) and answers a line each: nothing where it is taken, else what is
// wrong with it. For tests that compare the reader with an API server.

#include <algorithm>
#include <iostream>
#include <string>

#include "operator/api/manifest.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string answer = sluice::api::parse_manifest(line).describe_problems("manifest");
    std::replace(answer.begin(), answer.end(), '\n', ' ');
    std::cout << answer << std::endl;
  }
}
