#pragma once
// What libavformat is asked to open: a file of this machine, or a stream of the network that is not RTSP.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace vigie::source {

// Everything the reader needs; made here so that one place decides what may be opened.
struct MediaInput {
  std::string name;  // for texts: the path, or the URL without credentials and query
  std::string url;   // as libavformat wants it; may hold credentials
  bool network = false;
  bool loop = false;      // a file that begins again at its end
  std::string protocols;  // all that may be used to get it
  std::string formats;    // all that it may be
  std::vector<std::pair<std::string, std::string>> options;
};

// Local files only: no name and no format makes the library open something else.
MediaInput file_input(const std::string& path, bool loop);

// http(s) (HLS too), rtmp(s), srt, and udp for MPEG-TS, unicast or multicast. Credentials go where the protocol has them:
// into the URL, or, for SRT, the password as its passphrase. `tls_ca_file` and `tls_verify` are for https and rtmps.
struct NetworkInput {
  std::string url;
  std::string username;
  std::string password;
  std::string tls_ca_file;
  bool tls_verify = true;
};
// Errors: invalid_argument for another scheme.
Result<MediaInput> network_input(const NetworkInput& input);

// "http://host/path" without credentials and query, for texts.
std::string shown_media_url(std::string_view url);

}  // namespace vigie::source
