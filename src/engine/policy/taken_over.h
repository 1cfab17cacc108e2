#pragma once
// What of a snapshot's text stood there before, word for word, and need not be read again.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/snapshot.h"

namespace vigie::policy {

// One element of a list, as it stands in the text.
struct TextElement {
  size_t begin = 0, length = 0;
  size_t hash = 0;            // std::hash of that text
  bool stands_alone = false;  // what it says hangs on nothing else in the text
};

// The text of a snapshot that was accepted, and where the elements of its two long lists stand. It holds passwords and is
// never printed.
struct SnapshotText {
  std::string json;
  std::vector<TextElement> agents, cameras;
};

// A text made shorter: "{}" stands for every element that was there before.
struct ShortText {
  const PolicySnapshot* before = nullptr;
  std::string json;
  SnapshotText whole;  // whose elements stand alone only where they are taken over; of others the reader says it
  // For each element what it was read as, in the snapshot before; null: it has to be read.
  std::vector<const AgentPolicy*> agents;
  std::vector<const CameraPolicy*> cameras;

  // Whether the cameras are those of the snapshot before, one for one.
  bool same_cameras() const;
};

// Largest text that is made shorter: it holds no more values than a text may that is read whole, as each has two bytes.
inline constexpr size_t kMaxShortened = size_t{8} << 20;

// `before` may be null, and has to outlive what is made. Not checked: that the text is well-formed. It is, exactly if the
// shorter one is: each element that is left out is a whole object that stands where an element may stand. Nothing: its
// lists cannot be told apart, or it is larger than kMaxShortened.
std::optional<ShortText> shorten(std::string_view json, const PolicySnapshot* before);

}  // namespace vigie::policy
