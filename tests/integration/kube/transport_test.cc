#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kube/cpprest_transport.h"
#include "kube/static_credentials.h"
#include "runtime/posix/system_clock.h"
#include "tests/integration/kube/tls_server.h"
#include "tests/support/status_matchers.h"

namespace sluice::kube {
namespace {

using base::ErrorCode;
using test::Certificates;
using test::HasCode;
using test::IsOk;
using test::Responder;
using test::SeenRequest;
using test::TlsServer;

class TransportTest : public testing::Test {
 protected:
  std::unique_ptr<HttpTransport> connect(const TlsServer& server, const std::string& ca,
                                         const TransportOptions& options = {}) {
    CredentialSources sources;
    sources.token.text = "secret";
    sources.ca.text = ca;
    sources.client_certificate.text = client.certificate;
    sources.client_key.text = client.key;
    ClusterAccess access{"https://127.0.0.1:" + std::to_string(server.port()), "default",
                         make_credentials(std::move(sources), {}, clock)};
    auto transport = make_cpprest_transport(std::move(access), options);
    EXPECT_THAT(transport, IsOk());
    return *std::move(transport);
  }

  runtime::SystemClock clock;
  Certificates certificates = test::make_certificates();
  Certificates client;
};

TEST_F(TransportTest, a_call_brings_the_whole_answer) {
  SeenRequest seen;
  const TlsServer server(certificates, "", [&seen](const SeenRequest& request, Responder& peer) {
    seen = request;
    peer.answer(201, "{\"a\":1}", "Retry-After: 7\r\n");
    return true;
  });
  const auto transport = connect(server, certificates.ca, {.user_agent = "sluice-test"});
  const auto response = transport->send({"PATCH", "/a/b?c=%2F", "application/x", "body"});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "{\"a\":1}");
  EXPECT_EQ(response->retry_after, base::Millis(7'000));
  EXPECT_EQ(seen.method, "PATCH");
  EXPECT_EQ(seen.target, "/a/b?c=%2F");
  EXPECT_EQ(seen.authorization, "Bearer secret");
  EXPECT_EQ(seen.user_agent, "sluice-test");
  EXPECT_EQ(seen.content_type, "application/x");
  EXPECT_EQ(seen.body, "body");
}

TEST_F(TransportTest, a_connection_serves_many_calls) {
  const TlsServer server(certificates, "", [](const SeenRequest&, Responder& peer) {
    peer.answer(200, "{}");
    return true;
  });
  const auto transport = connect(server, certificates.ca);
  for (int i = 0; i < 20; ++i) ASSERT_THAT(transport->send({"GET", "/", "", ""}), IsOk());
  // A connection is free again a moment after the answer, so the next call may open another one.
  EXPECT_LT(server.connections(), 10);
}

TEST_F(TransportTest, only_the_clusters_own_authority_is_believed) {
  const TlsServer server(certificates, "", [](const SeenRequest&, Responder& peer) {
    peer.answer(200, "{}");
    return true;
  });
  const auto other = connect(server, test::make_certificates().ca);
  EXPECT_THAT(other->send({"GET", "/", "", ""}), HasCode(ErrorCode::kUnavailable));
  const auto unreadable = connect(server, "no certificate");
  EXPECT_THAT(unreadable->send({"GET", "/", "", ""}), HasCode(ErrorCode::kUnavailable));
}

TEST_F(TransportTest, it_shows_its_client_certificate) {
  const Certificates clients = test::make_certificates();
  const TlsServer server(certificates, clients.ca, [](const SeenRequest&, Responder& peer) {
    peer.answer(200, "{}");
    return true;
  });
  EXPECT_FALSE(connect(server, certificates.ca)->send({"GET", "/", "", ""}).has_value());
  client = clients;
  EXPECT_THAT(connect(server, certificates.ca)->send({"GET", "/", "", ""}), IsOk());
}

TEST_F(TransportTest, a_redirect_is_an_answer_and_no_way_for_the_token) {
  const TlsServer server(certificates, "", [](const SeenRequest&, Responder& peer) {
    peer.answer(302, "", "Location: https://localhost:1/\r\n");
    return true;
  });
  const auto response = connect(server, certificates.ca)->send({"GET", "/", "", ""});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 302);
}

TEST_F(TransportTest, a_server_that_is_silent_or_drips_is_given_up) {
  const TlsServer server(certificates, "", [](const SeenRequest& request, Responder& peer) {
    if (request.target == "/silent") {
      peer.wait_for_close();
      return false;
    }
    peer.begin_chunks();
    for (int i = 0; i < 1'000; ++i) {
      peer.chunk("drip");
      std::this_thread::yield();
    }
    peer.wait_for_close();
    return false;
  });
  EXPECT_THAT(connect(server, certificates.ca, {.call_idle = base::Millis(100)})
                  ->send({"GET", "/silent", "", ""}),
              HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_THAT(connect(server, certificates.ca, {.call_deadline = base::Millis(200)})
                  ->send({"GET", "/drip", "", ""}),
              HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_THAT(
      connect(server, certificates.ca, {.body_bytes_max = 100})->send({"GET", "/drip", "", ""}),
      HasCode(ErrorCode::kResourceExhausted));
}

TEST_F(TransportTest, nobody_there_is_unavailable) {
  std::unique_ptr<HttpTransport> transport;
  {
    const TlsServer server(certificates, "", [](const SeenRequest&, Responder&) { return false; });
    transport = connect(server, certificates.ca);
    EXPECT_THAT(transport->send({"GET", "/", "", ""}), HasCode(ErrorCode::kUnavailable));
  }
  EXPECT_THAT(transport->send({"GET", "/", "", ""}), HasCode(ErrorCode::kUnavailable));
}

TEST_F(TransportTest, a_watch_gives_lines_however_they_are_cut_into_chunks) {
  const TlsServer server(certificates, "", [](const SeenRequest&, Responder& peer) {
    peer.begin_chunks();
    for (const char* piece : {"{\"a\"", ":1}\n{\"b\":2}\n", "{\"c\"", ":3}"}) peer.chunk(piece);
    peer.end_chunks();
    return true;
  });
  std::vector<std::string> lines;
  const auto response = connect(server, certificates.ca)
                            ->stream({"GET", "/watch", "", ""},
                                     [&lines](std::string_view line) {
                                       lines.emplace_back(line);
                                       return true;
                                     },
                                     {});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(lines, (std::vector<std::string>{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"}));
}

TEST_F(TransportTest, a_watch_ends_when_asked_to_also_while_nothing_comes) {
  std::atomic<bool> closed{false};
  const TlsServer server(certificates, "", [&closed](const SeenRequest&, Responder& peer) {
    peer.begin_chunks();
    peer.chunk("first\n");
    peer.wait_for_close();
    closed = true;
    return false;
  });
  const auto transport = connect(server, certificates.ca);
  std::stop_source stop;
  int lines = 0;
  const auto response = transport->stream(
      {"GET", "/watch", "", ""},
      [&](std::string_view) {
        ++lines;
        stop.request_stop();
        return true;
      },
      stop.get_token());
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(lines, 1);
  // The same by the sink's word, and a stop from another thread.
  EXPECT_THAT(
      transport->stream({"GET", "/watch", "", ""}, [](std::string_view) { return false; }, {}),
      IsOk());
  std::stop_source other;
  std::jthread stopper;
  EXPECT_THAT(transport->stream(
                  {"GET", "/watch", "", ""},
                  [&](std::string_view) {
                    stopper = std::jthread([&other] { other.request_stop(); });
                    return true;
                  },
                  other.get_token()),
              IsOk());
}

TEST_F(TransportTest, a_watch_that_breaks_falls_silent_or_is_endless_is_an_error) {
  const TlsServer server(certificates, "", [](const SeenRequest& request, Responder& peer) {
    if (request.target == "/gone") {
      peer.answer(410, "{\"code\":410}");
      return true;
    }
    peer.begin_chunks();
    if (request.target == "/break") {
      peer.write("ff\r\nhalf of a chunk");
      return false;
    }
    if (request.target == "/endless") {
      for (int i = 0; i < 64; ++i) peer.chunk(std::string(64, 'x'));
    }
    peer.wait_for_close();
    return false;
  });
  const auto transport =
      connect(server, certificates.ca, {.watch_idle = base::Millis(200), .line_bytes_max = 1'000});
  const LineSink sink = [](std::string_view) { return true; };
  EXPECT_THAT(transport->stream({"GET", "/break", "", ""}, sink, {}),
              HasCode(ErrorCode::kUnavailable));
  EXPECT_THAT(transport->stream({"GET", "/silent", "", ""}, sink, {}),
              HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_THAT(transport->stream({"GET", "/endless", "", ""}, sink, {}),
              HasCode(ErrorCode::kResourceExhausted));
  const auto gone = transport->stream({"GET", "/gone", "", ""}, sink, {});
  ASSERT_THAT(gone, IsOk());
  EXPECT_EQ(gone->status, 410);
  EXPECT_EQ(gone->body, "{\"code\":410}");
}

TEST_F(TransportTest, several_threads_call_at_once) {
  const TlsServer server(certificates, "", [](const SeenRequest& request, Responder& peer) {
    peer.answer(200, request.target);
    return true;
  });
  const auto transport = connect(server, certificates.ca);
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const std::string target = "/" + std::to_string(t * 100 + i);
          const auto response = transport->send({"GET", target, "", ""});
          if (response.has_value() && response->body == target) ++good;
        }
      });
    }
  }
  EXPECT_EQ(good, 160);
}

}  // namespace
}  // namespace sluice::kube
