#include "cli/cluster/tar_gz.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>

namespace sluice::cli::cluster {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameMax = 100;
constexpr std::size_t kPrefixMax = 155;
// zlib: 15 bits of window, and 16 for gzip's own head and tail.
constexpr int kGzipWindow = 15 + 16;
constexpr int kMemory = 8;

using Header = std::array<char, kBlock>;

void put(Header& header, std::size_t at, std::size_t size, std::string_view text) {
  std::copy_n(text.begin(), std::min(size, text.size()),
              header.begin() + static_cast<std::ptrdiff_t>(at));
}

// Octal digits that fill the field but for its end.
void put_number(Header& header, std::size_t at, std::size_t size, std::uint64_t value) {
  std::string digits(size - 1, '0');
  for (std::size_t i = digits.size(); i > 0 && value > 0; --i, value /= 8) {
    digits[i - 1] = static_cast<char>('0' + value % 8);
  }
  put(header, at, size, digits);
}

// Prefix and name, parted at a slash so that each fits its field.
std::pair<std::string_view, std::string_view> parts_of(std::string_view name) {
  if (name.size() <= kNameMax) return {"", name};
  // No slash is beyond every limit, too.
  const std::size_t slash = name.find('/', name.size() - kNameMax - 1);
  if (slash > kPrefixMax) {
    return {"", name.substr(name.size() - kNameMax)};
  }
  return {name.substr(0, slash), name.substr(slash + 1)};
}

Header header_of(const ArchiveFile& file, base::WallTime time) {
  constexpr std::uint64_t kOwnerReads = 0600;
  constexpr std::int64_t kMillis = 1000;
  Header header{};
  const auto [prefix, name] = parts_of(file.name);
  put(header, 0, kNameMax, name);
  put_number(header, 100, 8, kOwnerReads);
  put_number(header, 108, 8, 0);
  put_number(header, 116, 8, 0);
  put_number(header, 124, 12, file.text.size());
  put_number(header, 136, 12,
             static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.value() / kMillis)));
  put(header, 148, 8, "        ");
  put(header, 156, 1, "0");
  put(header, 257, 8, std::string_view("ustar\00000", 8));
  put(header, 345, kPrefixMax, prefix);
  std::uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put_number(header, 148, 7, sum);
  header[154] = '\0';
  return header;
}

}  // namespace

std::string make_tar(const std::vector<ArchiveFile>& files, base::WallTime time) {
  std::string tar;
  for (const ArchiveFile& file : files) {
    const Header header = header_of(file, time);
    tar.append(header.data(), header.size());
    tar += file.text;
    tar.append((kBlock - file.text.size() % kBlock) % kBlock, '\0');
  }
  tar.append(2 * kBlock, '\0');
  return tar;
}

base::Result<std::string> make_tar_gz(const std::vector<ArchiveFile>& files, base::WallTime time) {
  std::string tar = make_tar(files, time);
  if (tar.size() > std::numeric_limits<uInt>::max()) {
    return base::invalid_argument("the archive would be larger than 4 GiB");
  }
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return base::Error(base::ErrorCode::kResourceExhausted, "no memory to compress with");
  }
  std::string out(deflateBound(&stream, tar.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(tar.data());
  stream.avail_in = static_cast<uInt>(tar.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  CHECK(result == Z_STREAM_END);
  return out;
}

}  // namespace sluice::cli::cluster
