#pragma once

#include <CLI/CLI.hpp>
#include <string>

// Checks of flags whose texts say what is expected.
namespace sluice::cli {

CLI::Validator at_least_one();
// tcp://HOST:PORT, or several with commas between.
CLI::Validator endpoint_form();
// What is wrong with it; empty = nothing.
std::string endpoint_problem(const std::string& text);
// Not a folder. What is not there is told when it is read.
CLI::Validator no_folder();

}  // namespace sluice::cli
