#pragma once
// One published form of a stream: its gate, its hub, and who waits for it or takes from it. A stream has one of its own
// and one for each version with further masks ("camera@version").
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fanout/hub.h"
#include "mask/privacy_decision.h"
#include "mask/publish_gate.h"
#include "media/track.h"
#include "net/event_loop.h"
#include "runtime/frame_queue.h"
#include "runtime/rate_meter.h"

namespace vigie::runtime {

// Ownership: by its pipeline, and by whoever takes from it; after its pipeline closed it, it answers "removed".
// Thread: home shard, except what says otherwise.
class Outlet {
 public:
  // `id`: of this form in the stream's lane.
  Outlet(StreamKey key, uint32_t id, net::EventLoop& loop, std::shared_ptr<fanout::Hub> hub)
      : key_(std::move(key)), id_(id), loop_(loop), hub_(std::move(hub)) {}

  // Thread: any.
  const StreamKey& key() const { return key_; }
  uint32_t id() const { return id_; }
  const std::shared_ptr<fanout::Hub>& hub() const { return hub_; }

  // Takes the policy's decision. True when pictures of the former one must leave the log.
  bool decide(std::shared_ptr<const mask::PrivacyDecision> decision);
  const std::shared_ptr<const mask::PrivacyDecision>& decision() const { return decision_; }
  mask::PublishGate& gate() { return gate_; }
  const mask::PublishGate& gate() const { return gate_; }
  // ok when the policy's decision lets pictures out; else withheld, and why.
  Status may_publish() const;
  // No: pictures are passed on as they come, and nothing is decoded for viewers.
  bool needs_lane() const { return gate_.state() == PrivacyState::masked || gate_.state() == PrivacyState::covered; }

  // Coded pictures of a lane, now or a moment ago.
  bool wants_lane_units() const { return needs_lane() && (holds > 0 || linger_timer); }

  void publish(PublishedUnit unit);
  void publish(const PublishedFrame& frame);
  // Ends it: viewers are cut and waiters answered with `reason`.
  void close(const Error& reason);
  bool closed() const { return closed_; }

  // What viewers are told to expect; of a masked form it is the lane's.
  void set_track(const TrackInfo& track);
  const std::optional<TrackInfo>& track() const { return track_; }
  // Calls `ready` once: with the track when answer() says so, with `late` after `timeout`. Maybe from inside this call.
  using TrackReady = std::function<void(Result<TrackInfo>)>;
  void wait_for_track(Nanos timeout, std::function<Error()> late, TrackReady ready);
  void answer(const Result<TrackInfo>& answer);

  // Who wants coded pictures.
  uint32_t holds = 0;
  // While the lane stays awake after the last hold went.
  net::TimerId linger_timer;

  // Who takes decoded ones.
  void add_frames(std::shared_ptr<FrameQueue> queue) { frames_.push_back(std::move(queue)); }
  void remove_frames(const FrameQueue* queue);
  bool wants_frames() const { return !frames_.empty(); }

  // What was shown last, and why: `masked`, or `covered` with the reason.
  void note_shown(PrivacyState state, std::string reason);
  PrivacyState shown() const { return shown_.value_or(gate_.state()); }
  const std::string& shown_reason() const { return shown_reason_; }
  RateMeter::Rates rates(MonoTime now) const { return rate_.rates(now); }

 private:
  struct Waiter {
    TrackReady ready;
    net::TimerId timer;
  };

  const StreamKey key_;
  const uint32_t id_;
  net::EventLoop& loop_;
  const std::shared_ptr<fanout::Hub> hub_;
  mask::PublishGate gate_;
  std::shared_ptr<const mask::PrivacyDecision> decision_;
  std::optional<TrackInfo> track_;
  std::list<Waiter> waiters_;
  std::vector<std::shared_ptr<FrameQueue>> frames_;
  RateMeter rate_;
  std::optional<PrivacyState> shown_;
  std::string shown_reason_;
  bool closed_ = false;
};

}  // namespace vigie::runtime
