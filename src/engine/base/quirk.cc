#include "base/quirk.h"

#include <array>

namespace vigie {
namespace {

constexpr std::array<QuirkFacts, kQuirks> kFacts{{
#define VIGIE_QUIRK(id, kind, device, cure) {#id, QuirkKind::kind, device, cure},
#include "base/quirk_table.inc"
#undef VIGIE_QUIRK
}};

}  // namespace

const QuirkFacts& quirk_facts(Quirk quirk) { return kFacts.at(static_cast<size_t>(quirk)); }

std::optional<Quirk> quirk_from(std::string_view id) {
  for (size_t i = 0; i < kFacts.size(); ++i) {
    if (kFacts[i].id == id) return static_cast<Quirk>(i);
  }
  return std::nullopt;
}

std::vector<Quirk> QuirkSet::list() const {
  std::vector<Quirk> out;
  for (size_t i = 0; i < kQuirks; ++i) {
    if (bits_.test(i)) out.push_back(static_cast<Quirk>(i));
  }
  return out;
}

std::vector<std::string_view> QuirkSet::ids() const {
  std::vector<std::string_view> out;
  for (const Quirk quirk : list()) out.push_back(quirk_facts(quirk).id);
  return out;
}

}  // namespace vigie
