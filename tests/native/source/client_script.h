#pragma once
// Plays the device's part against the RTSP client machine: what it must say, what it is answered.
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/rtsp_client.h"

namespace vigie::source::testing {

inline constexpr std::string_view kSdp =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=cam\r\nt=0 0\r\na=control:*\r\n"
    "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:trackID=2\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:trackID=1\r\n"
    "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:trackID=3\r\n";

struct Connect {
  std::string host;
  uint16_t port;
  bool tls;
  friend bool operator==(const Connect&, const Connect&) = default;
};

class Script : public RtspClientOutput, public RtspClientEvents {
 public:
  explicit Script(RtspClientConfig config = {}) {
    if (config.where.empty()) config.where = "town/main";
    if (config.url.empty()) config.url = "rtsp://10.0.0.7/live";
    config.quirks = &quirks;
    config.dialogue = &dialogue;
    client.emplace(std::move(config), memory, *this, *this);
  }

  // --- the device's side
  // Starts and accepts the connection.
  void start() {
    client->start(now);
    open();
  }
  void open() { client->on_connected(now, "10.0.0.7:554"); }
  // The next request sent; empty when there is none.
  std::string take() {
    if (sent.empty()) return {};
    std::string text = std::move(sent.front());
    sent.pop_front();
    if (const size_t at = text.find("CSeq: "); at != std::string::npos) cseq = std::stoi(text.substr(at + 6));
    return text;
  }
  // "$" in the answer stands for the CSeq of the last request taken.
  void answer(std::string text) {
    for (size_t at; (at = text.find('$')) != std::string::npos;) text.replace(at, 1, std::to_string(cseq));
    feed(text);
  }
  void ok(const std::string& headers = "", std::string_view body = "") {
    std::string text = "RTSP/1.0 200 OK\r\nCSeq: " + std::to_string(cseq) + "\r\n" + headers;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    feed(text + "\r\n" + std::string(body));
  }
  void status(int code, const std::string& headers = "") {
    feed("RTSP/1.0 " + std::to_string(code) + " No\r\nCSeq: " + std::to_string(cseq) + "\r\n" + headers + "\r\n");
  }
  void feed(std::string_view bytes) {
    unread += bytes;
    const size_t taken = client->on_bytes(as_bytes(unread), {now, WallTime{}});
    unread.erase(0, taken);
  }
  void frame(uint8_t channel, std::string_view payload) {
    std::string text = {'$', static_cast<char>(channel), static_cast<char>(payload.size() >> 8),
                        static_cast<char>(payload.size())};
    feed(text + std::string(payload));
  }
  void closed() { client->on_closed(now, make_error(Code::connection_lost, {}, "closed by the device")); }
  void advance(Nanos by) {
    const MonoTime end = now + by;
    while (timer && *timer <= end) {
      now = std::max(now, *timer);
      timer.reset();
      client->on_timer(now);
    }
    now = end;
  }
  // The usual dialogue up to PLAY's answer, checked line by line.
  void play(const std::string& publics = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER",
            const std::string& session = "Session: 77;timeout=60\r\n") {
    start();
    expect("OPTIONS rtsp://10.0.0.7/live RTSP/1.0\r\n");
    ok("Public: " + publics + "\r\n");
    expect("DESCRIBE rtsp://10.0.0.7/live RTSP/1.0\r\n");
    ok("Content-Type: application/sdp\r\n", kSdp);
    const std::string setup = expect("SETUP rtsp://10.0.0.7/live/trackID=1 RTSP/1.0\r\n");
    if (setup.find("RTP/AVP/TCP") != std::string::npos) {
      ok(session + "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    } else {
      ok(session + "Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=7000-7001\r\n");
    }
    expect("PLAY rtsp://10.0.0.7/live RTSP/1.0\r\n");
    ok(session);
    EXPECT_EQ(client->phase(), RtspClient::Phase::playing);
  }
  // The next request must begin so; returns all of it.
  std::string expect(std::string_view beginning) {
    std::string text = take();
    EXPECT_TRUE(text.starts_with(beginning)) << "expected " << beginning << "\nsent     " << text;
    return text;
  }

  // --- RtspClientOutput
  void connect_tunnel(const rtsp::Url& url, uint16_t port, const rtsp::ClientAuth& auth) override {
    tunnels.push_back(auth);
    connect(url.host, port, url.tls);
  }
  void connect(const std::string& host, uint16_t port, bool tls) override {
    connects.push_back({host, port, tls});
    unread.clear();
  }
  void send(ByteSpan bytes) override {
    if (!bytes.empty() && bytes[0] == '$') {
      frames.emplace_back(as_text(bytes));
    } else {
      sent.emplace_back(as_text(bytes));
      everything_sent += as_text(bytes);
    }
  }
  void close() override { ++closes; }
  void set_timer(std::optional<MonoTime> when) override { timer = when; }
  Result<rtsp::PortPair> open_udp() override { return rtsp::PortPair{5000, 5001}; }
  void aim_udp(std::string_view source, rtsp::PortPair ports, ByteSpan rtp_punch, ByteSpan rtcp_punch) override {
    udp_source = source;
    udp_ports = ports;
    punches.emplace_back(as_text(rtp_punch));
    punches.emplace_back(as_text(rtcp_punch));
  }
  Status join_group(const rtsp::MediaAddress& group, std::string_view source) override {
    joined = group;
    udp_source = source;
    return join_result;
  }
  void send_udp_rtcp(ByteSpan bytes) override { udp_reports.emplace_back(as_text(bytes)); }
  void close_udp() override {}
  std::string make_cnonce() override { return "00112233445566778899aabb"; }

  // --- RtspClientEvents
  Status on_client_track(const RtpTrack& t, RtpPath, std::string_view) override {
    track = t;
    return {};
  }
  Status on_client_keys(const SrtpKeys* given) override {
    keys.reset();
    if (given) keys = *given;
    return {};
  }
  void on_client_playing(bool tcp) override { played_over_tcp = tcp; }
  void on_client_restarting(std::string_view reason) override { restarts.emplace_back(reason); }
  void on_client_rtp(ByteSpan packet, const rtp::Arrival&) override { rtp.emplace_back(as_text(packet)); }
  void on_client_rtcp(ByteSpan packet, const rtp::Arrival&) override { rtcp.emplace_back(as_text(packet)); }
  void on_client_stray(const StrayBytes& stray, const rtp::Arrival&) override { strays.push_back(stray); }
  ByteSpan on_client_wants_report(std::span<uint8_t> out, MonoTime) override {
    rtp::RtcpWriter writer(out);
    writer.receiver_report(0x11223344);
    writer.sdes_cname(0x11223344, "us");
    return writer.bytes();
  }
  void on_client_fault(const Error& fault) override { faults.push_back(fault); }
  void on_client_ended(const Error& reason) override {
    EXPECT_FALSE(ended) << "ended twice";
    ended = reason;
  }

  MonoTime now{1000s};
  RtspMemory memory;
  Quirks quirks;
  Dialogue dialogue;
  std::optional<RtspClient> client;
  std::optional<MonoTime> timer;
  int cseq = 0;
  std::string unread;
  std::deque<std::string> sent;
  std::string everything_sent;
  std::vector<std::string> frames, rtp, rtcp, punches, udp_reports, restarts;
  std::vector<Connect> connects;
  std::vector<rtsp::ClientAuth> tunnels;  // what HTTP was given to answer with
  std::vector<StrayBytes> strays;
  std::vector<Error> faults;
  std::string udp_source;
  rtsp::PortPair udp_ports;
  std::optional<rtsp::MediaAddress> joined;
  Status join_result;
  std::optional<bool> played_over_tcp;
  std::optional<RtpTrack> track;
  std::optional<SrtpKeys> keys;
  std::optional<Error> ended;
  int closes = 0;
};

}  // namespace vigie::source::testing
