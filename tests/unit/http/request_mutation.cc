#include "tests/unit/http/request_mutation.h"

#include <vector>

namespace sluice::test {
namespace {

const std::vector<std::string>& seeds() {
  static const std::vector<std::string> all = {
      "GET /metrics HTTP/1.1\r\nHost: localhost:9000\r\nAccept: text/plain\r\n\r\n",
      "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
      "GET /api/v1/queues/orders?pretty=1 HTTP/1.0\r\n\r\n",
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world",
      "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=\"y\"\r\n "
      "world\r\n0\r\nT: u\r\n\r\n",
      "GET /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  };
  return all;
}

const std::vector<std::string>& tokens() {
  static const std::vector<std::string> all = {"\r\n",
                                               "\n",
                                               "\r",
                                               " ",
                                               "\t",
                                               ":",
                                               ",",
                                               ";",
                                               "\"",
                                               "%00",
                                               std::string(1, '\0'),
                                               "\xFF",
                                               "HTTP/1.1",
                                               "HTTP/9.9",
                                               "GET ",
                                               "Content-Length: 5\r\n",
                                               "Content-Length: 18446744073709551616",
                                               "Transfer-Encoding: chunked\r\n",
                                               "Transfer-Encoding: \x0b"
                                               "chunked\r\n",
                                               "Host: y\r\n",
                                               "Expect: 100-continue\r\n",
                                               "Connection: close\r\n",
                                               "Connection: keep-alive, upgrade\r\n",
                                               "0\r\n\r\n",
                                               "FFFFFFFFFFFFFFFF\r\n",
                                               "-1\r\n",
                                               "1;a=b\r\n",
                                               std::string(300, 'a'),
                                               std::string(9'000, 'b'),
                                               " folded\r\n"};
  return all;
}

}  // namespace

std::string mutated_request(base::Prng& prng) {
  std::string text = seeds()[prng.below(seeds().size())];
  for (std::uint64_t step = 0, steps = 1 + prng.below(5); step < steps; ++step) {
    const auto at = static_cast<std::size_t>(prng.below(text.size() + 1));
    switch (prng.below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(prng.below(256));
        break;
      case 1:
        text.insert(at, tokens()[prng.below(tokens().size())]);
        break;
      case 2:
        text.erase(at, prng.below(10));
        break;
      case 3:
        text.insert(prng.below(text.size() + 1), text.substr(at, prng.below(60)));
        break;
      case 4:
        text.resize(at);
        break;
      default:
        text += seeds()[prng.below(seeds().size())];
    }
  }
  return text;
}

}  // namespace sluice::test
