#pragma once
// One stream from its source to its hub. stream_pipeline.cc reads from top to bottom as the life of an access unit.
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fanout/hub.h"
#include "mask/lane.h"
#include "mask/publish_gate.h"
#include "media/event.h"
#include "media/track.h"
#include "net/event_loop.h"
#include "policy/snapshot.h"
#include "runtime/event_queue.h"
#include "runtime/rate_meter.h"
#include "source/source.h"
#include "source/supervisor.h"

namespace vigie::runtime {

// A stream's figures, copied out by value.
struct StreamStats {
  StreamKey key;
  source::StreamState state = source::StreamState::idle;
  std::string fault;  // the newest one's text, empty while playing
  PrivacyState privacy = PrivacyState::withheld;
  source::SourceCounters source;
  QuirkSet quirks;  // deviations the device has shown
  RateMeter::Rates rates;
  uint64_t withheld_units = 0;
  fanout::HubCounters hub;
  uint32_t holds = 0;
  std::optional<Codec> codec;
  uint32_t width = 0, height = 0;
  std::optional<Nanos> newest_unit_age;
  std::optional<Nanos> camera_clock_error;
  ClockQuality clock_quality = ClockQuality::none;  // of the newest unit
};

// What a stream's device has shown of itself: for whoever looks after the camera.
struct SourceReport {
  StreamStats stats;
  std::optional<TrackInfo> track;
  std::optional<source::ReceiverFacts> receiver;
  std::vector<source::DialogueLine> dialogue;
  std::vector<source::TapedPacket> packets;
};

// Ownership: shared; everything that needs the home shard's loop is let go by stop(), so the rest may die anywhere.
// Thread: home shard, except what says otherwise.
class StreamPipeline final : public std::enable_shared_from_this<StreamPipeline>,
                             private source::SourceObserver,
                             private mask::LaneOutput {
 public:
  // What a pipeline is given by the engine; all of it outlives every pipeline.
  struct Home {
    size_t shard_index;
    net::EventLoop& loop;
    source::SourceShard& sources;
    EventQueue& events;
    std::vector<fanout::ShardRef> shards;  // all of the engine's
    uint32_t packet_bytes;
  };

  StreamPipeline(const Home& home, StreamKey key, const policy::StreamPolicy& policy);
  ~StreamPipeline() override;

  void start();
  // Ends the hub (every viewer is cut with `reason`), then the source, politely and in bounded time; then `done`.
  void stop(const Error& reason, Task done);
  // Takes the policy's decision about private places. When `done` runs, no unit of the former state is in any log.
  void decide(const mask::PrivacyDecision& decision, Task done);
  void update(const policy::StreamPolicy& policy) { supervisor_->update(policy); }

  // Wants the stream until release(): a stream pulled on demand starts, and stays a while after the last release.
  void acquire();
  void release();
  // Calls `ready` once, with the track as soon as a viewer can be served, else with why not (withheld at once;
  // no_first_picture or the source's fault after `timeout`). Maybe from inside this call.
  using TrackReady = std::function<void(Result<TrackInfo>)>;
  void when_ready(Nanos timeout, TrackReady ready);
  // ok when the policy's decision lets pictures out; else withheld, and why.
  Status may_publish() const;
  StreamStats stats() const;
  SourceReport source_report() const;
  // As StreamSupervisor::start_tape; the packets come with source_report(). Errors: withheld.
  Status start_tape(size_t max_bytes);

  // Thread: any.
  struct Picture {
    std::optional<Codec> codec;  // none: no picture has come yet
    uint32_t width = 0, height = 0;
  };
  Picture picture() const;
  const StreamKey& key() const { return key_; }
  const std::shared_ptr<fanout::Hub>& hub() const { return hub_; }
  net::EventLoop& loop() const { return loop_; }
  size_t home_shard() const { return hub_->home_shard(); }
  // Where a host pushes to; null for other kinds.
  const std::shared_ptr<source::PushPort>& push_port() const { return push_port_; }

 private:
  struct Waiter {
    TrackReady ready;
    net::TimerId timer;
  };

  // The life of an access unit, in order.
  void on_track(const TrackInfo& track) override;
  void on_unit(Ref<const AccessUnit> unit) override;
  void on_published(PublishedUnit unit) override;
  // What happens around it.
  void on_state(source::StreamState from, source::StreamState to, const Error* fault, std::string_view reason) override;
  void on_fault(const Error& fault) override;

  bool servable() const;
  void answer_waiters(const Result<TrackInfo>& answer);
  void emit(EventKind kind, std::string state, uint16_t code, std::string text);

  const StreamKey key_;
  net::EventLoop& loop_;
  EventQueue& events_;
  std::unique_ptr<source::StreamSupervisor> supervisor_;
  std::shared_ptr<source::PushPort> push_port_;
  mask::PublishGate gate_;
  std::unique_ptr<mask::Lane> lane_;
  std::shared_ptr<fanout::Hub> hub_;

  std::optional<TrackInfo> track_;
  std::atomic<uint64_t> picture_{0};  // what picture() says, for other threads: codec + 1, width, height
  std::list<Waiter> waiters_;
  RateMeter rate_;
  MonoTime newest_unit_{};
  ClockQuality newest_clock_quality_ = ClockQuality::none;
  std::optional<Error> fault_;
  bool stopped_ = false;
};

}  // namespace vigie::runtime
