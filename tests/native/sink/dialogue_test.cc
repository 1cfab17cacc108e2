// What the server answers to what, and in which order.
#include <algorithm>
#include <vector>

#include "sink_support.h"

namespace vigie::sink {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Dialogue = SinkTest;

TEST_F(Dialogue, WholeLife) {
  open_server();
  publish(3);
  Client viewer = client();
  auto options = viewer.request("OPTIONS", "*");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->status, 200);
  EXPECT_EQ(options->headers.get("Public"),
            "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER");

  auto describe = viewer.request("DESCRIBE", url("/cam"), "Accept: application/sdp\r\n");
  ASSERT_TRUE(describe);
  EXPECT_EQ(describe->status, 200);
  EXPECT_EQ(describe->headers.get("Content-Base"), url("/cam/"));
  EXPECT_EQ(describe->headers.get("Content-Type"), "application/sdp");
  for (const char* line : {"m=video 0 RTP/AVP 96\r\n", "a=rtpmap:96 H264/90000\r\n", "packetization-mode=1",
                           "profile-level-id=42C01E", "sprop-parameter-sets=", "a=control:trackID=0\r\n",
                           "a=range:npt=now-\r\n", "a=framerate:25", "a=x-dimensions:1280,720\r\n"}) {
    EXPECT_THAT(describe->body, HasSubstr(line));
  }

  auto setup = viewer.request("SETUP", url("/cam/trackID=0"), "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n");
  ASSERT_TRUE(setup);
  EXPECT_EQ(setup->status, 200);
  EXPECT_EQ(provider_.requests.size(), 1u) << "SETUP uses what DESCRIBE has opened";
  EXPECT_EQ(field(setup->headers.get("Transport"), "interleaved"), "4-5");
  EXPECT_EQ(field(setup->headers.get("Session"), "timeout"), "60");
  EXPECT_GE(viewer.session.size(), 16u);
  EXPECT_EQ(provider_.holds, 1);

  auto play = viewer.request("PLAY", url("/cam/"), "Range: npt=0.000-\r\n");
  ASSERT_TRUE(play);
  EXPECT_EQ(play->status, 200);
  EXPECT_EQ(play->headers.get("Range"), "npt=0.000-");
  EXPECT_EQ(field(play->headers.get("RTP-Info"), "url"), url("/cam/trackID=0"));
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer, 4);
  ASSERT_EQ(reader.units.size(), 3u);
  EXPECT_EQ(field(play->headers.get("RTP-Info"), "seq"), std::to_string(*reader.first_sequence));
  EXPECT_EQ(field(play->headers.get("RTP-Info"), "rtptime"), std::to_string(reader.timestamps[0]));

  auto teardown = viewer.request("TEARDOWN", url("/cam/"));
  ASSERT_TRUE(teardown);
  EXPECT_EQ(teardown->status, 200);
  turn();
  EXPECT_EQ(provider_.holds, 0);
  EXPECT_EQ(server_->counters().sessions_open, 0u);
  ASSERT_EQ(viewer.frames.back().first, 5) << "the BYE";
  const size_t before = viewer.frames.size();
  publish(2);
  turn();
  EXPECT_TRUE(viewer.receive()) << "the connection stays";
  EXPECT_EQ(viewer.frames.size(), before);
  EXPECT_EQ(provider_.told(EventKind::viewer_opened).size(), 1u);
  ASSERT_EQ(provider_.told(EventKind::viewer_closed).size(), 1u);
  EXPECT_THAT(provider_.told(EventKind::viewer_closed)[0], HasSubstr("the viewer left; units=3 dropped=0"));
  EXPECT_THAT(provider_.told(EventKind::viewer_closed)[0], HasSubstr("first_unit=2027-01-15T"));
  // And a second life on the same connection.
  viewer.session.clear();
  auto again = viewer.play_tcp(url("/cam"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status, 200);
}

struct StatusRow {
  const char* name;
  const char* method;
  const char* path;
  const char* headers;
  int status;
};
class Statuses : public SinkTest, public testing::WithParamInterface<StatusRow> {};

TEST_P(Statuses, WithoutSession) {
  open_server();
  publish(1);
  Client viewer = client();
  const StatusRow& row = GetParam();
  auto answer = viewer.request(row.method, row.path[0] == '/' ? url(row.path) : row.path, row.headers);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, row.status);
  auto next = viewer.request("OPTIONS", "*");
  ASSERT_TRUE(next) << "the connection goes on";
  EXPECT_EQ(next->status, 200);
}

constexpr const char* kTcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
INSTANTIATE_TEST_SUITE_P(
    Rows, Statuses,
    testing::Values(
        StatusRow{"unknown_camera", "DESCRIBE", "/nowhere", "", 404},
        StatusRow{"unknown_track", "SETUP", "/cam/trackID=1", kTcp, 404},
        StatusRow{"unknown_start", "DESCRIBE", "/cam?start=later", "", 404},
        StatusRow{"broken_escape", "DESCRIBE", "/ca%6", "", 404}, StatusRow{"escaped", "DESCRIBE", "/%63am", "", 200},
        StatusRow{"slash", "DESCRIBE", "/cam/", "", 200}, StatusRow{"foreign_option", "DESCRIBE", "/cam?x=1", "", 200},
        StatusRow{"accept", "DESCRIBE", "/cam", "Accept: text/html\r\n", 406},
        StatusRow{"require", "DESCRIBE", "/cam", "Require: onvif-replay\r\n", 551},
        StatusRow{"setup_first", "SETUP", "/cam/trackID=0", kTcp, 200},
        StatusRow{"setup_aggregate", "SETUP", "/cam", kTcp, 200},
        StatusRow{"setup_query", "SETUP", "/cam?start=next-key/trackID=0", kTcp, 200},
        StatusRow{"no_channels", "SETUP", "/cam", "Transport: RTP/AVP/TCP;unicast\r\n", 200},
        StatusRow{"second_choice", "SETUP", "/cam",
                  "Transport: RTP/SAVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast\r\n", 200},
        StatusRow{"no_transport", "SETUP", "/cam", "", 461},
        StatusRow{"multicast", "SETUP", "/cam", "Transport: RTP/AVP;multicast;port=5000-5001\r\n", 461},
        StatusRow{"srtp", "SETUP", "/cam", "Transport: RTP/SAVP/TCP;unicast;interleaved=0-1\r\n", 461},
        StatusRow{"no_ports", "SETUP", "/cam", "Transport: RTP/AVP;unicast\r\n", 461},
        StatusRow{"same_channel", "SETUP", "/cam", "Transport: RTP/AVP/TCP;unicast;interleaved=3-3\r\n", 461},
        StatusRow{"recording", "SETUP", "/cam", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n", 461},
        StatusRow{"play", "PLAY", "/cam", "", 455}, StatusRow{"pause", "PAUSE", "/cam", "", 455},
        StatusRow{"teardown", "TEARDOWN", "/cam", "", 455},
        StatusRow{"stranger", "PLAY", "/cam", "Session: 0123456789abcdef0123456700\r\n", 454},
        StatusRow{"stranger_elsewhere", "PLAY", "/cam", "Session: 0123456789abcdef012345677f\r\n", 454},
        StatusRow{"ping", "GET_PARAMETER", "/cam", "", 200}, StatusRow{"announce", "ANNOUNCE", "/cam", "", 405},
        StatusRow{"record", "RECORD", "/cam", "", 405}, StatusRow{"unknown", "FROBNICATE", "/cam", "", 501}),
    [](const auto& row) { return row.param.name; });

TEST_F(Dialogue, OneSessionAConnection) {
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  EXPECT_EQ(viewer.request("SETUP", url("/cam/trackID=0"), kTcp)->status, 459);
  viewer.session.clear();
  EXPECT_EQ(viewer.request("SETUP", url("/cam/trackID=0"), kTcp)->status, 455);
  EXPECT_EQ(viewer.request("GET_PARAMETER", url("/cam"))->status, 200) << "the session may be left out";
}

TEST_F(Dialogue, ParametersAreNotUnderstood) {
  open_server();
  publish(1);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  EXPECT_EQ(viewer.request("GET_PARAMETER", url("/cam"))->status, 200);
  EXPECT_EQ(viewer.request("SET_PARAMETER", url("/cam"))->status, 200);
  viewer.send("GET_PARAMETER " + url("/cam") + " RTSP/1.0\r\nCSeq: 90\r\nSession: " + viewer.session +
              "\r\nContent-Length: 8\r\n\r\njitter\r\n");
  EXPECT_EQ(viewer.response()->status, 451);
}

TEST_F(Dialogue, PipelinedRequestsKeepTheirOrderWhileDescribeWaits) {
  open_server();
  publish(1);
  provider_.streams["/cam"].late = true;
  Client viewer = client();
  viewer.send("DESCRIBE " + url("/cam") + " RTSP/1.0\r\nCSeq: 1\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n" +
              "SETUP " + url("/cam/trackID=0") + " RTSP/1.0\r\nCSeq: 3\r\n" + kTcp + "\r\nOPTIONS * RTS");
  turn(20);
  EXPECT_TRUE(viewer.receive());
  ASSERT_EQ(provider_.pending.size(), 1u);
  EXPECT_EQ(viewer.raw_bytes, 0u) << "nothing overtakes the DESCRIBE";
  viewer.send("P/1.0\r\nCSeq: 4\r\n\r\n");
  turn(20);
  provider_.answer_late();
  std::vector<uint32_t> order;
  std::vector<int> statuses;
  for (int i = 0; i < 4; ++i) {
    auto answer = viewer.response();
    ASSERT_TRUE(answer);
    order.push_back(*answer->cseq());
    statuses.push_back(answer->status);
  }
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(statuses, ElementsAre(200, 200, 200, 200));
}

TEST_F(Dialogue, AnAnswerAfterTheViewerHasGone) {
  open_server();
  provider_.streams["/cam"].late = true;
  {
    Client viewer = client();
    viewer.send("DESCRIBE " + url("/cam") + " RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    ASSERT_TRUE(until([&] { return provider_.pending.size() == 1; }));
  }
  ASSERT_TRUE(until([&] { return server_->counters().connections_open == 0; }));
  provider_.answer_late();
  turn();
  EXPECT_EQ(provider_.holds, 0);
}

struct RefusalRow {
  const char* name;
  Error error;
  int status;
  const char* reason;
};
class Refusals : public SinkTest, public testing::WithParamInterface<RefusalRow> {};

TEST_P(Refusals, SayWhy) {
  open_server();
  const RefusalRow& row = GetParam();
  provider_.streams["/cam"].refusal = row.error;
  for (const char* method : {"DESCRIBE", "SETUP"}) {
    Client viewer = client();
    auto answer = viewer.request(method, url("/cam"), kTcp);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, row.status);
    EXPECT_THAT(answer->reason, HasSubstr(row.reason));
    EXPECT_THAT(answer->body, HasSubstr(row.error.what));
    EXPECT_EQ(answer->headers.has("Retry-After"), row.status == 503);
  }
  EXPECT_EQ(provider_.told(EventKind::viewer_refused).size(), 2u);
  EXPECT_EQ(server_->counters().sessions_open, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Refusals,
    testing::Values(RefusalRow{"withheld", make_error(Code::withheld, "cam", "nobody has decided yet"), 403,
                               "withheld, nobody has decided yet"},
                    RefusalRow{"right", make_error(Code::not_authorized, "cam", "no right"), 403, "Forbidden"},
                    RefusalRow{"unknown", make_error(Code::not_found, "cam", "no such camera"), 404, "Not Found"},
                    RefusalRow{"full", make_error(Code::admission_refused, "cam", "full"), 453, "Bandwidth"},
                    RefusalRow{"dark", make_error(Code::no_first_picture, "cam", "no picture yet"), 503, "Unavailable"},
                    RefusalRow{"silent", make_error(Code::silent, "cam", "sends nothing"), 503, "Unavailable"}),
    [](const auto& row) { return row.param.name; });

TEST_F(Dialogue, PauseAndPlayAgain) {
  open_server();
  publish(5);
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  turn();
  viewer.receive();
  EXPECT_EQ(viewer.request("PAUSE", url("/cam"))->status, 200);
  const size_t before = viewer.frames.size();
  publish(30);
  viewer.receive();
  EXPECT_EQ(viewer.frames.size(), before);
  auto play = viewer.request("PLAY", url("/cam"));
  ASSERT_TRUE(play);
  publish(1);
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer);
  EXPECT_EQ(reader.lost, 0u);
  ASSERT_EQ(reader.units.size(), 5u + 10u + 1u) << "from the keyframe, number 26";
  EXPECT_TRUE(reader.units[5]->keyframe);
  for (size_t i = 1; i < reader.timestamps.size(); ++i) {
    EXPECT_GT(static_cast<int32_t>(reader.timestamps[i] - reader.timestamps[i - 1]), 0) << i;
  }
  EXPECT_EQ(only_viewer().units_dropped[static_cast<size_t>(DropReason::paused)], 20u);
}

// I P B B, paused and played on at once: nothing is shown twice, nor before what was shown already.
TEST_F(Dialogue, PlayingOnKeepsTheOrderOfPresentation) {
  open_server();
  uint64_t number = 0;
  const auto publish_group = [&] {
    for (const int64_t place : {3, 1, 2}) {
      clock_.advance(40ms);
      UnitSpec spec;
      spec.keyframe = number % 24 == 0;
      spec.pts = static_cast<int64_t>(number) * 3600;
      spec.presentation_offset = (static_cast<int64_t>(number / 3 * 3) + place) * 3600 - spec.pts;
      spec.number = ++number;
      spec.arrival = clock_.now_mono();
      hub_->publish(make_unit(spec));
      turn(1);
    }
  };
  for (int i = 0; i < 10; ++i) publish_group();
  Client viewer = client();
  ASSERT_EQ(viewer.play_tcp(url("/cam"))->status, 200);
  turn();
  viewer.receive();
  UnitReader reader;
  reader.read(viewer);
  ASSERT_FALSE(reader.units.empty());
  ASSERT_EQ(viewer.request("PAUSE", url("/cam"))->status, 200);
  ASSERT_EQ(viewer.request("PLAY", url("/cam"))->status, 200);
  for (int i = 0; i < 10; ++i) publish_group();
  viewer.receive();
  const size_t before = reader.units.size();
  reader.read(viewer);
  ASSERT_GT(reader.units.size(), before + 6);
  EXPECT_TRUE(reader.units[before]->keyframe);
  const uint32_t shown = *std::max_element(reader.timestamps.begin(), reader.timestamps.begin() + before);
  std::vector<uint32_t> later;
  for (size_t i = before; i < reader.timestamps.size(); ++i) later.push_back(reader.timestamps[i] - shown);
  for (size_t i = 0; i + 3 <= later.size(); i += 3) {
    EXPECT_GT(static_cast<int32_t>(later[i + 1]), 0) << i;
    EXPECT_EQ(later[i + 2] - later[i + 1], 3600u) << "B and B";
    EXPECT_EQ(later[i] - later[i + 2], 3600u) << "and the picture they wait for";
  }
}

}  // namespace
}  // namespace vigie::sink
