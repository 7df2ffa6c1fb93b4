#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/fnv1a.h"
#include "base/message.h"
#include "client/consumer.h"
#include "client/publisher.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/client/fake_transport.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"

namespace {

namespace base = sluice::base;
namespace client = sluice::client;
namespace wire = sluice::wire;
using sluice::fuzz::Input;

constexpr int kStepsMax = 120;
constexpr base::Millis kMoment{20};

// A network on which frames to the client are touched, lost, doubled and made up.
class WrongTransport final : public client::Transport {
 public:
  WrongTransport(client::FakeBroker& broker, Input& input) : right_(broker), input_(input) {}

  base::MonoTime now() const override { return right_.now(); }
  base::Status connect(std::size_t turn) override { return right_.connect(turn); }
  bool send(base::ByteView frame) override {
    CHECK(wire::decode_frame(frame).has_value());
    return right_.send(frame);
  }
  bool send(std::shared_ptr<client::OutboundBuffer> frame) override { return send(frame->view()); }
  std::optional<client::InboundFrame> receive() override {
    std::optional<client::InboundFrame> frame = right_.receive();
    if (frame) session_ = header_of(frame->bytes()).value_or(session_);
    if (!wrong_ || input_.empty()) return frame;
    const std::uint8_t what = input_.u8() % 16;
    if (what == 0 && frame) return right_.receive();  // it is lost
    if (what == 1) return made_up(std::move(frame));
    if (what < 6 && frame) return touched(frame->bytes());
    return frame;
  }
  Event wait(base::Nanos timeout) override { return right_.wait(timeout); }
  void interrupt() override { right_.interrupt(); }

  client::FakeTransport& right() { return right_; }
  void come_to_order() { wrong_ = false; }

 private:
  static std::optional<wire::FrameHeader> header_of(base::ByteView bytes) {
    const auto header = wire::decode_header(bytes);
    if (!header.has_value()) return std::nullopt;
    return *header;
  }
  static client::InboundFrame own(std::vector<std::byte> bytes) {
    auto kept = std::make_shared<std::vector<std::byte>>(std::move(bytes));
    const base::ByteView view(*kept);
    return client::InboundFrame(std::move(kept), view);
  }
  client::InboundFrame touched(base::ByteView good) {
    std::vector<std::byte> bytes(good.begin(), good.end());
    for (std::size_t changes = 1 + input_.below(4); changes > 0 && !bytes.empty(); --changes) {
      const std::size_t at = input_.below(std::min<std::size_t>(bytes.size(), 200));
      bytes[at] = static_cast<std::byte>(input_.u8());
    }
    if (input_.u8() % 4 == 0) bytes.resize(input_.below(bytes.size() + 1));
    return own(std::move(bytes));
  }
  // A frame that is good by itself, said to this session; what came instead is lost.
  std::optional<client::InboundFrame> made_up(std::optional<client::InboundFrame> frame) {
    static const std::vector<wire::SampleFrame> samples = wire::sample_frames();
    wire::Frame sample = samples[input_.below(samples.size())].frame;
    sample.header.session = session_.session;
    sample.header.session_epoch = session_.session_epoch;
    sample.header.request = input_.below(40);
    client::InboundFrame made = own(wire::encoded(sample));
    return frame ? touched(made.bytes()) : std::move(made);
  }

  client::FakeTransport right_;
  Input& input_;
  bool wrong_ = true;
  wire::FrameHeader session_;
};

class Application {
 public:
  // `seed` is that of the client's own draws, so that an input does the same each time.
  Application(Input& input, std::uint64_t seed) : input_(input), seed_(seed) {}

  bool open() {
    auto transport = std::make_unique<WrongTransport>(broker_, input_);
    transport_ = transport.get();
    client::ConnectionOptions options;
    options.client_name = "fuzz/1";
    options.prng_seed = seed_;
    options.connect_timeout = base::Millis(2'000);
    options.request_timeout = base::Millis(2'000);
    auto connection = client::Connection::open(options, std::move(transport));
    if (!connection.has_value()) return false;
    connection_ = *std::move(connection);
    return true;
  }

  void open_both() {
    client::PublisherOptions publishing;
    publishing.queue = "orders";
    publishing.send_timeout = base::Millis(500);
    publishing.producer.bytes[0] = 1;
    publishing.on_outcome = [this](const client::BatchOutcome& outcome) {
      told_ += outcome.count;
      CHECK(told_ <= published_);
    };
    if (auto made = client::Publisher::open(*connection_, publishing); made.has_value()) {
      publisher_ = *std::move(made);
    }
    client::ConsumerOptions consuming;
    consuming.queue = "orders";
    consuming.messages_max = 100;
    if (auto made = client::Consumer::open(*connection_, consuming); made.has_value()) {
      consumer_ = *std::move(made);
    }
  }

  void step() {
    switch (input_.u8() % 10) {
      case 0:
        return transport_->right().cut();
      case 1:
        return deliver();
      case 2:
      case 3:
        return publish(input_.below(60));
      case 4:
        return publish(input_.u8() % 4 == 0 ? 600'000 : 5'000);
      case 5:
        if (consumer_) static_cast<void>(consumer_->extend_all());
        return;
      case 6:
        broker_.close_attachments(wire::Code::kUnknownQueue);
        return;
      case 7:
        broker_.shards = static_cast<std::uint16_t>(1 + input_.below(3));
        ++broker_.map_version;
        return;
      default:
        return look();
    }
  }

  // The network is in order again: whatever was waited for comes to an end in its time.
  void end() {
    transport_->come_to_order();
    if (publisher_) {
      static_cast<void>(publisher_->flush(base::Millis(60'000)));
      CHECK(told_ + publisher_->outstanding_messages() == published_);
    }
    if (consumer_) static_cast<void>(consumer_->flush_settles(base::Millis(60'000)));
    consumer_.reset();
    publisher_.reset();
    static_cast<void>(connection_->close(base::Millis(100)));
    connection_.reset();
  }

 private:
  void publish(std::size_t bytes) {
    if (!publisher_) return;
    base::Message message;
    message.body.assign(bytes, 'b');
    message.key = std::string(input_.text(input_.below(4)));
    // The outcome may come before this returns.
    ++published_;
    if (!publisher_->publish(message).has_value()) --published_;
    static_cast<void>(publisher_->poll(kMoment));
  }
  void deliver() {
    const std::size_t count = input_.below(5);
    if (count == 0) {
      broker_.deliver_large(std::string(400'000, 'l'));
    } else {
      broker_.deliver(std::vector<std::string>(count, "message"));
    }
    look();
  }
  void look() {
    if (!consumer_) return;
    auto batch = consumer_->poll(kMoment);
    if (!batch.has_value() || !batch->has_value()) return;
    std::uint32_t seen = 0;
    std::optional<client::Receipt> last;
    for (const client::Delivery& delivery : **batch) {
      // All of it can be read, and a person can be shown it.
      for (const std::byte byte : delivery.message.body) sum_ += static_cast<std::uint8_t>(byte);
      last = delivery.receipt();
      ++seen;
    }
    CHECK(seen == (*batch)->size());
    const std::uint8_t what = input_.u8() % 4;
    if (what == 0) return consumer_->ack(**batch);
    if (what == 1) return consumer_->release(**batch);
    if (what == 2 && last) consumer_->reject(*last, "it broke");
  }

  Input& input_;
  const std::uint64_t seed_;
  client::FakeBroker broker_;
  WrongTransport* transport_ = nullptr;
  std::unique_ptr<client::Connection> connection_;
  std::unique_ptr<client::Publisher> publisher_;
  std::unique_ptr<client::Consumer> consumer_;
  std::uint64_t published_ = 0;
  std::uint64_t told_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace

// The real client against a broker whose frames are touched, lost and made up on the way: what it
// sends is good, every message has one outcome, deliveries can be read, and no call outlasts its
// time (which passes only while it waits; a loop without waiting runs into the fuzzer's own limit).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Application application(input, base::fnv1a({reinterpret_cast<const char*>(data), size}));
  if (!application.open()) return 0;
  application.open_both();
  for (int steps = 0; steps < kStepsMax && !input.empty(); ++steps) application.step();
  application.end();
  return 0;
}
