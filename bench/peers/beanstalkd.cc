// beanstalkd by its own protocol: put, reserve and delete, each of them pipelined.

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/fail.h"
#include "bench/load/load.h"
#include "bench/load/tally.h"
#include "bench/peers/line_socket.h"
#include "bench/peers/peer.h"

namespace sluice::bench {
namespace {

// How long a job may stay reserved, in seconds: longer than any run.
constexpr std::string_view kTimeToRun = "3600";

class BeanstalkdProducer : public Worker {
 public:
  explicit BeanstalkdProducer(const PeerOptions& options)
      : load_(options.load), socket_(options.port) {}

  void run() override {
    const std::string command =
        "put 0 0 " + std::string(kTimeToRun) + " " + std::to_string(load_.size_bytes) + "\r\n";
    std::vector<std::byte> message(load_.size_bytes, std::byte{'b'});
    std::uint64_t sent = 0;
    for (std::uint64_t acknowledged = 0; acknowledged < load_.messages; ++acknowledged) {
      for (; sent < load_.messages && sent - acknowledged < load_.window; ++sent) {
        stamp(message, sent);
        socket_.write(command);
        socket_.write(message);
        socket_.write("\r\n");
      }
      const std::string_view answer = socket_.read_line();
      require(answer.starts_with("INSERTED "), "put was answered with " + std::string(answer));
    }
  }

 private:
  const Load load_;
  LineSocket socket_;
};

// The server answers in order and waits at a reserve that has no job, so a consumer may ask for
// many ahead; one reserve for each message and no more, or the last delete would wait for ever.
class BeanstalkdConsumer : public Worker {
 public:
  explicit BeanstalkdConsumer(const PeerOptions& options)
      : load_(options.load),
        tally_(options.load.messages, options.load.size_bytes),
        socket_(options.port) {}

  void run() override {
    std::uint64_t asked = 0;
    for (; asked < load_.messages && asked < load_.window; ++asked) socket_.write(kReserve);
    for (std::uint64_t deleted = 0; deleted < load_.messages;) {
      const std::string_view answer = socket_.read_line();
      if (answer == "DELETED") {
        ++deleted;
        continue;
      }
      // Copied, for reading the body may move the line.
      const std::string id = on_reserved(answer);
      socket_.write("delete " + id + "\r\n");
      if (asked < load_.messages) {
        socket_.write(kReserve);
        ++asked;
      }
    }
    require(tally_.complete(), "messages are missing");
  }

 private:
  static constexpr std::string_view kReserve = "reserve\r\n";

  // "RESERVED <id> <bytes>"; returns the id.
  std::string on_reserved(std::string_view answer) {
    constexpr std::string_view kReserved = "RESERVED ";
    require(answer.starts_with(kReserved), "reserve was answered with " + std::string(answer));
    const std::string_view rest = answer.substr(kReserved.size());
    const std::size_t space = rest.find(' ');
    require(space != std::string_view::npos, "a reserved job has no size");
    std::string id(rest.substr(0, space));
    std::size_t size = 0;
    std::from_chars(rest.data() + space + 1, rest.data() + rest.size(), size);
    tally_.count(socket_.read_body(size));
    return id;
  }

  const Load load_;
  Tally tally_;
  LineSocket socket_;
};

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  namespace bench = sluice::bench;
  return bench::run_peer(argc, argv,
                         {.system = "beanstalkd",
                          .setting = "-f 0, delete each",
                          .make_consumer =
                              [](const bench::PeerOptions& options) {
                                return std::make_unique<bench::BeanstalkdConsumer>(options);
                              },
                          .make_producer =
                              [](const bench::PeerOptions& options) {
                                return std::make_unique<bench::BeanstalkdProducer>(options);
                              }});
}
