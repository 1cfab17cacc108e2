#pragma once
// A supervised stream and the server it plays from, on one loop, over real sockets and a clock turned by hand.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "source/rtsp_source.h"
#include "source/supervisor.h"
#include "tiny_server.h"

namespace vigie::source::testing {

struct Observer : SourceObserver {
  void on_track(const TrackInfo&) override {}
  void on_unit(Ref<const AccessUnit> unit) override {
    ++count;
    if (keep) units.push_back(std::move(unit));
  }
  void on_state(StreamState, StreamState to, const Error* fault, std::string_view reason) override {
    states.push_back(to);
    reasons.emplace_back(reason);
    if (fault) codes.push_back(fault->code);
  }
  void on_fault(const Error& fault) override { faults.push_back(fault); }
  bool keep = true;
  size_t count = 0;
  std::vector<Ref<const AccessUnit>> units;
  std::vector<StreamState> states;
  std::vector<std::string> reasons;
  std::vector<Code> codes;
  std::vector<Error> faults;
};

// A stream that plays from a TinyServer.
class SourceTest : public ::testing::Test {
 protected:
  SourceTest() {
    net::EventLoopOptions options;
    options.clock = &clock;
    loop = net::EventLoop::make(options).value();
    StartGateOptions gate;
    gate.spread = 0ms;
    shard = std::make_unique<SourceShard>(*loop, resolver, nullptr, gate);
    server = std::make_unique<TinyServer>(*loop);
  }
  void connect(policy::StreamPolicy policy = {}) {
    policy.url = server->url();
    supervisor = std::make_unique<StreamSupervisor>(*shard, StreamKey{"town", "main"}, policy, observer);
    supervisor->start();
  }
  template <class Done>
  bool run_until(Done done) {
    for (int i = 0; i < 3000 && !done(); ++i) loop->run_once(1ms);
    return done();
  }
  bool playing() {
    return run_until([&] { return server->playing() && supervisor->state() == StreamState::waiting; });
  }
  void settle() {
    for (int i = 0; i < 20; ++i) loop->run_once(0ms);
  }
  void picture(int packets = 1) {
    server->send_picture(packets);
    clock.advance(40ms);
    settle();
  }
  void expect_strictly_increasing() {
    for (size_t i = 1; i < observer.units.size(); ++i) {
      EXPECT_GT(observer.units[i]->pts, observer.units[i - 1]->pts) << i;
    }
  }

  ManualClock clock;
  net::Resolver resolver;
  std::unique_ptr<net::EventLoop> loop;
  std::unique_ptr<SourceShard> shard;
  Observer observer;
  std::unique_ptr<TinyServer> server;
  std::unique_ptr<StreamSupervisor> supervisor;
};

}  // namespace vigie::source::testing
