#pragma once
// One attempt to play a source, between its supervisor and what does the work (RTSP, file, push).
#include <string_view>

#include "base/ref.h"
#include "base/result.h"
#include "base/task.h"
#include "media/access_unit.h"
#include "media/track.h"

namespace vigie::source {

// Told by an attempt. Never destroys the attempt inside a call.
class AttemptEvents {
 public:
  virtual void on_attempt_track(const TrackInfo& track) = 0;
  // The dialogue is done and pictures may come; `how` in words ("RTSP over TCP").
  virtual void on_attempt_ready(std::string_view how) = 0;
  // The attempt begins its dialogue anew by itself (another transport, a redirect), with the reason.
  virtual void on_attempt_restarting(std::string_view reason) = 0;
  virtual void on_attempt_unit(Ref<const AccessUnit> unit) = 0;
  virtual void on_attempt_fault(const Error& fault) = 0;
  // Over, for this reason. Called at most once, and not after stop(). Nothing is called after it.
  virtual void on_attempt_ended(const Error& reason) = 0;

 protected:
  ~AttemptEvents() = default;
};

// Thread: home shard. Destroying it ends everything at once and calls nothing.
class Attempt {
 public:
  virtual ~Attempt() = default;
  virtual void start() = 0;
  // Ends politely (RTSP: TEARDOWN), in bounded time; `done` is called once, maybe from inside this call. No event
  // follows a call of stop().
  virtual void stop(Task done) = 0;
};

}  // namespace vigie::source
