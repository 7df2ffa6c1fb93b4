#include "tests/integration/kube/tls_server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <list>
#include <mutex>
#include <thread>

#include "base/check.h"

namespace sluice::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = asio::ssl;
using Tcp = asio::ip::tcp;
using Stream = ssl::stream<Tcp::socket>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string pem_of(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return text_of(bio);
}

void add_extension(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* make_certificate(const char* name, EVP_PKEY* key, long serial) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  return certificate;
}

class Peer final : public Responder {
 public:
  explicit Peer(Stream& stream) : stream_(stream) {}
  void write(std::string_view bytes) override {
    beast::error_code ignored;
    asio::write(stream_, asio::buffer(bytes), ignored);
  }
  void wait_for_close() override {
    char byte = 0;
    beast::error_code closed;
    while (!closed) stream_.read_some(asio::buffer(&byte, 1), closed);
  }

 private:
  Stream& stream_;
};

}  // namespace

Certificates make_certificates() {
  EVP_PKEY* ca_key = EVP_EC_gen("P-256");
  X509* ca = make_certificate("test authority", ca_key, 1);
  X509_set_issuer_name(ca, X509_get_subject_name(ca));
  add_extension(ca, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(ca, ca_key, EVP_sha256());
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* leaf = make_certificate("127.0.0.1", key, 2);
  X509_set_issuer_name(leaf, X509_get_subject_name(ca));
  add_extension(leaf, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  X509_sign(leaf, ca_key, EVP_sha256());
  Certificates out;
  out.ca = pem_of(ca);
  out.certificate = pem_of(leaf);
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  out.key = text_of(bio);
  X509_free(ca);
  X509_free(leaf);
  EVP_PKEY_free(ca_key);
  EVP_PKEY_free(key);
  return out;
}

void Responder::answer(int status, std::string_view body, std::string_view headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: ";
  text += std::to_string(body.size()) + "\r\n";
  text += headers;
  text += "\r\n";
  text += body;
  write(text);
}

void Responder::begin_chunks() { write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"); }

void Responder::chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  write(size + std::string(bytes) + "\r\n");
}

class TlsServer::Impl {
 public:
  Impl(const Certificates& certificates, const std::string& client_ca, TlsHandler handler)
      : handler_(std::move(handler)),
        tls_(ssl::context::tls_server),
        acceptor_(io_, Tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {
    tls_.use_certificate_chain(asio::buffer(certificates.certificate));
    tls_.use_private_key(asio::buffer(certificates.key), ssl::context::pem);
    if (!client_ca.empty()) {
      tls_.add_certificate_authority(asio::buffer(client_ca));
      tls_.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    }
    thread_ = std::thread([this] { accept(); });
  }

  ~Impl() {
    stopping_ = true;
    // Wakes the accept.
    Tcp::socket wake(io_);
    beast::error_code ignored;
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int connections() const { return connections_; }

 private:
  void accept() {
    while (true) {
      beast::error_code error;
      Tcp::socket socket = acceptor_.accept(error);
      if (stopping_) return;
      if (error) continue;
      ++connections_;
      threads_.emplace_back(
          [this, shared = std::make_shared<Tcp::socket>(std::move(socket))] { serve(*shared); });
    }
  }

  void serve(Tcp::socket& socket) {
    const int handle = socket.native_handle();
    {
      const std::lock_guard lock(mutex_);
      sockets_.push_back(handle);
    }
    Stream stream(std::move(socket), tls_);
    beast::error_code error;
    stream.handshake(ssl::stream_base::server, error);
    beast::flat_buffer buffer;
    while (!error && !stopping_) {
      beast::http::request<beast::http::string_body> request;
      beast::http::read(stream, buffer, request, error);
      if (error) break;
      const auto header = [&request](beast::http::field field) {
        const auto value = request[field];
        return std::string(value.data(), value.size());
      };
      Peer peer(stream);
      if (!handler_(
              {std::string(request.method_string()), std::string(request.target()),
               header(beast::http::field::authorization), header(beast::http::field::user_agent),
               header(beast::http::field::content_type), request.body()},
              peer)) {
        break;
      }
    }
    const std::lock_guard lock(mutex_);
    sockets_.remove(handle);
    beast::error_code ignored;
    stream.next_layer().close(ignored);
  }

  TlsHandler handler_;
  asio::io_context io_;
  ssl::context tls_;
  Tcp::acceptor acceptor_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::mutex mutex_;  // guards sockets_
  std::list<int> sockets_;
  std::list<std::thread> threads_;
  std::thread thread_;
};

TlsServer::TlsServer(const Certificates& certificates, const std::string& client_ca,
                     TlsHandler handler)
    : impl_(std::make_unique<Impl>(certificates, client_ca, std::move(handler))) {}
TlsServer::~TlsServer() = default;
std::uint16_t TlsServer::port() const { return impl_->port(); }
int TlsServer::connections() const { return impl_->connections(); }

}  // namespace sluice::test
