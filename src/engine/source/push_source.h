#pragma once
// Pictures given by a host that owns its own camera SDK.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "media/codec.h"
#include "rtp/parameter_sets.h"
#include "rtp/timeline.h"
#include "rtp/unit_maker.h"
#include "source/attempt.h"
#include "source/source_shard.h"

namespace vigie::source {

// One coded picture from a host. The bytes are copied before push() returns.
struct PushedPicture {
  Codec codec = Codec::h264;
  ByteSpan bytes;
  // 0: Annex B (MJPEG: one JPEG image). 1, 2 or 4: each NAL unit behind its length in so many bytes (MP4's form).
  size_t length_size = 0;
  // The host's media time. Empty: placed by arrival. Only differences count: the stream's own media time begins at 0
  // and always goes forward.
  std::optional<Ticks90k> pts;
  std::optional<WallTime> capture_time;
  bool gap = false;  // the host knows that pictures are missing before this one
};

struct PushLimits {
  size_t units_in_flight = 256;  // made, and not yet taken by the home shard
  size_t bytes_in_flight = size_t{32} << 20;
};

// Where a host's threads give their pictures to one stream; held by shared_ptr, so that a late push after the stream
// has gone says `closed` and does no harm.
class PushPort {
 public:
  PushPort(SourceShard& shard, std::string where, PushLimits limits = {});

  // Validates the picture, makes the access unit on the caller's thread and hands it to the home shard.
  // Errors: closed, payload_malformed (no NAL unit, a length that does not fit, no JPEG), unit_too_large,
  // invalid_argument (codec, length_size), limit_exceeded (the shard does not keep up: this picture is dropped, and
  // the next one accepted is marked as after a gap).
  // Thread: any; pictures of several threads are taken one after the other.
  Status push(const PushedPicture& picture);
  // The stream goes: every later push says `closed`. Thread: home shard; waits for a push that is under way.
  void close();
  // Pictures refused for `limit_exceeded`. Thread: any.
  uint64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }

 private:
  friend class PushSource;
  struct Shared;
  const std::string where_;
  const PushLimits limits_;
  std::shared_ptr<Shared> shared_;
  std::atomic<uint64_t> overflows_{0};

  std::mutex mutex_;  // guards what follows; the pool's home thread is whoever holds it
  BufferPool pool_;
  std::optional<Codec> codec_;
  std::unique_ptr<rtp::ParameterSetTracker> tracker_;
  rtp::Timeline timeline_;
  bool gap_ = false;
};

// The receiving side of a port, on the home shard. Thread: home shard.
class PushSource final : public Attempt {
 public:
  PushSource(std::shared_ptr<PushPort> port, AttemptEvents& events);
  ~PushSource() override;
  void start() override;
  void stop(Task done) override;

 private:
  friend struct PushPort::Shared;
  void take(Ref<const AccessUnit> unit);
  std::shared_ptr<PushPort> port_;
  AttemptEvents& events_;
  Ref<const ParameterSets> announced_;
  Codec announced_codec_ = Codec::h264;
};

}  // namespace vigie::source
