#pragma once
// A supervised stream and the server it plays from, on one loop, over real sockets and a clock turned by hand.
#include <gtest/gtest.h>

#include <memory>

#include "shard_fixture.h"
#include "source/rtsp_source.h"
#include "tiny_server.h"

namespace vigie::source::testing {

// A stream that plays from a TinyServer.
class SourceTest : public ShardTest {
 protected:
  SourceTest() { server = std::make_unique<TinyServer>(*loop); }
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
  Observer observer;
  std::unique_ptr<TinyServer> server;
  std::unique_ptr<StreamSupervisor> supervisor;
};

}  // namespace vigie::source::testing
