#pragma once
// Known deviations in what a simulated camera sends: how its clip is packed, and what is done to headers, framing and
// reports just before they leave. The one place for them; cameras without such quirks have no MediaQuirks.
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loadgen/clip.h"
#include "loadgen/sim_quirks.h"

namespace vigie::loadgen {

// A copy of the clip, packed anew with those of the quirks that concern packing.
Clip bend_clip(const Clip& clip, const QuirkSet& quirks);

// The clips of all cameras: plain ones by turns, and for cameras with quirks what can show them, each made once.
// Ownership: owns them all; a clip stays where it is.
class ClipStore {
 public:
  // `generated`: how the clips were made, where they were not read from files.
  ClipStore(std::vector<Clip> clips, std::optional<SyntheticOptions> generated)
      : clips_(std::move(clips)), generated_(generated) {}
  Clip& plain(size_t index) { return clips_[index % clips_.size()]; }
  // Errors: invalid_argument names what no clip can show.
  Result<Clip*> clip_for(size_t index, const QuirkSet& quirks);

 private:
  Result<Clip*> whole_clip(size_t index, const QuirkSet& quirks);

  std::vector<Clip> clips_;
  std::optional<SyntheticOptions> generated_;
  std::map<std::string, std::unique_ptr<Clip>> made_;
};

// One camera's. Thread: the loop's.
class MediaQuirks {
 public:
  // Nothing where none of the quirks concerns what is sent.
  static std::unique_ptr<MediaQuirks> make(const QuirkSet& quirks, Codec codec);

  // Somebody watches after nobody did; the camera's next unit has this timestamp.
  void begin_play(uint32_t timestamp);
  void begin_unit(uint16_t first_sequence, uint32_t timestamp);
  void end_unit() { unit_delta_ = 0; }

  void bend(PatchValues& values) const;
  // After patch_headers: markers and timestamps of single packets.
  void bend_headers(UnitTrain& train, size_t from, size_t to) const;
  // Over TCP: `frames`, which are packets [from, to), and what this camera writes around them. `answer`, where there is
  // one, goes between two of them if it can.
  ByteSpan wrap(const UnitTrain& train, size_t from, size_t to, ByteSpan frames, std::string_view answer);
  bool wraps() const { return wraps_; }

  // A sender report and its SDES.
  void bend_report(std::span<uint8_t> report);
  // What follows it, each a packet of its own.
  std::vector<std::vector<uint8_t>> more_reports(ByteSpan report, bool tcp) const;

 private:
  MediaQuirks(const QuirkSet& quirks, Codec codec);
  bool has(Quirk quirk) const { return quirks_.has(quirk); }

  QuirkSet quirks_;
  Codec codec_;
  bool wraps_ = false, single_packets_ = false;
  uint64_t units_ = 0, reports_ = 0;
  uint32_t offset_ = 0;      // added to every timestamp
  uint32_t unit_delta_ = 0;  // and to this unit's
  uint32_t frozen_ = 0;
  uint32_t last_in_ = 0, last_out_ = 0, out_ = 0;
  uint16_t sequence_shift_ = 0;
  std::vector<uint8_t> scratch_;
};

}  // namespace vigie::loadgen
