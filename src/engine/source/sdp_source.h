#pragma once
// RTP that comes without a dialogue, as a session description in a file says.
#include <string>

#include "net/event_loop.h"
#include "policy/snapshot.h"
#include "source/attempt.h"
#include "source/reorder_alarm.h"
#include "source/rtp_port.h"
#include "source/rtp_receiver.h"
#include "source/source_memory.h"
#include "source/source_shard.h"
#include "source/srtp_opener.h"

namespace vigie::source {

// Reads the file (anew for each attempt), listens where its first video goes to, unicast or multicast, and reports back.
// Ends at the start, or when its keys turn out to be wrong: that nobody sends is found out by the supervisor. The file is
// read on the loop: it is small, and only regular files are opened.
// Thread: home shard. Ownership: the supervisor's; `memory` and `events` outlive it.
class SdpSource final : public Attempt, private RtpPortEvents, private RtpReceiverEvents {
 public:
  // The policy's url is the file's path.
  SdpSource(SourceShard& shard, std::string where, const policy::StreamPolicy& policy, SourceMemory& memory,
            AttemptEvents& events);
  ~SdpSource() override;
  void start() override;
  void stop(Task done) override;

 private:
  // RtpPortEvents
  void on_port_packet(bool rtcp, ByteSpan packet, const rtp::Arrival& arrival) override;
  void on_port_drained() override;
  void on_port_fault(const Error& fault) override;
  // RtpReceiverEvents
  void on_receiver_track(const TrackInfo& track) override;
  void on_receiver_unit(Ref<const AccessUnit> unit) override;
  void on_receiver_fault(const Error& fault) override;

  Status open();
  void close();
  void report();
  // Takes a packet's protection off; false when it is not to be taken.
  bool decrypt(bool rtcp, ByteSpan& packet, MonoTime at);

  net::EventLoop& loop_;
  const std::string where_;
  const std::string path_;
  const std::string interface_;
  SourceMemory& memory_;
  AttemptEvents& events_;
  SrtpOpener srtp_;
  RtpPort port_;
  ReorderAlarm alarm_;
  net::TimerId report_timer_;
  net::TimerId end_timer_;
};

}  // namespace vigie::source
