#pragma once
// Faults a simulated camera shows on demand.
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

namespace vigie::loadgen {

enum class FaultKind : uint8_t {
  loss,         // drop packets: every n-th, or percent of them
  reorder,      // every n-th packet changes places with the next one of its unit
  duplicate,    // every n-th packet twice
  silence,      // RTSP answers, no media
  restart,      // connections closed at once, new ones for this camera closed too
  sdp,          // text: fps | sprop | no-sprop | payload
  clock_jump,   // once: RTP time by `ticks`, sender reports' wall time by `wall_seconds`
  clock,        // sender reports' wall time gains `ppm`; text: since-1970 | zero
  no_reports,   // no sender reports
  auth,         // every credential is refused
  status,       // SETUP and PLAY are answered with `status`
  slow,         // answers come `delay` late
  garbage,      // once: `bytes` random bytes between the packets of a TCP connection
  huge_length,  // text: frame (an interleaved length of 65535 followed by packets) | body (Content-Length 4294967295)
  endless_unit  // one unit that never ends: no marker, no new timestamp
};

// One fault as asked for. Which fields matter depends on the kind.
struct Fault {
  FaultKind kind = FaultKind::loss;
  uint32_t every = 0;
  double percent = 0;
  int64_t ticks = 0;
  double wall_seconds = 0;
  double ppm = 0;
  int status = 453;
  Nanos delay{0};
  size_t bytes = 1000;
  std::string text;
  // How long; zero: until cleared.
  Nanos lasts{0};
};

// A line of the control channel or a --fault option, read:
//   {"fault": "loss", "percent": 1, "cameras": [0, 7]}        also "fraction": 0.5; neither: every camera
//   {"fault": "silence", "seconds": 5, "after": 10}           "after": seconds from now
//   {"clear": "loss"}   {"clear": "all"}   {"stats": true}   {"stop": true}
struct ControlCommand {
  enum class Verb : uint8_t { fault, clear, stats, stop };
  Verb verb = Verb::stats;
  Fault fault;  // for fault; for clear only its kind
  bool clear_all = false;
  std::vector<uint32_t> cameras;  // empty: by fraction
  double fraction = 1;
  Nanos after{0};
  bool per_camera = false;  // stats
};

// Errors: invalid_argument names the field and what would be right.
Result<ControlCommand> parse_control(std::string_view line);

// The packet faults in force on one camera, counted over all its packets.
// Thread: one owner.
class PacketFaults {
 public:
  struct Counts {
    uint64_t dropped = 0, reordered = 0, duplicated = 0;
  };
  explicit PacketFaults(uint64_t seed) : random_(seed) {}
  bool any() const { return drop_every_ || drop_percent_ > 0 || swap_every_ || double_every_; }
  void set(const Fault& fault);
  void clear(FaultKind kind);
  // The order in which packets [from, to) leave: some missing, some swapped, some twice.
  void apply(size_t from, size_t to, std::vector<uint32_t>& order);
  const Counts& counts() const { return counts_; }

 private:
  FastRandom random_;
  uint32_t drop_every_ = 0, swap_every_ = 0, double_every_ = 0;
  double drop_percent_ = 0;
  uint64_t seen_ = 0;
  Counts counts_;
};

}  // namespace vigie::loadgen
