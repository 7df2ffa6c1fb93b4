#include "cli/log_dump.h"

#include <nlohmann/json.hpp>
#include <string>

#include "cli/fact_json.h"
#include "cli/stop_signal.h"
#include "storage/fact_codec.h"
#include "storage/log_files.h"
#include "storage/segment_file.h"
#include "storage/segment_scanner.h"
#include "storage/snapshot_store.h"

namespace sluice::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;
using storage::ScanItem;

OrderedJson item_json(const ScanItem& item) {
  OrderedJson json = {{"lsn", item.begin.value()}, {"bytes", item.end - item.begin}};
  if (item.kind == ScanItem::Kind::kBad) {
    json["type"] = "Bad";
    return json;
  }
  json["type"] = storage::to_string(item.header.type);
  json["durable"] = item.header.durable.value();
  if (!item.bad_blocks.empty()) json["badBlocks"] = item.bad_blocks.size();
  if (item.kind == ScanItem::Kind::kPadding) return json;
  json["fact"] = fact_json(item.header.type, item.payload);
  return json;
}

std::string item_line(const OrderedJson& json) {
  std::string lsn = std::to_string(json["lsn"].get<std::uint64_t>());
  lsn.insert(0, 14 - std::min<std::size_t>(14, lsn.size()), ' ');
  std::string type = json["type"].get<std::string>();
  type.resize(std::max<std::size_t>(16, type.size()), ' ');
  std::string line = lsn + "  " + type;
  const OrderedJson fact = json.value("fact", OrderedJson::object());
  for (const auto& [name, value] : fact.items()) {
    line += " " + name + "=" +
            (value.is_string() ? value.get<std::string>()
                               : value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
  }
  if (json.contains("badBlocks")) line += " (damaged)";
  return line;
}

base::Status dump_segment(const runtime::File& file, std::uint64_t number, bool json,
                          Output& output) {
  const auto header = storage::read_segment_header(file);
  if (!header) {
    if (header.error().code() == base::ErrorCode::kFailedPrecondition) return header.error();
    output << (json ? R"({"type":"BadSegment","segment":)" + std::to_string(number) + "}\n"
                    : "segment " + std::to_string(number) + ": " + header.error().message() + "\n");
    return {};
  }
  const storage::SegmentExtent extent{number, header->segment_bytes, header->uuid_prefix()};
  storage::SegmentScanner scanner(file, extent, extent.data_begin());
  std::optional<ScanItem> item = scanner.next();
  while (item && !stop_requested()) {
    const OrderedJson line = item_json(*item);
    const bool bad = item->kind == ScanItem::Kind::kBad;
    item = scanner.next();
    // The last bad place of a segment is what was never written.
    if (bad && !item) break;
    output << (json ? line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)
                    : item_line(line))
           << "\n";
    RETURN_IF_ERROR(output.flush_if_large());
  }
  return {};
}

}  // namespace

base::Status dump_log(runtime::FileSystem& fs, const std::string& folder, bool json,
                      Output& output) {
  ASSIGN_OR_RETURN(const storage::LogFiles files, storage::list_log_files(fs, folder));
  if (files.segments.empty()) return base::not_found(folder + ": no log here");
  for (const std::uint64_t number : files.segments) {
    const std::string path = storage::segments_folder(folder) + "/" + storage::segment_name(number);
    const auto file = fs.open(path, runtime::OpenMode::kRead);
    if (!file) {
      // Deleted by the broker meanwhile.
      if (file.error().code() == base::ErrorCode::kNotFound) continue;
      return file.error();
    }
    RETURN_IF_ERROR(dump_segment(**file, number, json, output));
  }
  return output.flush();
}

}  // namespace sluice::cli
