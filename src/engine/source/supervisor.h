#pragma once
// One stream's life: when it connects, how long it waits after a failure, when silence is a fault.
//
//   idle --acquire--> connecting --PLAY--> waiting --picture--> playing --silence--> silent
//     ^                   ^                                        |                   |
//     +---- linger -------+------------ backing_off <--- failure --+-------------------+
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "media/track.h"
#include "net/event_loop.h"
#include "policy/snapshot.h"
#include "source/attempt.h"
#include "source/push_source.h"
#include "source/source.h"
#include "source/source_memory.h"
#include "source/source_shard.h"

namespace vigie::source {

struct SupervisorOptions {
  Nanos backoff_first = 1s;
  Nanos backoff_most = 60s;
  // While nobody answers at all: asking costs the camera nothing, and when a whole town comes back after a power cut, its
  // pictures are to be there within 10 s.
  Nanos unreachable_backoff_most = 8s;
  // After refused credentials: cameras lock accounts that fail too often.
  Nanos auth_backoff_first = 60s;
  Nanos auth_backoff_most = 600s;
  Nanos proven_after = 10s;  // a stream that played this long begins its back-off anew
  PushLimits push;
  uint64_t seed = 0;  // of the jitter; 0: seeded by the kernel
  // Replaces the maker of sources in tests.
  std::function<std::unique_ptr<Attempt>(const policy::StreamPolicy& policy, const std::string& url,
                                         AttemptEvents& events)>
      make_attempt;
};

// The time to wait before attempt `failures` + 1, at most: first, twice, four times … `most`.
Nanos backoff_ceiling(uint32_t failures, Nanos first, Nanos most);

// Thread: home shard, all of it. The observer may call acquire, release and stop from inside its callbacks, but must
// not destroy the supervisor there.
class StreamSupervisor final : private AttemptEvents {
 public:
  StreamSupervisor(SourceShard& shard, StreamKey key, policy::StreamPolicy policy, SourceObserver& observer,
                   SupervisorOptions options = {});
  // Ends at once, without TEARDOWN and without a callback; call stop() first where there is time.
  ~StreamSupervisor();

  // Begins: connects, or idles until acquire() when pulled on demand. Pushed streams wait for the host.
  void start();
  // Somebody wants the stream / no longer does. Pulled on demand it connects at the first acquire and disconnects when
  // nobody has wanted it for the policy's linger. Each acquire needs one release.
  void acquire();
  void release();
  // New limits (first picture, silence, linger, pull); the way to the camera must be the same.
  void update(const policy::StreamPolicy& policy);
  // Ends politely, within about a second; never starts again. `done` is called once from the loop, never from inside
  // this call, and may destroy the supervisor.
  void stop(Task done);

  StreamState state() const { return state_; }
  uint32_t holds() const { return holds_; }
  const StreamKey& key() const { return key_; }
  SourceCounters counters() const;
  const QuirkSet& quirks_seen() const;
  // What was said in the newest RTSP attempt, secrets blanked; empty for other kinds.
  std::vector<DialogueLine> dialogue() const;
  // Records the packets of an RTSP source from now on, `max_bytes` of them at most; anew at each call.
  void start_tape(size_t max_bytes);
  // Null while nothing was recorded.
  const Tape* tape() const { return memory_.tape.get(); }
  // The camera's clock less ours by its sender reports; empty before any.
  std::optional<Nanos> camera_clock_error() const;
  // Empty for sources without RTP.
  std::optional<ReceiverFacts> receiver_facts() const;
  // Where a host pushes to; null for other kinds.
  const std::shared_ptr<PushPort>& push_port() const { return push_port_; }

 private:
  void on_attempt_track(const TrackInfo& track) override;
  void on_attempt_ready(std::string_view how) override;
  void on_attempt_restarting(std::string_view reason) override;
  void on_attempt_unit(Ref<const AccessUnit> unit) override;
  void on_attempt_fault(const Error& fault) override;
  void on_attempt_ended(const Error& reason) override;

  bool pushed() const { return policy_.kind == policy::SourceKind::push; }
  bool wanted() const { return policy_.pull == policy::Pull::always || holds_ > 0 || pushed(); }
  void change(StreamState to, const Error* fault, std::string_view reason);
  void begin(std::string_view reason);
  void open();
  void fail(const Error& fault, bool told = false);
  void go_idle(std::string_view reason);
  void let_go();                     // of the attempt, without a word
  void say_goodbye(bool then_done);  // to the attempt, politely
  void reap_soon(std::unique_ptr<Attempt> attempt);
  void finish_stop();
  void set_timer(Nanos delay, void (StreamSupervisor::*what)());
  void clear_timer();
  void on_first_picture_deadline();
  void on_silence_check();
  void on_backoff_end();
  void on_linger_end();
  void linger();
  Nanos backoff(const Error& fault);
  const std::string& url() const { return use_backup_ ? policy_.backup_url : policy_.url; }
  std::unique_ptr<Attempt> make_attempt();

  // What every unit needs, then the rest.
  SourceObserver& observer_;
  StreamState state_ = StreamState::idle;
  bool stopping_ = false;
  MonoTime last_picture_{};
  SourceMemory memory_;

  SourceShard& shard_;
  net::EventLoop& loop_;
  const StreamKey key_;
  policy::StreamPolicy policy_;
  SupervisorOptions options_;
  FastRandom random_;
  std::shared_ptr<PushPort> push_port_;

  bool started_ = false;
  uint32_t holds_ = 0;
  uint32_t failures_ = 0;       // in a row
  uint32_t auth_failures_ = 0;  // in a row
  MonoTime not_before_{};       // of the next attempt, also for those who come while it is idle
  bool use_backup_ = false;
  StartGate::Pass pass_;
  std::unique_ptr<Attempt> attempt_;
  std::unique_ptr<Attempt> leaving_;            // saying goodbye
  std::vector<std::unique_ptr<Attempt>> dead_;  // may still be on the stack: gone at the next wake-up
  Task stop_done_;
  net::TimerId timer_;  // of the present state
  net::TimerId linger_timer_;
  net::TimerId reap_timer_;
  net::TimerId done_timer_;
  std::optional<MonoTime> playing_since_;
  std::string how_;
};

}  // namespace vigie::source
