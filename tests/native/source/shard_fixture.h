#pragma once
// A shard on one loop with a clock turned by hand, and an observer that keeps what a stream tells.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "source/source_shard.h"
#include "source/supervisor.h"

namespace vigie::source::testing {

struct Observer : SourceObserver {
  void on_track(const TrackInfo& track) override { tracks.push_back(track); }
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
  std::vector<TrackInfo> tracks;
  std::vector<Ref<const AccessUnit>> units;
  std::vector<StreamState> states;
  std::vector<std::string> reasons;
  std::vector<Code> codes;
  std::vector<Error> faults;
};

class ShardTest : public ::testing::Test {
 protected:
  ShardTest() {
    net::EventLoopOptions options;
    options.clock = &clock;
    loop = net::EventLoop::make(options).value();
    StartGateOptions gate;
    gate.spread = 0ms;
    shard = std::make_unique<SourceShard>(*loop, resolver, nullptr, gate);
  }
  static void expect_strictly_increasing(const std::vector<Ref<const AccessUnit>>& units) {
    for (size_t i = 1; i < units.size(); ++i) EXPECT_GT(units[i]->pts, units[i - 1]->pts) << i;
  }

  ManualClock clock;
  std::unique_ptr<net::EventLoop> loop;
  net::Resolver resolver;  // behind the loop: its threads answer there until they have ended
  std::unique_ptr<SourceShard> shard;
};

}  // namespace vigie::source::testing
