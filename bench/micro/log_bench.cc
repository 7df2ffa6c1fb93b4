#include <benchmark/benchmark.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/message.h"
#include "base/prng.h"
#include "frontend/log_thread.h"
#include "runtime/posix/posix_file_system.h"
#include "storage/open_log.h"
#include "storage/record_codec.h"

// What the log costs by itself: encoding a record, appending and committing it on the real disk,
// and reading messages back. The folder is made in TMPDIR (or /tmp): put it on the disk to measure.
namespace sluice::storage {
namespace {

using base::Sequence;

std::vector<std::byte> batch(std::size_t bytes, std::size_t message_bytes, std::uint32_t& count) {
  const std::vector<std::byte> body(message_bytes, std::byte{'x'});
  std::vector<std::byte> entries;
  for (count = 0; entries.size() + message_bytes + base::kEntryHeaderBytes <= bytes; ++count) {
    base::append_entry(body, entries);
  }
  return entries;
}

// A log in a folder of its own that goes with it.
class Folder {
 public:
  Folder() : prng_(1) {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-log-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
    options_.owner = "log_bench";
    options_.random_id = [this] { return prng_.id128(); };
    open();
  }
  ~Folder() {
    log_.reset();
    std::filesystem::remove_all(path_);
  }
  void open() {
    log_.reset();
    auto opened = open_log(fs_, path_, options_);
    CHECK(opened.has_value());
    log_ = std::move(opened).value();
    CHECK(log_->replay(nullptr).has_value());
  }
  OpenedLog& log() { return *log_; }

 private:
  base::Prng prng_;
  runtime::PosixFileSystem fs_;
  LogOptions options_;
  std::string path_;
  std::unique_ptr<OpenedLog> log_;
};

class Bell {
 public:
  void ring() {
    const std::lock_guard<std::mutex> lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

StreamId bench_stream() {
  StreamId stream;
  stream.queue.bytes[0] = 1;
  return stream;
}

// One copy and one CRC pass.
void encode_batch(benchmark::State& state) {
  std::uint32_t count = 0;
  const auto entries = batch(static_cast<std::size_t>(state.range(0)),
                             static_cast<std::size_t>(state.range(1)), count);
  const std::vector<std::byte> head(kMessagesHeadBytes);
  std::vector<std::byte> record(record_bytes(head.size(), entries.size()));
  for (auto _ : state) {
    encode_record(RecordType::kMessages, head, entries,
                  {1, base::Lsn(1U << 20), base::Lsn(1U << 20)}, record.data());
    benchmark::DoNotOptimize(record.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(entries.size()));
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(encode_batch)
    ->ArgNames({"batch", "body"})
    ->Args({64 * 1024, 128})
    ->Args({255 * 1024, 128})
    ->Args({255 * 1024, 1024})
    ->Args({200, 128});

// As a broker does it: batches go in, groups are written and synced by the log thread, dead
// segments come back. Ends with everything durable.
void append_and_commit(benchmark::State& state) {
  constexpr std::uint64_t kWindowBytes = 16U << 20;
  std::uint32_t count = 0;
  const auto entries = batch(static_cast<std::size_t>(state.range(0)),
                             static_cast<std::size_t>(state.range(1)), count);
  const bool sync = state.range(2) != 0;
  Folder folder;
  OpenedLog& opened = folder.log();
  SegmentLog& log = opened.log();
  Bell bell;
  frontend::LogThread thread([&bell] { bell.ring(); });
  MessagesFact fact;
  fact.stream = bench_stream();
  fact.first = Sequence(1);
  fact.count = count;
  const auto turn = [&](bool wait) {
    if (auto group = log.take_group()) thread.submit(frontend::LogThread::Lane::kGroups, group);
    if (opened.housekeeper().snapshot_due()) opened.housekeeper().begin_snapshot({});
    if (auto work = opened.housekeeper().take_background()) {
      thread.submit(frontend::LogThread::Lane::kBackground, work);
    }
    if (thread.run_completions() == 0 && wait) bell.wait();
  };
  std::uint64_t segment = 0;
  for (auto _ : state) {
    opened.messages().append(fact, entries, sync);
    fact.first = fact.first + count;
    while (log.unwritten_bytes() > kWindowBytes) turn(true);
    turn(false);
    if (log.active_segment() != segment) {
      segment = log.active_segment();
      opened.housekeeper().drop_dead_segments([](auto&&...) { return false; });
    }
  }
  while (log.positions().written < log.positions().appended) turn(true);
  thread.stop();
  thread.run_completions();
  CHECK(log.status().has_value());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(entries.size()));
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(append_and_commit)
    ->ArgNames({"batch", "body", "sync"})
    ->Args({64 * 1024, 128, 1})
    ->Args({255 * 1024, 128, 1})
    ->Args({255 * 1024, 128, 0})
    ->Args({1024, 128, 1})
    ->UseRealTime()
    ->MinTime(3.0);

// A consumer that keeps up reads memory; one that is behind reads the file and checks it.
void read_in_order(benchmark::State& state) {
  std::uint32_t count = 0;
  const auto entries = batch(static_cast<std::size_t>(state.range(0)), 128, count);
  const bool from_file = state.range(1) != 0;
  Folder folder;
  OpenedLog& opened = folder.log();
  MessagesFact fact;
  fact.stream = bench_stream();
  fact.first = Sequence(1);
  fact.count = count;
  std::uint64_t last = 0;
  for (std::size_t bytes = 0; bytes < (8U << 20); bytes += entries.size()) {
    opened.messages().append(fact, entries, false);
    last += count;
    fact.first = fact.first + count;
  }
  CHECK(opened.log().flush().has_value());
  if (from_file) opened.trim_memory();
  Sequence next(1);
  std::int64_t read_bytes = 0;
  std::int64_t messages = 0;
  for (auto _ : state) {
    const auto found = opened.messages().locate(fact.stream, next);
    const auto slice = opened.messages().slice(**found, next, (*found)->last(), 256 * 1024);
    const auto bytes = opened.messages().read(*slice);
    CHECK(bytes.has_value());
    benchmark::DoNotOptimize(bytes->data());
    read_bytes += static_cast<std::int64_t>(bytes->size());
    messages += slice->count;
    next = slice->first + slice->count;
    if (next.value() > last) next = Sequence(1);
  }
  state.SetBytesProcessed(read_bytes);
  state.SetItemsProcessed(messages);
}
BENCHMARK(read_in_order)
    ->ArgNames({"batch", "file"})
    ->Args({64 * 1024, 0})
    ->Args({64 * 1024, 1})
    ->Args({255 * 1024, 1})
    ->Args({200, 1});

// A start after a kill with about 256 MiB to replay.
void recover(benchmark::State& state) {
  std::uint32_t count = 0;
  const auto entries = batch(255 * 1024, 128, count);
  Folder folder;
  MessagesFact fact;
  fact.stream = bench_stream();
  fact.first = Sequence(1);
  fact.count = count;
  for (int i = 0; i < 1'000; ++i) {
    folder.log().messages().append(fact, entries, false);
    fact.first = fact.first + count;
    if (i % 50 == 0) CHECK(folder.log().log().flush().has_value());
  }
  CHECK(folder.log().log().flush().has_value());
  for (auto _ : state) folder.open();
  state.SetBytesProcessed(state.iterations() * 1'000 * static_cast<std::int64_t>(entries.size()));
}
BENCHMARK(recover)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace sluice::storage

BENCHMARK_MAIN();
