#include "source/media_input.h"

#include <algorithm>
#include <cctype>

#include "rtsp/text.h"

namespace vigie::source {
namespace {

constexpr std::string_view kFileFormats = "mov,matroska,h264,hevc,avi,mpegts,mjpeg,jpeg_pipe";
constexpr std::string_view kStreamFormats = "mpegts,flv,hls,mov,matroska,mpjpeg,mjpeg,h264,hevc,aac";
constexpr std::string_view kSocketTimeoutUs = "5000000";

struct Scheme {
  std::string_view name;
  std::string_view protocols;
};
// Nothing that reads files: a playlist of a stranger must not lead into this machine.
constexpr Scheme kSchemes[] = {
    {"http", "http,https,tls,tcp,crypto"},
    {"https", "https,tls,tcp,crypto"},
    {"rtmp", "rtmp,tcp"},
    {"rtmps", "rtmps,rtmp,tls,tcp"},
    {"srt", "srt"},
    {"udp", "udp"},
};

std::string percent_encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace

MediaInput file_input(const std::string& path, bool loop) {
  // The prefix keeps a name such as "http://…" from being taken for anything but a file.
  return {.name = path,
          .url = "file:" + path,
          .network = false,
          .loop = loop,
          .protocols = "file",
          .formats = std::string(kFileFormats),
          .options = {}};
}

std::string shown_media_url(std::string_view url) {
  const size_t slashes = url.find("://");
  if (slashes == std::string_view::npos) return std::string(url);
  const size_t host = slashes + 3;
  const size_t end = std::min(url.find_first_of("?#", host), url.size());
  const std::string_view rest = url.substr(host, end - host);
  const size_t at = rest.substr(0, rest.find('/')).rfind('@');
  return std::string(url.substr(0, host)) + std::string(at == std::string_view::npos ? rest : rest.substr(at + 1));
}

Result<MediaInput> network_input(const NetworkInput& input) {
  const std::string_view given = std::string_view(input.url).substr(0, input.url.find("://"));
  const auto found = std::find_if(std::begin(kSchemes), std::end(kSchemes),
                                  [&](const Scheme& known) { return rtsp::iequals(known.name, given); });
  if (found == std::end(kSchemes)) {
    return make_error(Code::invalid_argument, shown_media_url(input.url),
                      "this kind of URL cannot be read; right would be http, https, rtmp, rtmps, srt or udp");
  }
  const std::string_view scheme = found->name;
  MediaInput out;
  out.name = shown_media_url(input.url);
  out.url = input.url;
  out.network = true;
  out.protocols = found->protocols;
  out.formats = kStreamFormats;
  if (scheme == "srt") {
    if (!input.password.empty()) out.options.emplace_back("passphrase", input.password);
    out.options.emplace_back("connect_timeout", "5000");  // ms
  } else if (scheme == "udp") {
    out.options.emplace_back("buffer_size", "4194304");
    out.options.emplace_back("overrun_nonfatal", "1");
  } else {
    if (!input.username.empty()) {
      std::string credentials = percent_encoded(input.username) + ":" + percent_encoded(input.password) + "@";
      out.url.insert(out.url.find("://") + 3, credentials);
    }
    out.options.emplace_back(scheme.starts_with("http") ? "timeout" : "rw_timeout", std::string(kSocketTimeoutUs));
  }
  if (scheme == "https" || scheme == "rtmps" || scheme == "http") {
    // It verifies only when it is asked to; without a file, by the system's store.
    if (scheme != "http" || !input.tls_ca_file.empty()) {
      out.options.emplace_back("tls_verify", input.tls_verify ? "1" : "0");
      if (!input.tls_ca_file.empty()) out.options.emplace_back("ca_file", input.tls_ca_file);
    }
  }
  return out;
}

}  // namespace vigie::source
