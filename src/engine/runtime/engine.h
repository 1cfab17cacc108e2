#pragma once
// The engine as a host sees it from C++: one object, nothing global, several in one process.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "mask/pose_history.h"
#include "media/event.h"
#include "runtime/api.h"
#include "runtime/frame_tap.h"
#include "runtime/snapshot.h"
#include "runtime/unit_queue.h"

namespace vigie::runtime {

struct EngineOptions {
  size_t shards = 1;      // I/O threads, 1 to 256
  std::vector<int> cpus;  // shard i is pinned to cpus[i % size]; empty: not pinned
  size_t event_capacity = 4096;
  size_t codec_workers = 0;  // threads that mask pictures, 0 to 256; 0: one for every processor
  // Shards in real time while pictures are masked, where the system allows it (base/io_rank.h): for a program that is
  // there for its streams.
  bool realtime_io = false;
  std::string mask_encoder;  // one of codec::available_encoders(); empty: the first that opens
};

struct PushedUnit {
  std::string camera;
  std::string stream;  // empty: the camera's first
  Codec codec = Codec::h264;
  ByteSpan data;
  bool length_prefixed = false;  // 4-byte big-endian lengths instead of start codes
  std::optional<Ticks90k> pts;
  std::optional<WallTime> capture_time;
  bool gap = false;
};

struct SubscribeOptions {
  std::string camera;
  std::string stream;  // empty: the camera's first
  fanout::Start start = fanout::Start::last_keyframe;
  UnitQueueLimits queue;
};

// Thread: every method from any thread that is not one of the engine's own.
// Errors common to all: wrong_process after fork(), closed after close().
class VIGIE_API Engine {
 public:
  // Starts the shards; nothing else happens before apply().
  // Errors: invalid_argument (shards, cpus), internal or socket_failed when the machine gives no threads or
  // descriptors.
  static Result<std::shared_ptr<Engine>> make(const EngineOptions& options);
  // What EngineOptions::mask_encoder may be on this machine, first choice first.
  static std::vector<std::string> mask_encoders();
  // close(); in another process than the maker's it does nothing at all (its threads are not there).
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Applies a whole policy snapshot. Returns the revision in force, once rights it takes away have ended, masks it
  // changes have emptied the logs, and new listeners are bound. With an error nothing has changed.
  // `expect_revision`: the revision that must be in force (0: none yet).
  // Errors: policy_syntax, policy_field, policy_revision, and bind_failed, tls_failed, … of a new listener.
  Result<uint64_t> apply(std::string_view json, std::optional<uint64_t> expect_revision = std::nullopt);
  // One coded picture of a stream of kind push. The bytes are copied.
  Status push_access_unit(const PushedUnit& unit);
  // Subscribes to published units; the subscription ends with close() or with the last copy of what is returned.
  // Errors: not_found, withheld.
  Result<std::shared_ptr<UnitQueue>> subscribe(const SubscribeOptions& options);
  // Taps the decoded frames of a stream, masked as its units are; the tap ends with close() or with the last copy of what
  // is returned. A stream pulled on demand starts, and so does the decoder where nobody else needs it.
  // Errors: invalid_argument (width, fps, queue), not_found, withheld.
  Result<std::shared_ptr<FrameTap>> tap_frames(const TapOptions& options);
  // The newest picture that may be shown, as a still; a covered one is a card and no error. Decodes and encodes for this
  // one picture, on the caller's thread as far as the encoding goes. `stream` empty: the camera's first.
  // Errors: timed_out (no picture in that time), not_found, withheld, invalid_argument (a negative time).
  Result<Snapshot> snapshot(const std::string& camera, const std::string& stream, WaitLimit timeout);
  // Where a dome looked, for all streams of the camera. Errors: not_found; invalid_argument, as PoseHistory::push.
  Status push_pose(const std::string& camera, const mask::Pose& pose);
  // The dome's poses are not to be believed: everything is hidden until trust_pose(), streams that come later included.
  // Errors: not_found.
  Status distrust_pose(const std::string& camera, mask::PoseDoubt doubt);
  // A calibration check has passed: poses pushed from now on count. Errors: not_found.
  Status trust_pose(const std::string& camera);
  // The next event. Errors: timed_out, closed.
  Result<Event> next_event_blocking(WaitLimit limit);
  // Polls readable while an event waits. Owned by the engine.
  int event_fd() const;
  // All figures as JSON text; its layout is in docs/statistics.md.
  Result<std::string> stats();
  // Keeps the packets of an RTSP stream from now on, with all that shows a picture blanked, `max_bytes` of them at most;
  // source_report gives them. For a probe of one camera. Errors: not_found, withheld.
  Status record_source(const std::string& camera, const std::string& stream, size_t max_bytes);
  // What one stream's device has shown of itself (`stream` empty: the camera's first), as JSON text; its layout is in
  // docs/statistics.md. Holds no credential. Errors: not_found.
  Result<std::string> source_report(const std::string& camera, const std::string& stream);
  // The still of the view that a stream's masks belong to (`stream` empty: the camera's first), as learned or as the
  // policy brought it: `masks.scene_reference` carries it back, in Base64. It shows nothing of what is hidden.
  // Errors: withheld; not_found, also before there is one.
  Result<std::vector<uint8_t>> scene_reference(const std::string& camera, const std::string& stream);
  // Ends in this order: listeners and viewers, embedding subscriptions and taps, sources (TEARDOWN, about a second at most),
  // event queue, threads. Units and frames a host still holds stay valid. Idempotent.
  Status close();

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vigie::runtime
