#pragma once
// What a stream keeps from one connection to the next.
#include <memory>
#include <optional>

#include "base/quirk.h"
#include "base/time.h"
#include "source/dialogue.h"
#include "source/rtp_receiver.h"
#include "source/source.h"
#include "source/tape.h"

namespace vigie::source {

// What was learnt about an RTSP device the hard way.
struct RtspMemory {
  bool udp_failed = false;           // no packet came over UDP, or the device refused it: begin with TCP
  bool tcp_refused = false;          // 461 to interleaved TCP: begin with UDP
  bool avoid_get_parameter = false;  // the connection died of a GET_PARAMETER (D1): use OPTIONS
};

// Media time of a file over all loops and attempts.
struct FileMemory {
  bool started = false;
  MonoTime epoch{};  // when media time was 0
  Ticks90k last_pts{-1};
};

// Ownership: the supervisor's. Thread: home shard.
struct SourceMemory {
  // What every packet needs lies together.
  std::unique_ptr<Tape> tape;             // while somebody records
  std::unique_ptr<RtpReceiver> receiver;  // made at the first attempt that takes RTP
  SourceCounters counters;
  Quirks quirks;  // of the device, over all attempts
  RtspMemory rtsp;
  Dialogue dialogue;  // of the newest RTSP attempt
  FileMemory file;

  // Makes the receiver where there is none. `where`: of its faults.
  void need_receiver(BufferPool& pool, const std::string& where) {
    if (!receiver) receiver = std::make_unique<RtpReceiver>(pool, counters, where, &quirks);
  }
};

}  // namespace vigie::source
