#pragma once
// The chain that one track needs: RTP packets -> reorder -> depacketizer -> access units, sender reports in, receiver
// reports out, and the counters of it all.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/quirk.h"
#include "base/result.h"
#include "media/track.h"
#include "rtp/depacketizer.h"
#include "rtp/packet.h"
#include "rtp/reorder.h"
#include "rtp/rtcp.h"
#include "rtp/wall_clock.h"
#include "source/rtp_track.h"
#include "source/source.h"

namespace vigie::source {

// What the packets of the present connection were like.
struct ReceiverFacts {
  uint32_t ssrc = 0;
  Nanos jitter{0};             // interarrival jitter (RFC 3550 6.4.1)
  bool marker_proven = false;  // units leave at their marker
  ClockQuality clock_quality = ClockQuality::none;
  std::optional<Nanos> clock_error;  // as clock_error()
  rtp::ReportCounts reports;
  rtp::DepacketizerStats depacketizer;
  rtp::ReorderStats reorder;
};

class RtpReceiverEvents {
 public:
  virtual void on_receiver_track(const TrackInfo& track) = 0;
  virtual void on_receiver_unit(Ref<const AccessUnit> unit) = 0;
  virtual void on_receiver_fault(const Error& fault) = 0;

 protected:
  ~RtpReceiverEvents() = default;
};

// Belongs to the stream and outlives its connections: media time goes on across them and strictly increases, the first
// unit of each new connection is placed by its arrival. Takes no memory per packet.
// Thread: home shard.
class RtpReceiver {
 public:
  // `counters` are added to and must outlive the receiver. `where` begins every fault's `where` ("camera/stream").
  // `quirks` too, where it is not null.
  RtpReceiver(BufferPool& pool, SourceCounters& counters, std::string where, Quirks* quirks = nullptr);

  // A connection begins; `events` hears of everything until end(). `peer` is for fault texts ("10.0.0.1:554").
  // Errors: invalid_argument for a codec nobody depacketizes.
  Status begin(const RtpTrack& track, RtpPath path, std::string_view peer, RtpReceiverEvents& events);
  // Completes what there is (a last unit may come out) and goes deaf.
  void end();
  // Goes deaf at once, if it is `who` that hears; may be called from inside a callback. An attempt that is still saying
  // goodbye must not silence its successor.
  void mute(const RtpReceiverEvents& who) {
    if (events_ == &who) events_ = nullptr;
  }
  void end(const RtpReceiverEvents& who) {
    if (events_ == &who) end();
  }
  bool active() const { return events_ != nullptr; }

  // What came on the track's RTP and RTCP channels (or ports); told apart again by content, because some cameras mix
  // them up (E5).
  void on_rtp(ByteSpan bytes, const rtp::Arrival& arrival);
  void on_rtcp(ByteSpan bytes, const rtp::Arrival& arrival);
  // Gives up holes that have been waited for long enough; call at deadline(). Always empty on TCP.
  void on_time(MonoTime now);
  std::optional<MonoTime> deadline() const;
  // Writes a compound of receiver report and SDES (RFC 3550 6.1) into `out`, which should hold 128 bytes. An empty
  // report before the first packet.
  ByteSpan make_report(std::span<uint8_t> out, MonoTime now);

  // RTP packets taken since begin().
  uint64_t packets_this_connection() const { return packets_this_connection_; }
  uint32_t ssrc() const { return last_ssrc_; }
  // The camera's clock less ours; empty before a sender report.
  std::optional<Nanos> clock_error() const;
  const rtp::DepacketizerStats* depacketizer_stats() const { return depacketizer_ ? &depacketizer_->stats() : nullptr; }
  // Empty before the first packet.
  std::optional<ReceiverFacts> facts() const;

 private:
  void drain();
  void deliver();
  void deliver(Ref<const AccessUnit> unit);
  void announce(const Ref<const ParameterSets>& sets);
  // False when a fault of this code was told within the last second: it is only counted.
  bool may_tell(Code code, MonoTime now, uint64_t& count);
  // `quirk`: the id that is not tolerated.
  void fault(Code code, MonoTime now, std::string_view what, uint32_t sequence, size_t byte,
             std::string_view quirk = {});
  void count_reorder(MonoTime now_mono);
  // A packet or compound that this stream does not tolerate: counted, told, and dropped by the caller.
  void refuse(Code code, MonoTime now, Quirk quirk);
  bool believes_payload_type(const rtp::PacketView& packet, MonoTime now);
  void count_depacketizer(MonoTime now);
  void watch_clock(MonoTime now);

  // What every packet needs, then the rest.
  SourceCounters& counters_;
  Quirks* const quirks_;
  RtpReceiverEvents* events_ = nullptr;
  std::unique_ptr<rtp::Depacketizer> depacketizer_;
  RtpTrack track_;
  uint64_t packets_this_connection_ = 0;
  uint32_t last_ssrc_ = 0;
  bool payload_type_seen_ = false;
  // Media time over the life of the stream, where a new depacketizer (another codec) begins at 0 again.
  bool place_next_ = false;
  bool started_ = false;
  Ticks90k last_pts_{-1};
  Ticks90k pts_offset_{0};
  Ref<const ParameterSets> announced_;
  rtp::OrderedPacket ordered_;
  rtp::UnitBatch batch_;
  std::optional<rtp::ReorderBuffer> reorder_;
  rtp::ReorderStats counted_reorder_;
  rtp::DepacketizerStats counted_depacketizer_;

  BufferPool& pool_;
  const std::string where_;
  const std::string cname_;
  const uint32_t own_ssrc_;
  std::string peer_;
  Codec announced_codec_ = Codec::h264;
  double announced_framerate_ = 0;
  // Faults come in floods: one a second of each code is told, with how many there were.
  struct FaultLimit {
    bool used = false;
    Code code{};
    MonoTime next{};
    uint64_t count = 0;  // since the last one told
  };
  std::array<FaultLimit, 5> fault_limits_{};
  std::optional<Nanos> told_clock_error_;  // across connections
  MonoTime epoch_{};
};

}  // namespace vigie::source
