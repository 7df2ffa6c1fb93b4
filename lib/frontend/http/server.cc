#include "frontend/http/server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/status.hpp>
#include <exception>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "base/check.h"
#include "frontend/http/request_reader.h"

namespace sluice::frontend::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// What a peer may still send, and how long it may take, after we have said the last word.
constexpr std::size_t kLingerBytesMax = 64 * 1024;
constexpr base::Millis kLingerMax{1'000};

struct Counters {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> turned_away{0};
  std::atomic<std::uint64_t> accept_failures{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> bad_requests{0};
  std::atomic<std::uint64_t> timeouts{0};
};

std::string_view as_view(beast::string_view text) { return {text.data(), text.size()}; }

std::string head_of(const Response& response, std::size_t body_bytes, bool keep_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head += as_view(beast::http::obsolete_reason(
      beast::http::int_to_status(static_cast<unsigned>(response.status))));
  head += "\r\nContent-Type: " + response.content_type;
  head += "\r\nContent-Length: " + std::to_string(body_bytes);
  head += keep_alive ? "\r\nConnection: keep-alive" : "\r\nConnection: close";
  // Numbers of this second; a cache or a browser that guesses types would only do harm.
  head += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff";
  for (const auto& [name, value] : response.headers) {
    head.append("\r\n").append(name).append(": ").append(value);
  }
  return head + "\r\n\r\n";
}

class Connection;

// What all connections share. Outlives them.
struct Shared {
  ServerOptions options;
  Handler handler;
  Counters counters;
  std::set<Connection*> connections;  // loop thread only
};

// One peer, from accept to close. Owned by the operations that it waits for.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Tcp::socket socket, Shared& shared)
      : stream_(std::move(socket)),
        shared_(shared),
        reader_(shared.options.header_bytes_max, shared.options.body_bytes_max) {
    ErrorCode remote_error;
    const auto remote = stream_.socket().remote_endpoint(remote_error);
    peer_is_loopback_ = !remote_error && is_loopback(remote.address());
    shared_.connections.insert(this);
  }
  ~Connection() { shared_.connections.erase(this); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() { await_request(); }
  void close() { stream_.close(); }

 private:
  static bool is_loopback(const asio::ip::address& address) {
    if (address.is_loopback()) return true;
    return address.is_v6() && address.to_v6().is_v4_mapped() &&
           asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }

  // Also for a peer that sends a byte now and then: the deadline is not moved by them.
  void await_request() {
    in_body_ = false;
    stream_.expires_after(shared_.options.timeout);
    go_on();
  }

  void go_on() {
    switch (reader_.next()) {
      case RequestReader::Next::kBytes:
        return read_some();
      case RequestReader::Next::kContinue:
        return send_continue();
      case RequestReader::Next::kRequest:
        return answer();
      case RequestReader::Next::kRefusal:
        return send_last(reader_.refusal());
    }
  }

  void read_some() {
    if (reader_.in_body() && !in_body_) {
      in_body_ = true;
      stream_.expires_after(shared_.options.timeout);
    }
    const std::size_t wanted = std::min(bytes_.size(), reader_.room());
    stream_.async_read_some(asio::buffer(bytes_.data(), wanted),
                            [self = shared_from_this()](ErrorCode error, std::size_t count) {
                              // Also where the peer is at its end in the middle of something.
                              if (error) return self->fail(error);
                              self->reader_.add({self->bytes_.data(), count});
                              self->go_on();
                            });
  }

  void send_continue() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    stream_.expires_after(shared_.options.timeout);
    asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                      [self = shared_from_this()](ErrorCode error, std::size_t) {
                        if (error) return self->fail(error);
                        self->go_on();
                      });
  }

  void answer() {
    const RequestReader::Asked& asked = reader_.asked();
    Request request = asked.request;
    request.peer_is_loopback = peer_is_loopback_;
    shared_.counters.requests.fetch_add(1, std::memory_order_relaxed);
    send(ask(request), asked.head_only, asked.keep_alive);
  }

  Response ask(const Request& request) {
    try {
      return shared_.handler(request);
    } catch (const std::exception& exception) {
      return error_response(500, std::string("the answer could not be made: ") + exception.what());
    }
  }

  // The answer to bytes that cannot be trusted to end where they seem to: nothing is read after it.
  void send_last(Response response) {
    shared_.counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
    send(std::move(response), false, false);
  }

  void send(Response response, bool head_only, bool keep_alive) {
    const std::size_t body_bytes = response.body ? response.body->size() : 0;
    head_ = head_of(response, body_bytes, keep_alive);
    body_ = head_only ? nullptr : std::move(response.body);
    const std::array<asio::const_buffer, 2> buffers = {
        asio::buffer(head_), body_ ? asio::buffer(*body_) : asio::const_buffer()};
    stream_.expires_after(shared_.options.timeout);
    asio::async_write(stream_, buffers,
                      [self = shared_from_this(), keep_alive](ErrorCode error, std::size_t) {
                        self->body_.reset();
                        if (error) {
                          self->fail(error);
                        } else if (keep_alive) {
                          self->await_request();
                        } else {
                          self->linger();
                        }
                      });
  }

  // Closing with bytes unread makes the kernel send a reset, which can overtake our last answer. So
  // we say that nothing follows, and read on for a moment.
  void linger() {
    ErrorCode ignored;
    stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
    stream_.expires_after(std::min(shared_.options.timeout, kLingerMax));
    read_rest();
  }

  void read_rest() {
    stream_.async_read_some(asio::buffer(bytes_),
                            [self = shared_from_this()](ErrorCode error, std::size_t count) {
                              self->lingered_ += count;
                              if (error || self->lingered_ > kLingerBytesMax) {
                                self->close();
                              } else {
                                self->read_rest();
                              }
                            });
  }

  // The peer took too long, or went away, or we are stopping.
  void fail(const ErrorCode& error) {
    if (error == beast::error::timeout) {
      shared_.counters.timeouts.fetch_add(1, std::memory_order_relaxed);
    }
    close();
  }

  beast::tcp_stream stream_;
  Shared& shared_;
  RequestReader reader_;
  std::array<char, 4096> bytes_{};  // as they come
  bool in_body_ = false;            // its deadline runs
  std::string head_;
  Body body_;
  std::size_t lingered_ = 0;
  bool peer_is_loopback_ = false;
};

// Non-blocking, because a peer that is too many must not hold us up.
void turn_away(Tcp::socket socket) {
  Response response = error_response(503, "too many connections; try again in a second");
  response.headers.emplace_back("Retry-After", "1");
  const std::string answer = head_of(response, response.body->size(), false) + *response.body;
  ErrorCode ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(answer), ignored);
  socket.shutdown(Tcp::socket::shutdown_send, ignored);
  // Unread bytes would make close() send a reset, which can overtake the answer.
  std::array<char, 4096> scratch;
  socket.read_some(asio::buffer(scratch), ignored);
  socket.close(ignored);
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, Handler handler) {
    shared_.options = options;
    shared_.handler = std::move(handler);
  }

  base::Status listen() {
    const ServerOptions& options = shared_.options;
    const std::string place = options.host + ":" + std::to_string(options.port);
    ErrorCode error;
    const auto address =
        asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, error);
    if (error) return base::invalid_argument("http: '" + options.host + "' is no IP address");
    const Tcp::endpoint endpoint(address, options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(Tcp::acceptor::max_listen_connections, error);
    if (error) return base::unavailable("http: cannot listen on " + place + ": " + error.message());
    port_ = acceptor_.local_endpoint(error).port();
    if (error) return base::unavailable("http: " + place + ": " + error.message());
    return {};
  }

  void run() {
    accept();
    thread_ = std::thread([this] {
      try {
        io_.run();
      } catch (...) {
        base::check_failed("no exception reaches the HTTP thread", __FILE__, __LINE__);
      }
    });
  }

  void stop() {
    const std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    CHECK(thread_.get_id() != std::this_thread::get_id());
    asio::post(io_, [this] {
      stopping_ = true;
      ErrorCode ignored;
      acceptor_.close(ignored);
      pause_.cancel();
      for (Connection* connection : shared_.connections) connection->close();
    });
    thread_.join();
  }

  std::uint16_t port() const { return port_; }

  ServerStats stats() const {
    const auto read = [](const std::atomic<std::uint64_t>& counter) {
      return counter.load(std::memory_order_relaxed);
    };
    const Counters& counters = shared_.counters;
    return {read(counters.accepted), read(counters.turned_away),  read(counters.accept_failures),
            read(counters.requests), read(counters.bad_requests), read(counters.timeouts)};
  }

 private:
  void accept() {
    acceptor_.async_accept([this](ErrorCode error, Tcp::socket socket) {
      if (stopping_) return;
      if (error) {
        shared_.counters.accept_failures.fetch_add(1, std::memory_order_relaxed);
        // Without a file descriptor the waiting connection stays where it is and accept would fail
        // again at once, and for ever.
        pause_.expires_after(shared_.options.accept_pause);
        pause_.async_wait([this](ErrorCode) {
          if (!stopping_) accept();
        });
        return;
      }
      admit(std::move(socket));
      accept();
    });
  }

  void admit(Tcp::socket socket) {
    if (shared_.connections.size() >= shared_.options.connections_max) {
      shared_.counters.turned_away.fetch_add(1, std::memory_order_relaxed);
      turn_away(std::move(socket));
      return;
    }
    shared_.counters.accepted.fetch_add(1, std::memory_order_relaxed);
    std::make_shared<Connection>(std::move(socket), shared_)->start();
  }

  Shared shared_;
  asio::io_context io_{1};
  Tcp::acceptor acceptor_{io_};
  asio::steady_timer pause_{io_};
  bool stopping_ = false;  // loop thread only
  std::uint16_t port_ = 0;
  std::mutex stop_mutex_;
  std::thread thread_;
};

base::Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Handler handler) {
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  RETURN_IF_ERROR(impl->listen());
  impl->run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { stop(); }
std::uint16_t Server::port() const { return impl_->port(); }
ServerStats Server::stats() const { return impl_->stats(); }
void Server::stop() { impl_->stop(); }

}  // namespace sluice::frontend::http
