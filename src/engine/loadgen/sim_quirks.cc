#include "loadgen/sim_quirks.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <tuple>

#include "base/random.h"

namespace vigie::loadgen {
namespace {

constexpr Emulation kEmulations[] = {
#define VIGIE_EMULATED(id, sentence) {Quirk::id, #id, sentence},
#include "loadgen/quirks.inc"
#undef VIGIE_EMULATED
};

using enum Quirk;

// No camera shows two of one row: they say different things at the same place, or nobody could tell pictures apart.
const std::vector<std::vector<Quirk>> kOneOf{
    {A1, A2, A3},                             // Content-Base
    {A4, A6},                                 // the control attribute
    {A5, A6},                                 // likewise
    {A11, A12},                               // CSeq
    {A15, E3, E7},                            // who waits for whom at PLAY
    {A15, J1},                                // likewise
    {A22, A31},                               // the ssrc parameter is there or not
    {A29, A28},                               // seq of RTP-Info
    {A34, B14},                               // direction
    {A24, J2, J4},                            // server ports, and whether there is UDP at all
    {J1, J4},                                 // likewise
    {B11, B16, B17, B18, B19, B20, B21, G8},  // parameter sets in the description
    {B11, B10},                               // the fmtp line
    {B11, B22},                               // likewise
    {B21, B22},                               // H.265 and H.264
    {B21, G5},                                // likewise
    {G7, B11, B16, B17, B18, B20, B21, G8},   // with neither nobody could decode it
    {G7, G1, G6, G9},                         // parameter sets in band are there or not
    {G1, F1},                                 // what is in the packet
    {G1, F4},                                 // likewise
    {G1, G6},                                 // how they are packed
    {C1, C2, C3},                             // what is offered
    {C7, C8},                                 // a session ends with its connection, so PLAY could never be asked again
    {D1, D2, D7},                             // GET_PARAMETER
    {D14, E3},                                // an answer that waits for pictures where there are none
    {D14, E7},                                // likewise
    {D14, J1},                                // likewise
    {D1, D4},                                 // the only sign of life that counts must not kill the session
    {D4, D5},                                 // what counts
    {D4, D2},                                 // likewise
    {F1, F2},                                 // markers
    {F2, F3},                                 // likewise
    {F2, F4},                                 // neither marker nor timestamp ends a picture
    {F2, I5},                                 // likewise
    {F12, I3},                                // the time of sender reports
    {F12, I8},                                // likewise
    {I2, I6},                                 // where timestamps begin
    {I7, G15},                                // how often a keyframe comes
};

struct Spelling {
  char group;
  int number;
};

Spelling spelling_of(std::string_view id) {
  if (id.empty()) return {'?', 0};
  int number = 0;
  std::from_chars(id.data() + 1, id.data() + id.size(), number);
  const char group = id[0];
  return {group >= 'a' && group <= 'z' ? static_cast<char>(group - 'a' + 'A') : group, number};
}

std::string nearest(std::string_view id) {
  const Spelling wanted = spelling_of(id);
  std::vector<std::tuple<int, int, std::string_view>> found;
  for (const Emulation& each : kEmulations) {
    const Spelling spelling = spelling_of(each.id);
    found.emplace_back(std::abs(spelling.group - wanted.group), std::abs(spelling.number - wanted.number), each.id);
  }
  std::sort(found.begin(), found.end());
  std::string text;
  for (size_t i = 0; i < 3; ++i) text.append(i ? ", " : "").append(std::get<2>(found[i]));
  return text;
}

const Emulation* emulation_of(std::string_view id) {
  for (const Emulation& each : kEmulations) {
    if (each.id == id) return &each;
  }
  return nullptr;
}

}  // namespace

std::span<const Emulation> emulations() { return kEmulations; }

bool shows(Quirk quirk, Codec codec) {
  switch (quirk) {
    case B18:
    case B22:
    case G5: return codec == Codec::h264;
    case B21: return codec == Codec::h265;
    case B10:
    case B11:
    case B16:
    case B17:
    case B19:
    case B20:
    case F1:
    case F3:
    case F4:
    case G1:
    case G2:
    case G3:
    case G4:
    case G6:
    case G7:
    case G8:
    case G9:
    case G11:
    case G15: return codec != Codec::mjpeg;
    default: return true;
  }
}

bool needs_credentials(Quirk quirk) { return quirk_facts(quirk).id.starts_with('C'); }

bool exclude(Quirk a, Quirk b) {
  if (a == b) return false;
  return std::any_of(kOneOf.begin(), kOneOf.end(), [&](const std::vector<Quirk>& row) {
    return std::find(row.begin(), row.end(), a) != row.end() && std::find(row.begin(), row.end(), b) != row.end();
  });
}

std::string ids_text(const QuirkSet& quirks) {
  std::string text;
  for (const std::string_view id : quirks.ids()) text.append(text.empty() ? "" : ",").append(id);
  return text;
}

Status QuirkPlan::add(std::string_view text) {
  std::vector<Quirk>* list = &all_;
  if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    const std::string_view name = text.substr(0, colon);
    uint32_t camera = 0;
    const auto [end, error] =
        std::from_chars(name.data() + std::min<size_t>(3, name.size()), name.data() + name.size(), camera);
    if (!name.starts_with("cam") || error != std::errc() || end != name.data() + name.size()) {
      return make_error(Code::invalid_argument, "quirk " + std::string(text),
                        "before the colon stands a camera's name, such as cam003");
    }
    list = &one_[camera];
    text.remove_prefix(colon + 1);
  }
  for (size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    const std::string_view id = text.substr(0, comma);
    const Emulation* found = emulation_of(id);
    if (found == nullptr) {
      const bool known = quirk_from(id).has_value();
      return make_error(
          Code::invalid_argument, "quirk " + std::string(id),
          (known ? "is known, but no simulated camera shows it; nearest are " : "is not known; nearest are ") +
              nearest(id));
    }
    list->push_back(found->quirk);
    if (comma != std::string_view::npos) text.remove_prefix(comma + 1);
  }
  return {};
}

std::vector<uint32_t> QuirkPlan::named() const {
  std::vector<uint32_t> numbers;
  for (const auto& [camera, quirks] : one_) numbers.push_back(camera);
  return numbers;
}

QuirkSet QuirkPlan::of(uint32_t camera, Codec codec, bool with_credentials) const {
  std::vector<Quirk> chosen;
  if (random_ > 0) {
    std::vector<Quirk> deck;
    for (const Emulation& each : kEmulations) {
      if (shows(each.quirk, codec) && (with_credentials || !needs_credentials(each.quirk))) deck.push_back(each.quirk);
    }
    FastRandom random(seed_ * 1'000'003 + camera);
    for (size_t i = deck.size(); i > 1; --i) std::swap(deck[i - 1], deck[random.below(i)]);
    for (const Quirk quirk : deck) {
      if (chosen.size() == random_) break;
      if (std::none_of(chosen.begin(), chosen.end(), [&](Quirk other) { return exclude(quirk, other); })) {
        chosen.push_back(quirk);
      }
    }
  }
  const auto wear = [&](const std::vector<Quirk>& quirks) {
    for (const Quirk quirk : quirks) {
      std::erase_if(chosen, [&](Quirk other) { return exclude(quirk, other); });
      chosen.push_back(quirk);
    }
  };
  wear(all_);
  if (const auto own = one_.find(camera); own != one_.end()) wear(own->second);
  QuirkSet quirks;
  for (const Quirk quirk : chosen) quirks.insert(quirk);
  return quirks;
}

}  // namespace vigie::loadgen
