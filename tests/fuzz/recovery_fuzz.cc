#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/message.h"
#include "storage/log_verify.h"
#include "storage/record_codec.h"
#include "storage/salvage.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/storage/log_harness.h"

namespace {

namespace base = sluice::base;
namespace storage = sluice::storage;
using sluice::fuzz::Input;
using sluice::runtime::MemoryFileSystem;
using sluice::runtime::OpenMode;
using storage::test::LogHarness;

constexpr std::uint64_t kSegmentBytes = 16 * 1024;
constexpr unsigned kStreams = 2;
constexpr std::uint64_t kMessages = 60;  // of each stream
constexpr int kChangesMax = 12;

struct Folder {
  std::unique_ptr<MemoryFileSystem> fs;
  std::vector<std::string> files;
  std::vector<base::Lsn> records;  // where they begin
};

void find_files(MemoryFileSystem& fs, const std::string& folder, std::vector<std::string>& out) {
  const auto names = fs.list(folder);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string path = folder + "/" + name;
    if (fs.contents(path)) {
      out.push_back(path);
    } else {
      find_files(fs, path, out);
    }
  }
}

// Four segments, two snapshots, an end that no snapshot has: all of it synced.
Folder make_folder() {
  LogHarness log(kSegmentBytes);
  CHECK(log.open().has_value());
  Folder folder;
  for (std::uint64_t sequence = 1; sequence <= kMessages; sequence += 3) {
    for (unsigned stream = 1; stream <= kStreams; ++stream) {
      const auto count = static_cast<std::uint32_t>(3);
      const std::size_t body_bytes = sequence % 10 == 1 ? 1'500 : 120;
      folder.records.push_back(
          log.publish(storage::test::stream_number(stream), sequence, count, body_bytes).begin);
    }
    folder.records.push_back(log.append_fact(sequence).begin);
    CHECK(log.log().flush().has_value());
    if (sequence == 19 || sequence == 40) CHECK(log.snapshot("state of the broker").has_value());
  }
  folder.fs = log.fs().clone();
  folder.fs->kill();
  find_files(*folder.fs, LogHarness::kFolder, folder.files);
  return folder;
}

std::vector<std::byte> read(MemoryFileSystem& fs, const std::string& path) {
  auto bytes = fs.contents(path);
  return bytes ? *std::move(bytes) : std::vector<std::byte>();
}
void write(MemoryFileSystem& fs, const std::string& path, const std::vector<std::byte>& bytes) {
  const auto file = fs.open(path, OpenMode::kReadWrite);
  if (!file) return;
  CHECK((*file)->truncate(0).has_value() && (*file)->write_at(0, bytes).has_value());
  CHECK((*file)->sync_data().has_value());
}

// Garbage that has a good checksum: what a bug could leave, or somebody who means harm.
bool forge_record(MemoryFileSystem& fs, base::Lsn lsn, Input& input) {
  const std::uint64_t segment = lsn.value() / kSegmentBytes;
  const std::size_t offset = lsn.value() % kSegmentBytes;
  std::vector<std::byte> bytes = read(fs, LogHarness::segment_path(segment));
  if (bytes.size() < offset + storage::kRecordHeaderBytes) return false;
  const base::ByteView record = base::ByteView(bytes).subspan(offset);
  const auto header = storage::parse_record_header(record, lsn, std::nullopt);
  if (!header || header->padding() || header->total_bytes() > record.size()) return false;
  const base::ByteView payload = record.subspan(header->payload_offset(), header->payload_bytes);
  std::vector<std::byte> forged(payload.begin(), payload.end());
  for (std::size_t changes = 1 + input.below(4); changes > 0; --changes) {
    const std::size_t at = input.below(forged.size());
    forged[at] = static_cast<std::byte>(input.u8());
  }
  const base::ByteView view(forged);
  storage::encode_record(header->type, view.first(header->head_bytes),
                         view.subspan(header->head_bytes),
                         {header->segment_uuid, lsn, header->durable}, bytes.data() + offset);
  write(fs, LogHarness::segment_path(segment), bytes);
  return true;
}

// True where only a disk could have done it, so that nothing wrong may be believed.
bool change(MemoryFileSystem& fs, const Folder& folder, Input& input) {
  const std::uint8_t what = input.u8() % 10;
  const std::string& path = folder.files[input.below(folder.files.size())];
  if (what == 0) {
    static_cast<void>(fs.remove(path));
    return true;
  }
  if (what == 1) {
    return !forge_record(fs, folder.records[input.below(folder.records.size())], input);
  }
  std::vector<std::byte> bytes = read(fs, path);
  if (bytes.empty()) return true;
  const std::size_t at = input.below(bytes.size());
  if (what == 2) {
    bytes.resize(at);
  } else if (what == 3) {
    const std::size_t end = std::min(bytes.size(), at + 4096);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at),
              bytes.begin() + static_cast<std::ptrdiff_t>(end), std::byte{0});
  } else if (what == 4) {
    // A sector of elsewhere.
    const std::size_t from = input.below(bytes.size());
    const std::size_t count = std::min<std::size_t>(4096, bytes.size() - std::max(at, from));
    std::copy_n(std::vector<std::byte>(bytes).begin() + static_cast<std::ptrdiff_t>(from), count,
                bytes.begin() + static_cast<std::ptrdiff_t>(at));
  } else if (what == 5) {
    bytes = read(fs, folder.files[input.below(folder.files.size())]);
  } else {
    const base::ByteView piece = input.take(1 + input.below(16));
    std::copy_n(piece.begin(), std::min(piece.size(), bytes.size() - at),
                bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }
  write(fs, path, bytes);
  return true;
}

// What a consumer would see: by stream and sequence the body, nothing = damaged.
using Seen = std::map<std::pair<unsigned, std::uint64_t>, std::string>;
Seen consume(LogHarness& log) {
  Seen seen;
  for (unsigned stream = 1; stream <= kStreams; ++stream) {
    const auto id = storage::test::stream_number(stream);
    for (std::uint64_t next = 1; next <= kMessages;) {
      const auto batch = log.messages().locate(id, base::Sequence(next));
      if (!batch || !*batch || (*batch)->first.value() > kMessages) break;
      const base::Sequence from = std::max((*batch)->first, base::Sequence(next));
      const auto slice = log.messages().slice(**batch, from, (*batch)->last(), 1U << 20);
      if (!slice) break;
      CHECK(slice->count >= 1 && slice->first == from);
      next = from.value() + slice->count;
      auto entries = base::Result<base::ByteView>(base::ByteView());
      if (!slice->damaged && !slice->large()) entries = log.messages().read(*slice);
      // A checksum is no signature: of a forged record the entries may be none. Those who get them
      // look at that; storage does not.
      const bool readable = entries && !entries->empty() && base::summarize_batch(*entries);
      if (slice->damaged || !readable) {
        for (std::uint64_t one = from.value(); one < next; ++one) seen[{stream, one}] = "";
        continue;
      }
      base::ByteView left = *entries;
      for (std::uint64_t one = from.value(); one < next; ++one) {
        seen[{stream, one}] = base::as_text(base::take_entry(left).body);
      }
      CHECK(left.empty());
    }
  }
  return seen;
}

struct Result {
  bool opened = false;
  std::vector<std::uint64_t> facts;
  Seen seen;
  base::Lsn end;
};
Result start(LogHarness& log) {
  Result result;
  const base::Status status = log.open();
  if (!status) {
    CHECK(!status.error().message().empty());
    return result;
  }
  result.opened = true;
  result.facts = log.replayed_facts();
  result.seen = consume(log);
  result.end = log.report().end;
  return result;
}

void check_salvage(const MemoryFileSystem& found) {
  const auto fs = found.clone();
  const auto report =
      storage::salvage_log(*fs, LogHarness::kFolder, "/rescued",
                           [](std::uint64_t, std::uint64_t) -> base::Status { return {}; });
  if (!report) {
    CHECK(!report.error().message().empty());
    return;
  }
  storage::LogOptions options;
  options.segment_bytes = kSegmentBytes;
  options.owner = "fuzz";
  base::Prng prng(1);
  options.random_id = [&prng] { return prng.id128(); };
  const auto opened = storage::open_log(*fs, "/rescued", options);
  CHECK(opened.has_value());
  CHECK((*opened)->replay([](const storage::RecordView&) -> base::Status { return {}; }));
}

}  // namespace

// A log's folder after what disks, people and bugs do to files. Recovery refuses it in words, or
// opens it; then a consumer sees nothing that was not published (unless records were forged), and
// the next recovery finds the same. `log verify` reads it, and what `log salvage` makes of it
// opens.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder = make_folder();
  Input input(data, size);
  LogHarness log(kSegmentBytes);
  log.use(folder.fs->clone());
  bool honest = true;
  for (int changes = 0; changes < kChangesMax && !input.empty(); ++changes) {
    honest = change(log.fs(), folder, input) && honest;
  }
  const auto verdict = storage::verify_log(log.fs(), LogHarness::kFolder);
  CHECK(verdict.has_value() || !verdict.error().message().empty());
  check_salvage(log.fs());
  const Result first = start(log);
  if (!first.opened) return 0;
  if (honest) {
    for (const auto& [place, body] : first.seen) {
      const std::size_t bytes = (place.second - 1) / 3 * 3 % 10 == 0 ? 1'500 : 120;
      CHECK(body.empty() || body == storage::test::body_of(place.second, bytes));
    }
  }
  log.close();
  log.fs().kill();
  const Result second = start(log);
  CHECK(second.opened);
  CHECK(second.facts == first.facts);
  CHECK(second.seen == first.seen);
  CHECK(second.end == first.end);
  return 0;
}
