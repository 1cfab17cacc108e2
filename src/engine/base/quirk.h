#pragma once
// Known deviations of cameras by name: which of them a stream tolerates, and which it has shown.
//
// A parser that meets one asks `tolerates(quirks, Quirk::A8)`: that notes it, and says whether to go on. It is asked only
// where a deviation is met, so a device without any costs nothing.
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace vigie {

enum class Quirk : uint8_t {
#define VIGIE_QUIRK(id, kind, device, cure) id,
#include "base/quirk_table.inc"
#undef VIGIE_QUIRK
  count_
};
inline constexpr size_t kQuirks = static_cast<size_t>(Quirk::count_);

enum class QuirkKind : uint8_t { tolerance, practice, outside };

struct QuirkFacts {
  std::string_view id;  // "A8"
  QuirkKind kind;
  std::string_view device;  // what the device does
  std::string_view cure;    // what we do about it, or why not
};
const QuirkFacts& quirk_facts(Quirk quirk);
// Exact spelling.
std::optional<Quirk> quirk_from(std::string_view id);

// A cheap value.
class QuirkSet {
 public:
  void insert(Quirk quirk) { bits_.set(static_cast<size_t>(quirk)); }
  bool has(Quirk quirk) const { return bits_.test(static_cast<size_t>(quirk)); }
  bool empty() const { return bits_.none(); }
  size_t size() const { return bits_.count(); }
  // In the order of the table.
  std::vector<Quirk> list() const;
  std::vector<std::string_view> ids() const;
  friend bool operator==(const QuirkSet&, const QuirkSet&) = default;

 private:
  std::bitset<kQuirks> bits_;
};

// One stream's record. Thread: the stream's home shard.
struct Quirks {
  QuirkSet strict;  // not tolerated on this stream
  QuirkSet seen;    // what the device has shown so far, tolerated or not

  bool tolerate(Quirk quirk) {
    seen.insert(quirk);
    return !strict.has(quirk);
  }
};

// For parsers that also serve where nobody keeps a record: then everything is tolerated.
inline bool tolerates(Quirks* quirks, Quirk quirk) { return !quirks || quirks->tolerate(quirk); }

}  // namespace vigie
