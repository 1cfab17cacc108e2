#pragma once
// Which known deviations a simulated camera shows: the list of what can be emulated, and who shows what.
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"
#include "base/result.h"
#include "media/codec.h"

namespace vigie::loadgen {

struct Emulation {
  Quirk quirk;
  std::string_view id;
  std::string_view sentence;  // what the simulated camera does
};
// In the order of quirks.inc.
std::span<const Emulation> emulations();
// Whether a camera that plays this codec can show it.
bool shows(Quirk quirk, Codec codec);
// Only where the cameras ask for a password.
bool needs_credentials(Quirk quirk);
// Whether one camera cannot show both.
bool exclude(Quirk a, Quirk b);
// "A4,F1", in the order of the table; empty for none.
std::string ids_text(const QuirkSet& quirks);

// What was asked for with --quirk and --random-quirks.
class QuirkPlan {
 public:
  // "A4,F1" for every camera, "cam003:A4,F1" for one.
  // Errors: invalid_argument names the id and the nearest right ones.
  Status add(std::string_view text);
  // So many for each camera, its own, the same for the same seed.
  void add_random(uint32_t count, uint64_t seed) { random_ = count, seed_ = seed; }
  bool empty() const { return all_.empty() && one_.empty() && random_ == 0; }
  // Cameras named by their number; for the check that they exist.
  std::vector<uint32_t> named() const;
  // Of two that exclude each other the later wins: drawn ones come first, then those for all, then the camera's own.
  // Ids are drawn from those that fit the codec, and from those about passwords only `with_credentials`.
  QuirkSet of(uint32_t camera, Codec codec, bool with_credentials) const;

 private:
  std::vector<Quirk> all_;
  std::map<uint32_t, std::vector<Quirk>> one_;
  uint32_t random_ = 0;
  uint64_t seed_ = 1;
};

}  // namespace vigie::loadgen
