#pragma once
// Known deviations in what a simulated camera says: its answers, its session description, what it refuses. The one
// place for them; the connection asks it before it looks at a request and before it sends an answer.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"
#include "loadgen/digest.h"
#include "loadgen/rtsp_text.h"

namespace vigie::loadgen {

// An answer on its way. CSeq and Content-Length are not among `headers`.
struct SimAnswer {
  int status = 200;
  std::string reason = "OK";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string cseq;
  bool with_cseq = true;
  bool huge_length = false;  // a Content-Length that never comes
  bool silent = false;       // not sent
  bool close = false;        // the connection ends behind it
  std::string line_end = "\r\n";
};
std::string answer_text(const SimAnswer& answer);

// The description as the camera would give it, made deviating.
std::string bend_sdp(const std::string& sdp, const QuirkSet& quirks, uint32_t camera);

// What counted as a sign of life.
enum class LifeSign : uint8_t { rtcp, get_parameter, options, other };

// One connection's. Without quirks every function returns at once.
class QuirkedText {
 public:
  // The camera that is asked for.
  void wear(const QuirkSet& quirks, uint32_t camera) {
    quirks_ = quirks;
    camera_ = camera;
    any_ = !quirks.empty();
  }
  bool any() const { return any_; }
  bool has(Quirk quirk) const { return any_ && quirks_.has(quirk); }

  // Session facts that some refusals need.
  struct Context {
    bool has_session = false;
    bool playing = false;
    size_t other_sessions = 0;  // of this camera
  };
  // An answer instead of the camera's.
  std::optional<SimAnswer> refuse(const RtspText& request, const Context& context);
  void bend(SimAnswer& answer);

  bool counts(LifeSign sign) const;
  // How long without a sign of life; `usual` where nothing is special.
  int patience_s(int usual) const;
  int announced_timeout_s(int usual) const { return has(Quirk::D15) ? 6 : usual; }

  // Authentication: the challenges of a 401 in order, and whether an answer is taken.
  std::vector<std::string> challenges(std::string_view realm, const std::string& nonce, bool md5, bool sha256) const;
  bool accepts(const RtspText& request, std::string_view realm, const std::string& nonce,
               const Credentials& credentials) const;
  // The nonce that counts for a request. C7: another one from PLAY on, and again for signs of life.
  std::string nonce_for(const RtspText& request, const std::string& nonce) const;
  // A21, E5.
  void choose_channels(std::pair<int, int>& pair) const {
    if (has(Quirk::A21)) pair = {pair.first + 8, pair.second + 8};
  }
  bool mixes_channels() const { return has(Quirk::E5); }
  // What the camera sends behind the answer to PLAY (A15), or nothing.
  std::string request_of_its_own(std::string_view uri) const;
  // The answer to PLAY waits until pictures have come (E3 over TCP, J1 over UDP).
  bool answers_late(bool udp) const { return has(udp ? Quirk::J1 : Quirk::E3); }
  // Answers while playing go out inside a unit.
  bool answers_inside(bool udp) const { return !udp && has(Quirk::E7); }

 private:
  std::optional<SimAnswer> refuse_setup(const RtspText& request, const Context& context) const;
  std::optional<SimAnswer> refuse_life_sign(const RtspText& request, const Context& context) const;
  void bend_transport(std::string& transport);
  void bend_session(std::string& session);
  void bend_rtp_info(std::string& info) const;
  void bend_content_base(std::string& base) const;

  QuirkSet quirks_;
  uint32_t camera_ = 0;
  bool any_ = false;
  bool described_ = false;
  uint32_t sessions_said_ = 0;
  std::string last_cseq_, ssrc_;
};

}  // namespace vigie::loadgen
