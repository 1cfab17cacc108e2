#pragma once
// Keeps what a receiver tells.
#include <vector>

#include "source/rtp_receiver.h"

namespace vigie::source::testing {

struct Heard : RtpReceiverEvents {
  void on_receiver_track(const TrackInfo& track) override { tracks.push_back(track); }
  void on_receiver_unit(Ref<const AccessUnit> unit) override { units.push_back(std::move(unit)); }
  void on_receiver_fault(const Error& fault) override { faults.push_back(fault); }
  std::vector<TrackInfo> tracks;
  std::vector<Ref<const AccessUnit>> units;
  std::vector<Error> faults;
};

}  // namespace vigie::source::testing
