// Each emulated quirk shows on the wire, and shows alone. Every one of them has a camera of its own; each conversation is
// inspected for all of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "loadgen/sim_quirks.h"
#include "loadgen/sim_quirks_text.h"
#include "quirk_signs.h"

namespace vigie::loadgen {
namespace {

// What only a request of its own kind shows.
const std::set<Quirk> kAsked{A9, A13, A16, A17, A18, C5, D6, D10, D13};
// What does not show over TCP, or only with time.
const std::set<Quirk> kElsewhere{A24, J1, J2, J4, D4, D5, D8};
// One that shows where another is emulated, because it is the same on the wire.
const std::set<std::pair<Quirk, Quirk>> kSame{{G8, B16}, {B11, B16}, {I2, A30}, {F4, I5}, {G1, F1}};

QuirkSet only(Quirk quirk) {
  QuirkSet set;
  set.insert(quirk);
  return set;
}

std::vector<QuirkSet> one_each() {
  std::vector<QuirkSet> sets(1);  // camera 0 has none
  for (const Emulation& each : emulations()) sets.push_back(only(each.quirk));
  return sets;
}

TEST(Quirks, EachShowsOnTheWireAndAlone) {
  WireServer server(one_each());
  std::vector<Wire> wires(emulations().size() + 1);
  std::atomic<size_t> next = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      for (size_t camera = next++; camera < wires.size(); camera = next++) {
        const bool slow = camera > 0 && (emulations()[camera - 1].quirk == I7 || emulations()[camera - 1].quirk == D14);
        wires[camera] = converse(server.port(), camera, slow ? 1 : 800);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (size_t camera = 0; camera < wires.size(); ++camera) {
    const bool none = camera == 0;
    const Quirk own = none ? A1 : emulations()[camera - 1].quirk;
    const std::string name = none ? "none" : std::string(emulations()[camera - 1].id);
    EXPECT_EQ(status_of(wires[camera].play), 200) << name;
    EXPECT_TRUE(own == D14 || !wires[camera].rtp.empty()) << name;
    for (const Sign& sign : signs()) {
      const bool expected = !none && (sign.quirk == own || kSame.count({own, sign.quirk}));
      EXPECT_EQ(sign.shows(wires[camera]), expected)
          << "camera with " << name << ", sign of " << quirk_facts(sign.quirk).id << "\n"
          << wires[camera].sdp.substr(0, 600) << wires[camera].setup << wires[camera].play;
    }
  }
  std::set<Quirk> tested(kAsked);
  tested.insert(kElsewhere.begin(), kElsewhere.end());
  for (const Sign& sign : signs()) tested.insert(sign.quirk);
  for (const Emulation& each : emulations()) EXPECT_TRUE(tested.count(each.quirk) || each.quirk == G8) << each.id;
}

// What may stand beside D14 must not need pictures.
TEST(Quirks, AnswerPlayWithoutPictures) {
  std::vector<QuirkSet> sets;
  for (const Emulation& each : emulations()) {
    if (each.quirk == D14 || exclude(D14, each.quirk)) continue;
    sets.push_back(only(each.quirk));
    sets.back().insert(D14);
  }
  WireServer server(sets);
  for (size_t camera = 0; camera < sets.size(); ++camera) {
    EXPECT_EQ(status_of(converse(server.port(), camera, 0).play), 200) << ids_text(sets[camera]);
  }
}

// The units' stamps say that nothing is missing, whatever the quirk.
TEST(Quirks, LoseNoUnits) {
  const auto all = one_each();
  WireServer server(all);
  for (const Quirk quirk : {E1, E2, E6, E7, F9, F10, F11, G1, G2, G4, G11}) {
    const auto at = std::find(all.begin(), all.end(), only(quirk)) - all.begin();
    const Wire wire = converse(server.port(), static_cast<size_t>(at), 400);
    uint64_t last = 0;
    size_t units = 0;
    for (const RtpFacts& p : wire.rtp) {
      const auto stamp = find_stamp(as_bytes(p.payload));
      if (!stamp) continue;
      EXPECT_TRUE(last == 0 || stamp->unit == last + 1) << quirk_facts(quirk).id;
      last = stamp->unit;
      ++units;
    }
    EXPECT_GT(units, 30u) << quirk_facts(quirk).id;
  }
}

TEST(Quirks, RefuseWhatTheDeviceWouldRefuse) {
  const auto all = one_each();
  WireServer server(all);
  struct Probe {
    Quirk quirk;
    std::function<int(WireClient&, const std::string&)> ask;  // returns the status
    int usual, refused;
  };
  const std::string tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
  const auto set_up = [&](WireClient& client, const std::string& uri) {
    client.call("DESCRIBE", uri);
    return status_of(client.call("SETUP", uri + "/trackID=0", tcp + "\r\n"));
  };
  const std::vector<Probe> probes{
      {A9, [](WireClient& c, const std::string& u) { return status_of(c.call("OPTIONS", u, "", true, "cseq")); }, 200,
       0},
      {A13, [](WireClient& c, const std::string& u) { return status_of(c.call("OPTIONS", u, "", false)); }, 200, 401},
      {A16,
       [&](WireClient& c, const std::string& u) { return status_of(c.call("SETUP", u + "/trackID=0", tcp + "\r\n")); },
       200, 454},
      {A17,
       [&](WireClient& c, const std::string& u) {
         c.call("DESCRIBE", u);
         return status_of(c.call("SETUP", u + "/trackID=0", tcp + ";mode=play\r\n"));
       },
       200, 400},
      {A18,
       [&](WireClient& c, const std::string& u) {
         set_up(c, u);
         return status_of(c.call("PLAY", u));
       },
       200, 400},
      {C5,
       [](WireClient& c, const std::string& u) {
         c.digest_uri = "/";
         return status_of(c.call("DESCRIBE", u));
       },
       200, 401},
      {D6,
       [&](WireClient& c, const std::string& u) {
         set_up(c, u);
         return status_of(c.call("GET_PARAMETER", u + "/trackID=0"));
       },
       200, 404},
      {D10, [](WireClient& c, const std::string& u) { return status_of(c.call("TEARDOWN", u)); }, 200, 500},
      {D13,
       [&](WireClient& c, const std::string& u) {
         WireClient first(server.port());
         set_up(first, u);
         first.call("PLAY", u, "Range: npt=0-\r\n");
         return set_up(c, u);
       },
       200, 453},
      {J4,
       [](WireClient& c, const std::string& u) {
         c.call("DESCRIBE", u);
         return status_of(c.call("SETUP", u + "/trackID=0", "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n"));
       },
       200, 461},
  };
  for (const Probe& probe : probes) {
    const auto at = static_cast<size_t>(std::find(all.begin(), all.end(), only(probe.quirk)) - all.begin());
    WireClient plain(server.port()), own(server.port());
    EXPECT_EQ(probe.ask(plain, plain.url(0)), probe.usual) << quirk_facts(probe.quirk).id;
    EXPECT_EQ(probe.ask(own, own.url(at)), probe.refused) << quirk_facts(probe.quirk).id;
  }
}

TEST(Quirks, UdpAnswersAndOrder) {
  const auto all = one_each();
  WireServer server(all);
  Fd media(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(media.get(), reinterpret_cast<sockaddr*>(&local), sizeof local), 0);
  socklen_t size = sizeof local;
  ::getsockname(media.get(), reinterpret_cast<sockaddr*>(&local), &size);
  const std::string port = std::to_string(ntohs(local.sin_port));
  const auto set_up = [&](WireClient& client, Quirk quirk) {
    const auto at = static_cast<size_t>(std::find(all.begin(), all.end(), only(quirk)) - all.begin());
    const std::string uri = client.url(quirk == A1 ? 0 : at);
    client.call("DESCRIBE", uri);
    const std::string answer = client.call("SETUP", uri + "/trackID=0",
                                           "Transport: RTP/AVP;unicast;client_port=" + port + "-" + port + "\r\n");
    return found_in(answer, "Transport: *([^\r\n]*)");
  };
  WireClient plain(server.port()), a24(server.port()), j2(server.port()), j1(server.port());
  EXPECT_NE(found_in(set_up(plain, A1), "(;server_port=[0-9]+-[0-9]+;ssrc)"), "");  // A1 stands for the camera without
  EXPECT_THAT(set_up(a24, A24), HasSubstr(";source=;server_port=0"));
  EXPECT_THAT(set_up(j2, J2), HasSubstr(";server_port=6970-6971"));
  set_up(j1, J1);
  const std::string uri = j1.url(static_cast<size_t>(std::find(all.begin(), all.end(), only(J1)) - all.begin()));
  EXPECT_EQ(status_of(j1.call("PLAY", uri, "Range: npt=0-\r\n")), 200);
  uint8_t buffer[2048];
  EXPECT_GT(::recv(media.get(), buffer, sizeof buffer, MSG_DONTWAIT), 12) << "the first unit came before the answer";
}

TEST(Quirks, SignsOfLife) {
  const auto text = [](Quirk quirk, uint32_t camera = 0) {
    QuirkedText made;
    made.wear(only(quirk), camera);
    return made;
  };
  using enum LifeSign;
  EXPECT_TRUE(text(A1).counts(options) && text(A1).counts(rtcp));
  EXPECT_EQ(text(A1).patience_s(65), 65);
  EXPECT_EQ(text(D8).patience_s(65), 7);
  EXPECT_EQ(text(D15).patience_s(65), 7);
  EXPECT_TRUE(text(D4).counts(get_parameter));
  EXPECT_FALSE(text(D4).counts(options) || text(D4).counts(rtcp));
  EXPECT_TRUE(text(D5).counts(rtcp));
  EXPECT_FALSE(text(D5).counts(options));
  EXPECT_FALSE(text(D5, 1).counts(rtcp));
  EXPECT_TRUE(text(D5, 1).counts(get_parameter));
}

TEST(Quirks, CombineInOneDescription) {
  const std::string sdp =
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
      "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0I=,aMI=\r\n"
      "a=control:rtsp://127.0.0.1:99/cam000/trackID=0\r\n";
  const auto bent = [&](const std::vector<Quirk>& quirks) {
    QuirkSet set;
    for (const Quirk quirk : quirks) set.insert(quirk);
    return bend_sdp(sdp, set, 0);
  };
  EXPECT_EQ(bent({}), sdp);
  EXPECT_THAT(bent({A1, A6}), HasSubstr("a=control:rtsp://192.0.2.7:554/cam000/trackID=0\r\n"));
  EXPECT_THAT(bent({A1, A4}), HasSubstr("a=control:/trackID=0\r\n"));
  EXPECT_THAT(bent({B12, B13}), HasSubstr("a=rtpmap:96 H264 \r\n"));
  EXPECT_THAT(bent({B10, B22, B17}), HasSubstr("m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:trackID=2\r\n"
                                               "a=fmtp:96 packetization-mode=0;sprop-parameter-sets=\r\n"));
  EXPECT_THAT(bent({B7, B8}), HasSubstr("\n\nm=meta 0 RTP/AVP 107\n"));
}

TEST(QuirkPlan, TheLaterWins) {
  QuirkPlan plan;
  ASSERT_TRUE(plan.add("A1,F1").ok());
  ASSERT_TRUE(plan.add("cam003:A2,G4").ok());
  EXPECT_EQ(ids_text(plan.of(0, Codec::h264, false)), "A1,F1");
  EXPECT_EQ(ids_text(plan.of(3, Codec::h264, false)), "A2,F1,G4");
}

TEST(QuirkPlan, DrawsTheSameForTheSameSeed) {
  QuirkPlan a, b, c;
  a.add_random(4, 7);
  b.add_random(4, 7);
  c.add_random(4, 8);
  std::set<std::string> seen;
  bool other = false;
  for (uint32_t camera = 0; camera < 200; ++camera) {
    for (const Codec codec : {Codec::h264, Codec::h265, Codec::mjpeg}) {
      const QuirkSet quirks = a.of(camera, codec, false);
      EXPECT_EQ(quirks, b.of(camera, codec, false));
      other |= quirks != c.of(camera, codec, false);
      EXPECT_EQ(quirks.size(), 4u);
      for (const Quirk quirk : quirks.list()) {
        EXPECT_TRUE(shows(quirk, codec) && !needs_credentials(quirk));
        for (const Quirk second : quirks.list()) EXPECT_FALSE(exclude(quirk, second));
      }
      seen.insert(ids_text(quirks));
    }
  }
  EXPECT_TRUE(other);
  EXPECT_GT(seen.size(), 400u);
}

TEST(QuirkPlan, NamesWhatWouldBeRight) {
  QuirkPlan plan;
  EXPECT_THAT(plan.add("A99").error().text(), HasSubstr("is not known; nearest are A34"));
  EXPECT_THAT(plan.add("C4").error().text(), HasSubstr("is known, but no simulated camera shows it; nearest are C"));
  EXPECT_THAT(plan.add("a4").error().text(), HasSubstr("nearest are A4"));
  EXPECT_THAT(plan.add("door:A4").error().text(), HasSubstr("cam003"));
  EXPECT_THAT(plan.add("A1,,A4").error().text(), HasSubstr("not known"));
}

TEST(ClipStore, RefusesWhatNoClipCanShow) {
  SyntheticOptions options;
  std::vector<Clip> clips;
  clips.push_back(make_synthetic_clip(options));
  ClipStore files(std::move(clips), std::nullopt);
  EXPECT_TRUE(files.clip_for(0, only(G5)).ok());
  EXPECT_THAT(files.clip_for(0, only(B21)).error().text(), HasSubstr("B21"));
  EXPECT_THAT(files.clip_for(0, only(G15)).error().text(), HasSubstr("generated content"));
}

}  // namespace
}  // namespace vigie::loadgen
