#pragma once
// A file played in real time and looped, or a network stream that is not RTSP, as if it were a camera.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "rtp/parameter_sets.h"
#include "source/attempt.h"
#include "source/libav_source.h"
#include "source/media_input.h"
#include "source/source_memory.h"
#include "source/source_shard.h"

namespace vigie::source {

// MP4, Matroska, Annex B (.h264 .h265 .264 .265) and MJPEG, by the file's own times, Annex B at the frame rate of its
// SPS or 25. Where the container keeps parameter sets aside, they are put before each keyframe.
//
// Pictures that are shown in another order than they are coded (B pictures) go out in decoding order: pts is the
// decoding time and strictly increases, presentation_offset leads to the presentation time. Annex B knows no times, so
// there the offset is lost. The reason of the change to `waiting` says which of these is so.
// What comes live (RTMP, SRT, MPEG-TS) is passed on as it comes; the rest (files, HLS) by its own times.
// Thread: home shard. Ownership: the supervisor's; `memory` and `events` outlive it.
class ContainerSource final : public Attempt {
 public:
  ContainerSource(SourceShard& shard, std::string where, MediaInput input, FileMemory& memory, AttemptEvents& events);
  ~ContainerSource() override;
  void start() override;
  void stop(Task done) override;

 private:
  void pump();
  bool deliver(const MediaPacket& packet);
  bool open();
  void end(const Error& reason);
  MonoTime due(Ticks90k media_time) const;

  SourceShard& shard_;
  net::EventLoop& loop_;
  const std::string where_;
  const MediaInput input_;
  FileMemory& memory_;
  AttemptEvents& events_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // home shard only

  std::unique_ptr<LibavReader> reader_;
  std::optional<MediaInfo> info_;
  std::optional<rtp::ParameterSetTracker> tracker_;
  Ref<const ParameterSets> announced_;
  std::optional<MediaPacket> next_;
  net::TimerId timer_;
  std::vector<ByteSpan> nals_;
  bool anchored_ = false;
  Ticks90k anchor_media_{0};
  MonoTime anchor_time_{};
  Ticks90k pts_base_{0};
  bool finished_ = false;
};

}  // namespace vigie::source
