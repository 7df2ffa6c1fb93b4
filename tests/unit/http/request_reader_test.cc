#include "frontend/http/request_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::frontend::http {
namespace {

using Next = RequestReader::Next;

constexpr std::uint32_t kHeaderBytesMax = 256;
constexpr std::uint32_t kBodyBytesMax = 100;

class RequestReaderTest : public testing::Test {
 protected:
  // What follows from these bytes; requests as "METHOD PATH?QUERY@HOST".
  std::vector<std::string> say(std::string_view bytes) {
    std::vector<std::string> heard;
    reader_.add(bytes);
    for (;;) {
      switch (reader_.next()) {
        case Next::kBytes:
          return heard;
        case Next::kContinue:
          heard.emplace_back("continue");
          break;
        case Next::kRequest: {
          const Request& request = reader_.asked().request;
          heard.push_back(request.method + " " + request.path + "?" + request.query + "@" +
                          request.host + (reader_.asked().keep_alive ? "" : " last") +
                          (reader_.asked().head_only ? " head" : ""));
          break;
        }
        case Next::kRefusal:
          heard.push_back(std::to_string(reader_.refusal().status));
          return heard;
      }
    }
  }
  using Heard = std::vector<std::string>;

  RequestReader reader_{kHeaderBytesMax, kBodyBytesMax};
};

TEST_F(RequestReaderTest, ARequestIsWholeHoweverItIsCut) {
  const std::string request = "HEAD /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t i = 0; i + 1 < request.size(); ++i) {
    EXPECT_EQ(say(request.substr(i, 1)), Heard()) << i;
  }
  EXPECT_EQ(say("c"), Heard({"GET /a?b=c@x head"}));
}

TEST_F(RequestReaderTest, RequestsThatCameTogetherFollowEachOther) {
  EXPECT_EQ(say("GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\n"
                "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /c HTTP/1.0\r\n\r\n"),
            Heard({"GET /a?@x", "POST /b?@x", "GET /c?@ last"}));
}

TEST_F(RequestReaderTest, WhoWaitsToSendItsBodyIsToldToGoOn) {
  EXPECT_FALSE(reader_.in_body());
  EXPECT_EQ(say("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
            Heard({"continue"}));
  EXPECT_TRUE(reader_.in_body());
  EXPECT_EQ(say("ok"), Heard({"PUT /a?@x"}));
  EXPECT_FALSE(reader_.in_body());
}

TEST_F(RequestReaderTest, WhatIsTooLongIsRefused) {
  EXPECT_EQ(say("GET /" + std::string(400, 'a')), Heard({"431"}));
  EXPECT_EQ(reader_.next(), Next::kRefusal);  // and stays so
  RequestReader other(kHeaderBytesMax, kBodyBytesMax);
  other.add("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
  ASSERT_EQ(other.next(), Next::kRefusal);
  EXPECT_EQ(other.refusal().status, 413);
}

// Found by http_fuzz: Beast's own limit is lower where the headers come in pieces.
TEST_F(RequestReaderTest, HeadersHaveTheSameLimitHoweverTheyAreCut) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
    for (std::size_t over = 0; over < 6; ++over) {
      std::string request = "GET /a HTTP/1.1\r\nHost: x\r\nA: ";
      request += std::string(kHeaderBytesMax + over - request.size() - 4, 'a') + "\r\n\r\n";
      RequestReader reader(kHeaderBytesMax, kBodyBytesMax);
      Next next = Next::kBytes;
      for (std::size_t at = 0; at < request.size() && next == Next::kBytes; at += piece) {
        reader.add(request.substr(at, piece));
        next = reader.next();
      }
      EXPECT_EQ(next, over == 0 ? Next::kRequest : Next::kRefusal) << piece << " " << over;
      if (next == Next::kRefusal) {
        EXPECT_EQ(reader.refusal().status, 431);
      }
    }
  }
}

// Beast 1.74 asserts that it never sees four bytes of the last chunk; found by http_fuzz.
TEST_F(RequestReaderTest, AChunkedBodyMayComeByteByByte) {
  const std::string_view bytes =
      "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nhi\r\n1;last=no\r\n!\r\n0\r\nTrailer: t\r\n\r\n"
      "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  std::vector<std::string> heard;
  for (const char byte : bytes) {
    for (std::string& one : say(std::string(1, byte))) heard.push_back(std::move(one));
  }
  EXPECT_EQ(heard, Heard({"PUT /a?@x", "POST /b?@x"}));
}

TEST_F(RequestReaderTest, AChunkHeaderHasAnEndToo) {
  EXPECT_EQ(say("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"), Heard());
  std::vector<std::string> heard;
  while (heard.empty()) {
    ASSERT_GT(reader_.room(), 0U);
    heard = say("1" + std::string(std::min<std::size_t>(reader_.room(), 500) - 1, ';'));
  }
  EXPECT_EQ(heard.size(), 1U);
  EXPECT_TRUE(heard[0] == "431" || heard[0] == "400") << heard[0];
}

TEST_F(RequestReaderTest, WhatIsNoRequestIsRefused) {
  EXPECT_EQ(say("\x16\x03\x01 hello\r\n\r\n"), Heard({"400"}));
  RequestReader other(kHeaderBytesMax, kBodyBytesMax);
  other.add("GET /a HTTP/9.9\r\n\r\n");
  ASSERT_EQ(other.next(), Next::kRefusal);
  EXPECT_EQ(other.refusal().status, 505);
}

}  // namespace
}  // namespace sluice::frontend::http
