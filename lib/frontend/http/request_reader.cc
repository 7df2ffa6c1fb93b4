#include "frontend/http/request_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "frontend/http/request_rules.h"

namespace sluice::frontend::http {
namespace {

namespace beast_http = boost::beast::http;
using ErrorCode = boost::system::error_code;
using Parser = beast_http::request_parser<beast_http::string_body>;

// The last chunk of a body. Something as long as it follows every place within a chunked body, so
// the parser can wait for that much: its assertions hold that it is never shown less of the last
// chunk twice (Boost 1.74, parse_chunk_header).
constexpr std::size_t kLastChunkBytes = std::string_view("0\r\n\r\n").size();
// Beyond the headers: chunk headers, pipelined requests.
constexpr std::size_t kReadAheadBytes = 4 * 1024;

std::string_view text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

// What is told to a peer whose bytes the parser refuses.
Response refusal_of(const ErrorCode& error) {
  using Failure = beast_http::error;
  if (error == Failure::header_limit || error == Failure::buffer_overflow) {
    return error_response(431, "the request line and headers are too long");
  }
  if (error == Failure::body_limit) return error_response(413, "the body is too long");
  if (error == Failure::bad_version) return error_response(505, "this is no HTTP/1.0 or HTTP/1.1");
  return error_response(400, "this is no proper HTTP request: " + error.message());
}

RequestHead head_of(const Parser& parser) {
  const auto& fields = parser.get();
  RequestHead head;
  head.version = fields.version();
  head.target = text_of(fields.target());
  head.host_count = fields.count(beast_http::field::host);
  head.content_length_count = fields.count(beast_http::field::content_length);
  head.has_transfer_encoding = fields.count(beast_http::field::transfer_encoding) > 0;
  head.is_chunked = parser.chunked();
  head.expect = text_of(fields[beast_http::field::expect]);
  return head;
}

}  // namespace

class RequestReader::Impl {
 public:
  Impl(std::uint32_t header_bytes_max, std::uint32_t body_bytes_max)
      : header_bytes_max_(header_bytes_max), body_bytes_max_(body_bytes_max) {
    begin_request();
  }

  std::size_t room() const { return header_bytes_max_ + kReadAheadBytes - pending_.size(); }
  void add(std::string_view bytes) {
    CHECK(bytes.size() <= room());
    pending_ += bytes;
  }

  Next next() {
    if (refusal_) return Next::kRefusal;
    if (asked_) begin_request();
    while (!parser_->is_done()) {
      if (pending_.empty() || pending_.size() < waits_for_) return Next::kBytes;
      waits_for_ = 0;
      ErrorCode error;
      const boost::asio::const_buffer bytes(pending_.data(), pending_.size());
      const std::size_t taken = parser_->put(bytes, error);
      pending_.erase(0, taken);
      if (!judged_) header_bytes_ += taken;
      const bool lacks = error == beast_http::error::need_more;
      if (error && !lacks) return refuse_with(refusal_of(error));
      if (!judged_ && header_bytes_ + (lacks ? pending_.size() : 0) > header_bytes_max_) {
        return refuse_with(refusal_of(beast_http::error::header_limit));
      }
      if (lacks) {
        if (judged_ && parser_->chunked()) waits_for_ = kLastChunkBytes;
        if (room() > 0) return Next::kBytes;
        return refuse_with(refusal_of(beast_http::error::buffer_overflow));
      }
      if (parser_->is_header_done() && !judged_) {
        if (const auto said = judge()) return *said;
      }
    }
    take_request();
    return Next::kRequest;
  }

  bool in_body() const { return judged_ && !asked_ && !refusal_; }
  const Asked& asked() const {
    CHECK(asked_.has_value());
    return *asked_;
  }
  const Response& refusal() const {
    CHECK(refusal_.has_value());
    return *refusal_;
  }

 private:
  void begin_request() {
    asked_.reset();
    judged_ = false;
    waits_for_ = 0;
    header_bytes_ = 0;
    parser_.emplace();
    // Never reached: the parser's own limit is a few bytes lower for headers that come in pieces.
    parser_->header_limit(header_bytes_max_ + kReadAheadBytes);
    parser_->body_limit(body_bytes_max_);
  }

  Next refuse_with(Response response) {
    refusal_ = std::move(response);
    return Next::kRefusal;
  }

  // Once, when the headers are here. Nothing = go on.
  std::optional<Next> judge() {
    judged_ = true;
    parser_->eager(true);
    const RequestHead head = head_of(*parser_);
    if (auto refusal = refuse(head)) return refuse_with(*std::move(refusal));
    if (wants_continue(head) && !parser_->is_done()) return Next::kContinue;
    return std::nullopt;
  }

  void take_request() {
    const auto& fields = parser_->get();
    Asked& asked = asked_.emplace();
    asked.head_only = fields.method() == beast_http::verb::head;
    asked.keep_alive = fields.keep_alive();
    Request& request = asked.request;
    request.method = asked.head_only ? "GET" : std::string(text_of(fields.method_string()));
    const std::string_view target = text_of(fields.target());
    const std::size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
    request.host = text_of(fields[beast_http::field::host]);
  }

  const std::uint32_t header_bytes_max_;
  const std::uint32_t body_bytes_max_;
  std::string pending_;
  std::optional<Parser> parser_;
  bool judged_ = false;
  std::size_t header_bytes_ = 0;  // read of the request line and headers
  std::size_t waits_for_ = 0;     // bytes before the parser is asked again
  std::optional<Asked> asked_;
  std::optional<Response> refusal_;
};

RequestReader::RequestReader(std::uint32_t header_bytes_max, std::uint32_t body_bytes_max)
    : impl_(std::make_unique<Impl>(header_bytes_max, body_bytes_max)) {}
RequestReader::~RequestReader() = default;
std::size_t RequestReader::room() const { return impl_->room(); }
void RequestReader::add(std::string_view bytes) { impl_->add(bytes); }
RequestReader::Next RequestReader::next() { return impl_->next(); }
bool RequestReader::in_body() const { return impl_->in_body(); }
const RequestReader::Asked& RequestReader::asked() const { return impl_->asked(); }
const Response& RequestReader::refusal() const { return impl_->refusal(); }

}  // namespace sluice::frontend::http
