#include "kube/cpprest_transport.h"

#include <cpprest/astreambuf.h>
#include <cpprest/http_client.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pplx/threadpool.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "kube/line_splitter.h"

namespace sluice::kube {
namespace {

namespace http = web::http;
using HttpClient = http::client::http_client;
using Clock = std::chrono::steady_clock;

// One call, shared by the thread that waits for it and the library's threads. The library hands
// over one piece of the body at a time and goes on when the waiting thread is done with it.
class Exchange {
 public:
  enum class Event { kPiece, kEnd, kStop, kDeadline };

  // The library's threads.
  pplx::task<std::size_t> put(const std::uint8_t* bytes, std::size_t count) {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return pplx::task_from_exception<std::size_t>(std::runtime_error("abandoned"));
    piece_ = std::string(reinterpret_cast<const char*>(bytes), count);
    taken_ = pplx::task_completion_event<std::size_t>();
    changed_.notify_all();
    return pplx::task<std::size_t>(*taken_);
  }
  void headers(int status, std::optional<base::Millis> retry_after) {
    const std::lock_guard lock(mutex_);
    response_.status = status;
    response_.retry_after = retry_after;
    changed_.notify_all();
  }
  void end(std::optional<base::Error> error) {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    error_ = std::move(error);
    changed_.notify_all();
  }
  // Any thread.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

  // The waiting thread. A piece is seen only after the status.
  Event wait(const std::optional<Clock::time_point>& deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] {
      return stopped_ || ended_ || (piece_.has_value() && response_.status != 0);
    };
    if (!deadline) {
      changed_.wait(lock, ready);
    } else if (!changed_.wait_until(lock, *deadline, ready)) {
      return Event::kDeadline;
    }
    if (stopped_) return Event::kStop;
    return piece_.has_value() && response_.status != 0 ? Event::kPiece : Event::kEnd;
  }
  std::string take_piece() {
    const std::lock_guard lock(mutex_);
    std::string piece = *std::move(piece_);
    piece_.reset();
    return piece;
  }
  void piece_done(std::size_t count) {
    std::optional<pplx::task_completion_event<std::size_t>> taken;
    {
      const std::lock_guard lock(mutex_);
      std::swap(taken, taken_);
    }
    if (taken) taken->set(count);
  }
  // Nothing more is wanted; whatever the library still brings is refused.
  void abandon() {
    std::optional<pplx::task_completion_event<std::size_t>> taken;
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
      piece_.reset();
      std::swap(taken, taken_);
    }
    if (taken) taken->set_exception(std::runtime_error("abandoned"));
  }
  void wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }
  int status() {
    const std::lock_guard lock(mutex_);
    return response_.status;
  }
  HttpResponse response() {
    const std::lock_guard lock(mutex_);
    return response_;
  }
  std::optional<base::Error> error() {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  HttpResponse response_;
  std::optional<std::string> piece_;
  std::optional<pplx::task_completion_event<std::size_t>> taken_;
  bool stopped_ = false;
  bool abandoned_ = false;
  bool ended_ = false;
  std::optional<base::Error> error_;
};

// What the library writes an answer's body to: nothing of it is kept here.
class ExchangeBuffer final
    : public concurrency::streams::details::streambuf_state_manager<uint8_t> {
 public:
  explicit ExchangeBuffer(std::shared_ptr<Exchange> exchange)
      : streambuf_state_manager(std::ios_base::out), exchange_(std::move(exchange)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(size_t, std::ios_base::openmode) override {}
  size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override { return static_cast<pos_type>(-1); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return static_cast<pos_type>(-1); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return static_cast<pos_type>(-1);
  }
  bool acquire(uint8_t*&, size_t&) override { return false; }
  void release(uint8_t*, size_t) override {}

 protected:
  pplx::task<int_type> _putc(uint8_t byte) override {  // NOLINT: the library's names
    return exchange_->put(&byte, 1).then([byte](std::size_t) { return int_type{byte}; });
  }
  pplx::task<size_t> _putn(const uint8_t* bytes, size_t count) override {  // NOLINT
    return exchange_->put(bytes, count);
  }
  pplx::task<int_type> _bumpc() override { return nothing(); }   // NOLINT
  int_type _sbumpc() override { return traits::eof(); }          // NOLINT
  pplx::task<int_type> _getc() override { return nothing(); }    // NOLINT
  int_type _sgetc() override { return traits::eof(); }           // NOLINT
  pplx::task<int_type> _nextc() override { return nothing(); }   // NOLINT
  pplx::task<int_type> _ungetc() override { return nothing(); }  // NOLINT
  pplx::task<size_t> _getn(uint8_t*, size_t) override {          // NOLINT
    return pplx::task_from_result<size_t>(0);
  }
  size_t _scopy(uint8_t*, size_t) override { return 0; }                      // NOLINT
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }  // NOLINT
  uint8_t* _alloc(size_t) override { return nullptr; }                        // NOLINT
  void _commit(size_t) override {}                                            // NOLINT

 private:
  static pplx::task<int_type> nothing() { return pplx::task_from_result<int_type>(traits::eof()); }
  std::shared_ptr<Exchange> exchange_;
};

class ExchangeStream final : public concurrency::streams::streambuf<uint8_t> {
 public:
  explicit ExchangeStream(std::shared_ptr<Exchange> exchange)
      : streambuf(std::make_shared<ExchangeBuffer>(std::move(exchange))) {}
};

base::Error error_of_exception(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const http::http_exception& error) {
    const std::error_code code = error.error_code();
    if (code.value() == static_cast<int>(std::errc::timed_out)) {
      return {base::ErrorCode::kDeadlineExceeded, "the API server was silent for too long"};
    }
    // Value 2 is Asio's "end of file" in the generic category, where it reads as a missing file.
    if (code.value() == 2) return base::unavailable("the API server closed the connection");
    return base::unavailable(std::string("the API server cannot be reached: ") + error.what());
  } catch (const std::exception& error) {
    return base::unavailable(std::string("the API server cannot be reached: ") + error.what());
  } catch (...) {
    return base::unavailable("the API server cannot be reached");
  }
}

std::optional<base::Millis> retry_after_of(const http::http_response& response) {
  const auto found = response.headers().find("Retry-After");
  if (found == response.headers().end()) return std::nullopt;
  const std::string& text = found->second;
  unsigned seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return base::Millis(std::chrono::seconds(std::min(seconds, 3'600U)));
}

// Runs for each new connection, on a thread of the library.
void prepare_tls(boost::asio::ssl::context& context, const TlsMaterial& tls) {
  namespace ssl = boost::asio::ssl;
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                      ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (!tls.ca.empty()) {
    // The library has put the system's authorities in: anybody with a certificate of one of them
    // could be our API server.
    SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
    context.add_certificate_authority(boost::asio::buffer(tls.ca));
  }
  if (!tls.client_certificate.empty()) {
    context.use_certificate_chain(boost::asio::buffer(tls.client_certificate));
    context.use_private_key(boost::asio::buffer(tls.client_key), ssl::context::pem);
  }
}

void start_thread_pool(std::size_t threads) {
  static std::once_flag once;
  std::call_once(once, [threads] {
    try {
      crossplat::threadpool::initialize_with_threads(threads);
    } catch (const std::exception&) {
      // Somebody else in this process was first; the pool is there, and larger.
    }
  });
}

class CpprestTransport final : public HttpTransport {
 public:
  CpprestTransport(ClusterAccess access, TransportOptions options)
      : access_(std::move(access)), options_(std::move(options)) {}

  base::Status open() {
    RETURN_IF_ERROR(renew_tls());
    return make_clients();
  }

  base::Result<HttpResponse> send(const HttpRequest& request) override {
    ASSIGN_OR_RETURN(const std::shared_ptr<HttpClient> client, prepare(false));
    std::string body;
    bool too_long = false;
    ASSIGN_OR_RETURN(HttpResponse response,
                     exchange(*client, request, {}, Clock::now() + options_.call_deadline,
                              [&](int, std::string_view piece) -> base::Result<bool> {
                                too_long = body.size() + piece.size() > options_.body_bytes_max;
                                if (!too_long) body += piece;
                                return !too_long;
                              }));
    if (too_long) {
      return base::resource_exhausted("the answer to " + request.target + " is longer than " +
                                      std::to_string(options_.body_bytes_max) + " bytes");
    }
    response.body = std::move(body);
    return response;
  }

  base::Result<HttpResponse> stream(const HttpRequest& request, const LineSink& sink,
                                    const std::stop_token& stop) override {
    ASSIGN_OR_RETURN(const std::shared_ptr<HttpClient> client, prepare(true));
    LineSplitter lines(options_.line_bytes_max);
    std::string refusal;
    bool enough = false;
    ASSIGN_OR_RETURN(HttpResponse response,
                     exchange(*client, request, stop, std::nullopt,
                              [&](int status, std::string_view piece) -> base::Result<bool> {
                                if (status != 200) {
                                  refusal += piece.substr(0, kRefusalBytesMax - refusal.size());
                                  return refusal.size() < kRefusalBytesMax;
                                }
                                ASSIGN_OR_RETURN(const bool more, lines.feed(piece, sink));
                                enough = !more;
                                return more;
                              }));
    if (response.status == 200 && !enough && !stop.stop_requested()) lines.finish(sink);
    response.body = std::move(refusal);
    return response;
  }

  void forget_credentials() override {
    access_.credentials->forget();
    // Pooled connections go on with the client certificate that they were made with.
    static_cast<void>(make_clients());
  }

 private:
  static constexpr std::size_t kRefusalBytesMax = 64 * 1024;
  using Piece = std::function<base::Result<bool>(int status, std::string_view bytes)>;

  base::Status renew_tls() {
    ASSIGN_OR_RETURN(TlsMaterial tls, access_.credentials->tls());
    const std::lock_guard lock(mutex_);
    if (tls_ == nullptr || *tls_ != tls) tls_ = std::make_shared<const TlsMaterial>(std::move(tls));
    return {};
  }

  http::client::http_client_config config(base::Millis idle) {
    http::client::http_client_config config;
    config.set_timeout(idle);
    config.set_max_redirects(0);
    config.set_ssl_context_callback([this](boost::asio::ssl::context& context) {
      std::shared_ptr<const TlsMaterial> tls;
      {
        const std::lock_guard lock(mutex_);
        tls = tls_;
      }
      try {
        prepare_tls(context, *tls);
      } catch (const std::exception&) {
        // Unreadable material: with an empty store no server is believed, and the call fails.
        SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
      }
    });
    return config;
  }

  base::Status make_clients() {
    try {
      auto calls = std::make_shared<HttpClient>(access_.server, config(options_.call_idle));
      auto watches = std::make_shared<HttpClient>(access_.server, config(options_.watch_idle));
      const std::lock_guard lock(mutex_);
      calls_ = std::move(calls);
      watches_ = std::move(watches);
      return {};
    } catch (const std::exception& error) {
      return base::invalid_argument("API server '" + access_.server + "': " + error.what());
    }
  }

  base::Result<std::shared_ptr<HttpClient>> prepare(bool watch) {
    RETURN_IF_ERROR(renew_tls());
    const std::lock_guard lock(mutex_);
    return watch ? watches_ : calls_;
  }

  base::Result<HttpResponse> exchange(HttpClient& client, const HttpRequest& request,
                                      const std::stop_token& stop,
                                      const std::optional<Clock::time_point>& deadline,
                                      const Piece& piece) {
    ASSIGN_OR_RETURN(const std::string token, access_.credentials->bearer_token());
    const auto shared = std::make_shared<Exchange>();
    pplx::cancellation_token_source cancel;
    try {
      start(client, request, token, shared, cancel.get_token());
    } catch (...) {
      return error_of_exception(std::current_exception());
    }
    const std::stop_callback stopper(stop, [&shared] { shared->stop(); });
    base::Status problem;
    while (true) {
      const Exchange::Event event = shared->wait(deadline);
      if (event == Exchange::Event::kEnd) break;
      bool more = false;
      if (event == Exchange::Event::kPiece) {
        const std::string bytes = shared->take_piece();
        auto result = piece(shared->status(), bytes);
        if (!result.has_value()) problem = result.error();
        more = result.has_value() && *result;
        if (more) shared->piece_done(bytes.size());
      } else if (event == Exchange::Event::kDeadline) {
        problem = base::Error(base::ErrorCode::kDeadlineExceeded,
                              "no whole answer from the API server in time");
      }
      if (more) continue;
      shared->abandon();
      cancel.cancel();
      shared->wait_for_end();
      if (!problem.has_value()) return problem.error();
      if (event == Exchange::Event::kStop && shared->status() == 0) {
        return base::unavailable("stopped");
      }
      return shared->response();
    }
    if (auto error = shared->error()) return *std::move(error);
    return shared->response();
  }

  void start(HttpClient& client, const HttpRequest& request, const std::string& token,
             const std::shared_ptr<Exchange>& shared, const pplx::cancellation_token& cancel) {
    http::http_request out(request.method);
    out.set_request_uri(web::uri(request.target));
    out.headers().add("Accept", "application/json");
    out.headers().add("User-Agent", options_.user_agent);
    if (!token.empty()) out.headers().add("Authorization", "Bearer " + token);
    if (!request.content_type.empty()) out.set_body(request.body, request.content_type);
    out.set_response_stream(ExchangeStream(shared).create_ostream());
    client.request(out, cancel)
        .then([shared](const http::http_response& response) {
          shared->headers(response.status_code(), retry_after_of(response));
          return response.content_ready();
        })
        // Catches all: an exception that nobody looks at ends the process.
        .then([shared](const pplx::task<http::http_response>& task) {
          try {
            task.get();
            shared->end(std::nullopt);
          } catch (...) {
            shared->end(error_of_exception(std::current_exception()));
          }
        });
  }

  ClusterAccess access_;
  TransportOptions options_;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<const TlsMaterial> tls_;
  std::shared_ptr<HttpClient> calls_;
  std::shared_ptr<HttpClient> watches_;
};

}  // namespace

base::Result<std::unique_ptr<HttpTransport>> make_cpprest_transport(
    ClusterAccess access, const TransportOptions& options) {
  start_thread_pool(options.threads);
  auto transport = std::make_unique<CpprestTransport>(std::move(access), options);
  RETURN_IF_ERROR(transport->open());
  return std::unique_ptr<HttpTransport>(std::move(transport));
}

}  // namespace sluice::kube
