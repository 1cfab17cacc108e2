// Keys of SRTP from any text or message. Input: 1 byte that chooses the parser, then SDES, a MIKEY message, or a session
// description.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rtsp/key_management.h"
#include "rtsp/text.h"

namespace {

using namespace vigie;
using namespace vigie::rtsp;

void require(bool holds) {
  if (!holds) std::abort();
}

// What is accepted can be given to libsrtp.
void check_keys(const SrtpKeys& keys) {
  require(!keys.masters.empty() && keys.masters.size() <= 8 && keys.rollovers.size() <= 16);
  for (const SrtpKeys::Master& master : keys.masters) {
    require(master.key_and_salt.size() == srtp_key_bytes(keys.suite) + srtp_salt_bytes(keys.suite));
    require(master.mki.size() == keys.masters.front().mki.size() && master.mki.size() <= 16);
    require(keys.masters.size() == 1 || !master.mki.empty());
  }
  for (size_t i = 1; i < keys.rollovers.size(); ++i) require(keys.rollovers[i - 1].ssrc < keys.rollovers[i].ssrc);
}

void check_error(const Error& error) {
  require(error.code == Code::rtsp_unsupported || error.code == Code::sdp_malformed);
  require(error.text().size() < 300);
  for (const char c : error.text()) require(!is_control(c));
}

void check_mikey(ByteSpan message) {
  const auto keys = parse_mikey(message);
  if (!keys) return check_error(keys.error());
  check_keys(*keys);
  const std::string answer = answer_key_mgmt(message, 0x12345678, "rtsps://h/cam");
  const SessionDescription session;
  const auto back = choose_keys(session, {}, answer);
  require(back.ok() && back->keys.masters == keys->masters && back->keys.suite == keys->suite);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 16 * 1024) return 0;
  const ByteSpan rest(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0: {
      const auto keys = parse_sdes(as_text(rest));
      keys ? check_keys(*keys) : check_error(keys.error());
      break;
    }
    case 1: check_mikey(rest); break;
    case 2: {
      const auto session = parse_sdp(as_text(rest));
      if (!session) break;
      for (const MediaDescription& media : session->medias) {
        const auto offer = choose_keys(*session, media, session->name);
        offer ? check_keys(offer->keys) : check_error(offer.error());
      }
      break;
    }
  }
  return 0;
}
