#include "tests/torture/lossy_fs/disk_command.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "base/prng.h"

namespace sluice::torture {
namespace {

using nlohmann::json;
using runtime::FileOperation;

constexpr std::array<std::pair<std::string_view, FileOperation>, 9> kOperationNames = {{
    {"read", FileOperation::kRead},
    {"write", FileOperation::kWrite},
    {"truncate", FileOperation::kTruncate},
    {"allocate", FileOperation::kAllocate},
    {"sync", FileOperation::kSync},
    {"create", FileOperation::kCreate},
    {"rename", FileOperation::kRename},
    {"remove", FileOperation::kRemove},
    {"sync_folder", FileOperation::kSyncFolder},
}};

std::optional<FileOperation> operation_of(std::string_view name) {
  for (const auto& [known, operation] : kOperationNames) {
    if (known == name) return operation;
  }
  return std::nullopt;
}

json lose(runtime::MemoryFileSystem& disk, const runtime::CrashPlan& plan) {
  json told = {{"unsynced_bytes", disk.unsynced_bytes()},
               {"unsynced_sectors", disk.unsynced_sectors().size()},
               {"unsynced_names", disk.unsynced_folder_changes().size()}};
  disk.crash(plan);
  return told;
}

json counts(const runtime::MemoryFileSystem& disk) {
  json told = {{"changes", disk.changing_operations()}};
  for (const auto& [name, operation] : kOperationNames)
    told[std::string(name)] = disk.operations(operation);
  return told;
}

std::optional<json> answer_to(std::istringstream& words, runtime::MemoryFileSystem& disk,
                              SyncLies& lies) {
  std::string verb;
  std::string text;
  std::uint64_t number = 0;
  words >> verb;
  if (verb == "lose" && words >> number) {
    base::Prng prng(number);
    return lose(disk, disk.draw_crash_plan(prng));
  }
  if (verb == "lose-all") return lose(disk, runtime::CrashPlan::lose_unsynced());
  if (verb == "stop" && words >> number) {
    disk.stop_after(number);
    return json::object();
  }
  if (verb == "capacity" && words >> number) {
    disk.set_capacity(number);
    return json::object();
  }
  if (verb == "counts") return counts(disk);
  if (verb == "lie" && words >> text) {
    lies.files = text == "files";
    lies.folders = text == "folders";
    return json::object();
  }
  if (verb == "fail" && words >> text >> number && number > 0) {
    const auto operation = operation_of(text);
    if (!operation) return std::nullopt;
    runtime::FileFault fault{.operation = *operation, .nth = number};
    words >> fault.path_part;
    disk.fail(std::move(fault));
    return json::object();
  }
  return std::nullopt;
}

}  // namespace

std::string carry_out(std::string_view line, runtime::MemoryFileSystem& disk, SyncLies& lies) {
  std::istringstream words{std::string(line)};
  const std::optional<json> told = answer_to(words, disk, lies);
  return (told ? *told : json{{"error", "no such command: " + std::string(line)}}).dump();
}

}  // namespace sluice::torture
