#include "cli/publish_run.h"

#include <poll.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "cli/context.h"
#include "cli/format.h"
#include "cli/json_text.h"
#include "cli/line_reader.h"
#include "cli/progress_bar.h"
#include "cli/stop_signal.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kLineBytesMax = 16 * 1024 * 1024;  // the largest that any queue may take
constexpr base::Millis kSendTurn{250};
// A queue that refuses everything is told of so often, with all lines since the last time.
constexpr base::Millis kRefusalInterval{1'000};
constexpr base::Millis kAnswerTurn{5};
constexpr int kInputTurnMillis = 250;
constexpr base::Millis kPatience{30'000};  // with a lost connection
constexpr std::size_t kBatchBytes = 128 * 1024;
constexpr base::Millis kNoLinger{3'600'000};

bool stdin_has_input(int timeout_ms) {
  pollfd item{STDIN_FILENO, POLLIN, 0};
  return poll(&item, 1, timeout_ms) > 0;
}

bool can_never_be_right(wire::Code code) {
  return code == wire::Code::kMessageTooLarge || code == wire::Code::kInvalidArgument ||
         code == wire::Code::kMalformed;
}

base::Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return base::invalid_argument("--file " + path + ": cannot be read");
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return base::invalid_argument("--file " + path + ": cannot be read");
  return bytes;
}

}  // namespace

PublishRun::PublishRun(client::Connection& connection, const PublishOptions& options,
                       MessagePattern pattern)
    : connection_(connection),
      options_(options),
      pattern_(std::move(pattern)),
      bare_(pattern_.is_bare()),
      prng_(static_cast<std::uint64_t>(clock_.wall_now().value())),
      output_([this] { static_cast<void>(connection_.keep_alive()); }) {}

base::Status PublishRun::run() {
  pattern_.set_times(clock_.wall_now(), prng_);
  std::vector<std::byte> entry;
  RETURN_IF_ERROR(base::append_entry(pattern_.message, entry));
  pattern_bytes_ = entry.size();

  client::PublisherOptions options;
  options.queue = options_.queue;
  options.batch_bytes = kBatchBytes;
  options.send_timeout = kSendTurn;
  // Batches leave when they are full or when the input pauses.
  options.linger = kNoLinger;
  options.on_outcome = [this](const client::BatchOutcome& outcome) { on_outcome(outcome); };
  ASSIGN_OR_RETURN(publisher_, client::Publisher::open(connection_, std::move(options)));
  one_batch_at_a_time_ = publisher_->shards() > 1 && pattern_.message.key.empty();

  base::Status status = publish_input();
  // What was taken is told of, whatever ended the input.
  const base::Status drained = drain();
  print_refusal();
  base::Status flushed;
  if (!output_.closed()) flushed = output_.flush();
  publisher_.reset();
  RETURN_IF_ERROR(std::move(status));
  RETURN_IF_ERROR(drained);
  return flushed;
}

base::Status PublishRun::publish_input() {
  if (options_.lines) return publish_lines();
  if (!options_.files.empty()) return publish_files();
  return add(options_.body);
}

base::Status PublishRun::publish_lines() {
  LineReader reader(STDIN_FILENO, kLineBytesMax);
  while (!stop_requested()) {
    while (const auto line = reader.next()) {
      if (line->too_long) {
        ++line_;
        ++wrong_;
        print_error(place(line_, line_) + " is longer than 16 MiB");
        continue;
      }
      RETURN_IF_ERROR(add(line->text));
    }
    if (reader.at_end()) break;
    RETURN_IF_ERROR(serve(base::Millis(0)));
    RETURN_IF_ERROR(wait_for_input());
    if (stop_requested()) break;
    ASSIGN_OR_RETURN([[maybe_unused]] const bool more, reader.fill());
  }
  return {};
}

// The connection lives on while nobody types, and what is open leaves at the first pause.
base::Status PublishRun::wait_for_input() {
  if (stdin_has_input(0)) return {};
  if (one_batch_at_a_time_) {
    RETURN_IF_ERROR(drain());
  } else {
    RETURN_IF_ERROR(publisher_->send());
  }
  while (!stop_requested()) {
    RETURN_IF_ERROR(output_.flush());
    const bool waiting = publisher_->outstanding_messages() > 0;
    if (!waiting && connection_.now() >= refusal_due_) print_refusal();
    if (stdin_has_input(waiting ? 0 : kInputTurnMillis)) return {};
    RETURN_IF_ERROR(serve(waiting ? kAnswerTurn : base::Millis(0)));
  }
  return {};
}

base::Status PublishRun::publish_files() {
  ProgressBar progress("publishing files", options_.files.size());
  for (const std::string& path : options_.files) {
    if (stop_requested()) break;
    ASSIGN_OR_RETURN(const std::string body, read_file(path));
    RETURN_IF_ERROR(add(body));
    progress.show(line_);
  }
  return {};
}

base::Status PublishRun::add(std::string_view body) {
  ++line_;
  const std::size_t bytes = pattern_bytes_ + body.size();
  if (one_batch_at_a_time_ && batch_fill_ > 0 && batch_fill_ + bytes > kBatchBytes) {
    RETURN_IF_ERROR(drain());
  }
  while (true) {
    base::Status status = hand_over(body);
    if (status.has_value()) break;
    if (status.error().code() == base::ErrorCode::kDeadlineExceeded) {
      // No room: the queue is full and blocks, or the connection is gone for now.
      if (stop_requested()) return {};
      RETURN_IF_ERROR(check_connection());
      RETURN_IF_ERROR(output_.flush());
      continue;
    }
    if (status.error().code() != base::ErrorCode::kInvalidArgument) return status;
    ++wrong_;
    print_error(place(line_, line_) + ": " + status.error().message());
    return {};
  }
  ledger_.add(line_);
  batch_fill_ += bytes;
  return {};
}

base::Status PublishRun::hand_over(std::string_view body) {
  if (bare_) return publisher_->append(base::as_bytes(body));
  pattern_.set_times(clock_.wall_now(), prng_);
  pattern_.message.body.assign(body);
  return publisher_->publish(pattern_.message);
}

base::Status PublishRun::serve(base::Millis timeout) {
  RETURN_IF_ERROR(publisher_->poll(timeout));
  RETURN_IF_ERROR(check_connection());
  return output_.flush_if_large();
}

base::Status PublishRun::drain() {
  batch_fill_ = 0;
  while (publisher_->outstanding_messages() > 0) {
    base::Status status = publisher_->flush(kSendTurn);
    if (!output_.closed()) static_cast<void>(output_.flush());
    if (status.has_value()) break;
    if (status.error().code() != base::ErrorCode::kDeadlineExceeded) return status;
    RETURN_IF_ERROR(check_connection());
    if (stop_requested()) {
      return base::unavailable(format_count(publisher_->outstanding_messages()) +
                               " messages have no answer: they may be stored or not");
    }
  }
  return {};
}

// A queue that blocks may take as long as it likes, a connection may not.
base::Status PublishRun::check_connection() {
  if (connection_.ready()) {
    lost_since_.reset();
    return {};
  }
  const base::MonoTime now = connection_.now();
  if (!lost_since_) lost_since_ = now;
  if (now < *lost_since_ + kPatience) return {};
  return base::unavailable("the connection was lost, and " +
                           format_count(publisher_->outstanding_messages()) +
                           " messages have no answer: they may be stored or not");
}

void PublishRun::on_outcome(const client::BatchOutcome& outcome) {
  std::uint64_t sequence = outcome.first.value();
  for (const LineLedger::Run& run : ledger_.take(outcome.count)) {
    if (!outcome.stored()) {
      note_refused(run.first, run.first + run.count - 1, outcome);
      continue;
    }
    stored_ += run.count;
    if (!options_.json || output_.closed()) continue;
    for (std::uint64_t line = run.first; line < run.first + run.count; ++line) {
      std::string& out = output_.text();
      out += R"({"line":)";
      append_number(out, line);
      out += R"(,"shard":)";
      append_number(out, outcome.shard.value());
      out += R"(,"sequence":)";
      append_number(out, sequence);
      out += outcome.duplicate ? ",\"duplicate\":true}\n" : "}\n";
      if (sequence != 0) ++sequence;
    }
  }
}

void PublishRun::note_refused(std::uint64_t first, std::uint64_t last,
                              const client::BatchOutcome& outcome) {
  (can_never_be_right(outcome.code) ? wrong_ : refused_) += last - first + 1;
  if (refusal_ && refusal_->code == outcome.code && refusal_->last + 1 == first) {
    refusal_->last = last;
    return;
  }
  print_refusal();
  refusal_ = Refusal{first, last, outcome.code, outcome.message};
}

void PublishRun::print_refusal() {
  if (!refusal_) return;
  refusal_due_ = connection_.now() + kRefusalInterval;
  print_error(place(refusal_->first, refusal_->last) + " refused: " +
              std::string(wire::to_string(refusal_->code)) + ": " + refusal_->message);
  refusal_.reset();
}

std::string PublishRun::place(std::uint64_t first, std::uint64_t last) const {
  if (options_.lines) {
    if (first == last) return "line " + std::to_string(first);
    return "lines " + std::to_string(first) + "-" + std::to_string(last);
  }
  if (options_.files.empty()) return "the message";
  const std::string name = "--file " + options_.files[first - 1];
  return first == last ? name : name + " to " + options_.files[last - 1];
}

}  // namespace sluice::cli
