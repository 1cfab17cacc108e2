#pragma once
// What becomes of a source's packets where they come as SRTP: opened, or refused and told.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "media/srtp_keys.h"
#include "rtp/srtp.h"
#include "source/source.h"

namespace vigie::source {

// Thread: home shard. Takes no memory per packet.
class SrtpOpener {
 public:
  // Where none of the first so many packets authenticates, the keys are wrong.
  static constexpr uint64_t kMostRefused = 200;

  // `where` begins every fault's `where`; `counters` are added to and must outlive this.
  SrtpOpener(std::string where, SourceCounters& counters) : where_(std::move(where)), counters_(counters) {}

  // The keys of what comes from now on; null: packets come plain. Errors: as rtp::Srtp::make.
  Status begin(const SrtpKeys* keys);
  bool active() const { return srtp_ != nullptr; }

  // Only while active(). Takes a packet's protection off: true when it may be taken, and `packet` is plain, in memory of
  // this object until the next call. `fault`: what is to be told, at most once a second; `from` is for its text.
  bool open(bool rtcp, ByteSpan& packet, MonoTime at, std::string_view from, std::optional<Error>& fault);
  // The keys are wrong: the fault that said so should end the attempt.
  bool hopeless() const { return opened_ == 0 && refused_ >= kMostRefused; }
  // `report`, protected where that is active; `memory` holds it, and has room behind it.
  ByteSpan protect(std::span<uint8_t> memory, ByteSpan report);

 private:
  std::unique_ptr<rtp::Srtp> srtp_;
  uint64_t opened_ = 0;
  uint64_t refused_ = 0;  // packets that do not authenticate
  uint64_t told_ = 0;     // of these
  MonoTime next_fault_{};
  const std::string where_;
  SourceCounters& counters_;
};

}  // namespace vigie::source
