// A file system that loses what was not synced: lossy_fs FOLDER [--sector-bytes N]. It mounts
// itself on FOLDER, says {"mounted":true}, carries out the lines of its standard input
// (disk_command.h) and goes with the end of it. What was written there goes with it.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "runtime/memory_file_system.h"
#include "tests/torture/lossy_fs/disk_command.h"
#include "tests/torture/lossy_fs/disk_mount.h"

namespace sluice::torture {
namespace {

constexpr int kCannotMount = 77;

int serve(int argc, char** argv) {
  std::string folder;
  runtime::MemoryFileSystemOptions options;
  CLI::App app("A file system in memory that loses what was not synced");
  app.add_option("folder", folder, "Where to mount it")->required()->check(CLI::ExistingDirectory);
  app.add_option("--sector-bytes", options.sector_bytes, "What is written whole or not at all")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);

  runtime::MemoryFileSystem disk(options);
  const std::unique_ptr<DiskMount> mount = DiskMount::open(disk, folder);
  if (mount == nullptr) return kCannotMount;
  std::cout << R"({"mounted":true})" << std::endl;  // flushed: somebody waits for it
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << carry_out(line, disk, mount->lies()) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace sluice::torture

int main(int argc, char** argv) { return sluice::torture::serve(argc, argv); }
