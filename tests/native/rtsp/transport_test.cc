#include "rtsp/transport.h"

#include <gtest/gtest.h>

namespace vigie::rtsp {
namespace {

Transport one(std::string_view value) {
  auto list = parse_transport(value);
  EXPECT_TRUE(list.ok()) << value;
  EXPECT_TRUE(!list || list->size() == 1) << value;
  return list ? list->front() : Transport{};
}

TEST(Transport, ParsesTcp) {
  const Transport transport = one("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=0A0B0C0D;mode=\"PLAY\"");
  EXPECT_EQ(transport.profile, RtpProfile::avp);
  EXPECT_EQ(transport.lower, LowerTransport::tcp);
  EXPECT_EQ(transport.delivery, Delivery::unicast);
  EXPECT_EQ(transport.interleaved, (ChannelPair{2, 3}));
  EXPECT_EQ(transport.ssrc, 0x0A0B0C0Du);
  EXPECT_EQ(transport.mode, "PLAY");
  EXPECT_FALSE(transport.client_port.has_value());
}

TEST(Transport, ParsesUdpAndMulticast) {
  const Transport udp = one("rtp/avp/udp; Unicast; client_port=5000-5001; server_port = 6000-6001 ;source=10.0.0.5");
  EXPECT_EQ(udp.lower, LowerTransport::udp);
  EXPECT_EQ(udp.delivery, Delivery::unicast);
  EXPECT_EQ(udp.client_port, (PortPair{5000, 5001}));
  EXPECT_EQ(udp.server_port, (PortPair{6000, 6001}));
  EXPECT_EQ(udp.source, "10.0.0.5");
  const Transport multicast = one("RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=16");
  EXPECT_EQ(multicast.delivery, Delivery::multicast);
  EXPECT_EQ(multicast.destination, "239.1.2.3");
  EXPECT_EQ(multicast.port, (PortPair{5000, 5001}));
  EXPECT_EQ(multicast.ttl, 16);
  EXPECT_EQ(one("RTP/SAVP;unicast").profile, RtpProfile::savp);
  EXPECT_EQ(one("RTP/SAVPF/TCP").profile, RtpProfile::savpf);
  EXPECT_EQ(one("RTP/XYZ").profile, RtpProfile::other);
}

TEST(Transport, ToleratesWhatCamerasWrite) {
  EXPECT_EQ(one("RTP/AVP;interleaved=0").interleaved, (ChannelPair{0, 1}));  // A20
  EXPECT_EQ(one("ssrc=1;unicast, RTP/AVP;interleaved=4-5").interleaved, (ChannelPair{4, 5}));
  EXPECT_EQ(one("RTP/AVP/TCP;ssrc=12AB;interleaved=0-1;unicast").ssrc, 0x12ABu);  // A23
  EXPECT_EQ(one("RTP/AVP;source=;server_port=0-1").source, "");                   // A24
  EXPECT_EQ(one("RTP/AVP;source=;server_port=0-1").server_port, (PortPair{0, 1}));
  EXPECT_EQ(one("RTP/AVP;server_port=7000").server_port, (PortPair{7000, 7001}));
  EXPECT_FALSE(one("RTP/AVP;server_port=").server_port.has_value());
  EXPECT_FALSE(one("RTP/AVP;server_port=70000-70001").server_port.has_value());
  EXPECT_FALSE(one("RTP/AVP;interleaved=256-257").interleaved.has_value());
  EXPECT_FALSE(one("RTP/AVP;interleaved=a-b;;;=;").interleaved.has_value());
}

TEST(Transport, Ssrc) {  // A22
  struct Row {
    const char* text;
    std::optional<uint32_t> ssrc;
  };
  const Row rows[] = {{"4317f", 0x4317f},
                      {" 4317f", 0x4317f},
                      {"     D93FF", 0xD93FF},
                      {"0x1A", 0x1A},
                      {"deadBEEF", 0xdeadbeef},
                      {"3735928559", 3735928559u},
                      {"123456789", 123456789},
                      {"", {}},
                      {"xyz", {}},
                      {"123456789a", {}},
                      {"4294967296", {}}};
  for (const Row& row : rows) EXPECT_EQ(one(std::string("RTP/AVP;ssrc=") + row.text).ssrc, row.ssrc) << row.text;
}

TEST(Transport, SeveralAlternatives) {  // A25
  const auto list = parse_transport("RTP/AVP;unicast;client_port=1-2,RTP/AVP/TCP;interleaved=0-1;mode=\"PLAY,RECORD\"");
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].client_port, (PortPair{1, 2}));
  EXPECT_EQ((*list)[1].interleaved, (ChannelPair{0, 1}));
  EXPECT_EQ((*list)[1].mode, "PLAY,RECORD");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "RTP/AVP,";
  EXPECT_EQ(parse_transport(many)->size(), 16u);
  for (const char* bad : {"", "unicast", "RAW/RAW/UDP;unicast", ",,,"}) {
    ASSERT_FALSE(parse_transport(bad).ok()) << bad;
    EXPECT_EQ(parse_transport(bad).error().code, Code::rtsp_malformed);
  }
}

TEST(Transport, RoundTrip) {
  Transport full;
  full.profile = RtpProfile::avpf;
  full.lower = LowerTransport::tcp;
  full.delivery = Delivery::unicast;
  full.client_port = PortPair{5000, 5001};
  full.server_port = PortPair{6000, 6003};
  full.port = PortPair{1, 2};
  full.interleaved = ChannelPair{254, 255};
  full.ssrc = 0x00000abc;
  full.ttl = 1;
  full.source = "::1";
  full.destination = "239.0.0.1";
  full.mode = "PLAY";
  const auto back = parse_transport(format_transport(std::vector<Transport>{full, Transport{}}));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, (std::vector<Transport>{full, Transport{}}));
  EXPECT_EQ(format_transport(Transport{}), "RTP/AVP");
  full.source = "a;ssrc=1\r\nX: 1,";
  EXPECT_EQ(one(format_transport(full)).source, "assrc=1X:1");
}

TEST(Session, Parses) {
  struct Row {
    const char *text, *id;
    uint32_t timeout_s;
    bool given;
  };
  const Row rows[] = {{"12345678", "12345678", 60, false},
                      {"abc;timeout=30", "abc", 30, true},
                      {" abc ; timeout = 15 ", "abc", 15, true},  // A27
                      {"abc;Timeout=10;x=y", "abc", 10, true},
                      {"abc;timeout=", "abc", 60, false},
                      {"abc;timeout=0", "abc", 60, false},
                      {"abc;timeout=-4", "abc", 60, false},
                      {"abc;", "abc", 60, false}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    auto session = parse_session(row.text);
    ASSERT_TRUE(session.ok());
    EXPECT_EQ(session->id, row.id);
    EXPECT_EQ(session->timeout_s, row.timeout_s);
    EXPECT_EQ(session->timeout_given, row.given);
    session->blanks = false;
    EXPECT_EQ(*parse_session(format_session(*session)), *session);
  }
  for (const std::string& bad : {std::string(), std::string(";timeout=3"), std::string("a b"), std::string(257, 'x')}) {
    ASSERT_FALSE(parse_session(bad).ok());
  }
}

TEST(Range, Parses) {
  const auto ns = [](int64_t value) { return std::optional<Nanos>(Nanos(value)); };
  const auto live = parse_range("npt=0.000-");
  ASSERT_TRUE(live.ok());
  EXPECT_EQ(live->start, ns(0));
  EXPECT_FALSE(live->end.has_value());
  const auto part = parse_range(" NPT = 10.25 - 0:01:30.5;time=19970123T143720Z");
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->start, ns(10'250'000'000));
  EXPECT_EQ(part->end, ns(90'500'000'000));
  EXPECT_TRUE(parse_range("npt=now-")->now);
  EXPECT_EQ(parse_range("npt=-20")->end, ns(20'000'000'000));
  const auto clock = parse_range("clock=20260101T000000Z-");
  ASSERT_TRUE(clock.ok());
  EXPECT_EQ(clock->unit, RangeHeader::Unit::other);
  EXPECT_EQ(clock->raw, "clock=20260101T000000Z-");
  for (const char* bad : {"", "npt=x-", "npt=1:2-", "npt=1:2:3:4-", "npt=1:60:00-", "npt=1.x-", "npt=0-y",
                          "npt=99999999999-", "npt=4000000000:00:00-"}) {
    EXPECT_FALSE(parse_range(bad).ok()) << bad;
  }
  for (const char* text : {"npt=0-", "npt=now-", "npt=0-1.5", "npt=12.000000001-3600", "npt=-", "clock=x-"}) {
    EXPECT_EQ(format_range(*parse_range(text)), text);
  }
}

TEST(RtpInfoHeader, Parses) {
  using List = std::vector<RtpInfo>;
  EXPECT_EQ(parse_rtp_info("url=rtsp://h/s/t=1;seq=17;rtptime=4294967295"),
            (List{{"rtsp://h/s/t=1", uint16_t{17}, 4294967295u, {}}}));
  EXPECT_EQ(parse_rtp_info("url=rtsp://h/a,b/t=1;seq=1, url=rtsp://h/t=2;seq=2;rtptime=5"),
            (List{{"rtsp://h/a,b/t=1", uint16_t{1}, {}, {}}, {"rtsp://h/t=2", uint16_t{2}, 5u, {}}}));
  // A28, A31
  EXPECT_EQ(parse_rtp_info(" url = trackID=1 ; seq = 7 ; rtptime= 9 ; "), (List{{"trackID=1", uint16_t{7}, 9u, {}}}));
  EXPECT_EQ(parse_rtp_info("url=/s/t=1"), (List{{"/s/t=1", {}, {}, {}}}));
  EXPECT_EQ(parse_rtp_info("url=a;seq=70000;rtptime=x;ssrc=1f"), (List{{"a", {}, {}, 0x1fu}}));
  EXPECT_EQ(parse_rtp_info("url=a;ssrc=1,url=b")[0].ssrc, 1u);
  EXPECT_TRUE(parse_rtp_info("").empty());
  EXPECT_TRUE(parse_rtp_info(";;,;,").empty());
  std::string many;
  for (int i = 0; i < 100; ++i) many += "url=a,";
  EXPECT_EQ(parse_rtp_info(many).size(), 64u);
  const List streams{{"rtsp://h/1", uint16_t{1}, 2u, {}}, {"rtsp://h/2", {}, 3u, {}}};
  EXPECT_EQ(parse_rtp_info(format_rtp_info(streams)), streams);
}

TEST(Methods, Parse) {
  const MethodSet methods = parse_methods("OPTIONS,DESCRIBE, Setup  get_parameter, X-NEW, OTHER");
  EXPECT_TRUE(methods.has(Method::options));
  EXPECT_TRUE(methods.has(Method::setup));
  EXPECT_TRUE(methods.has(Method::get_parameter));
  EXPECT_FALSE(methods.has(Method::play));
  EXPECT_FALSE(methods.has(Method::other));
  EXPECT_EQ(format_methods(methods), "OPTIONS, DESCRIBE, SETUP, GET_PARAMETER");
  EXPECT_TRUE(parse_methods(" , ").empty());
  EXPECT_EQ((MethodSet{Method::play, Method::options}), parse_methods("PLAY OPTIONS"));
}

}  // namespace
}  // namespace vigie::rtsp
