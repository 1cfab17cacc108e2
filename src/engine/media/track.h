#pragma once
// What is known of a source's video track before and while units flow.
#include <cstdint>
#include <string>

#include "base/ref.h"
#include "media/codec.h"
#include "media/parameter_sets.h"

namespace vigie {

// A camera's stream by name, e.g. {"place-armes-01", "main"}; text form "place-armes-01/main". `version` names a
// published form with further masks ("place-armes-01@police/main"); empty: the camera's own.
struct StreamKey {
  std::string camera;
  std::string stream;
  std::string version;
  std::string text() const { return (version.empty() ? camera : camera + "@" + version) + "/" + stream; }
  friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};

// The video track of one stream.
struct TrackInfo {
  Codec codec = Codec::h264;
  Ref<const ParameterSets> parameter_sets;  // never null once the track is known
  double declared_fps = 0;                  // from SDP, 0 when absent; cameras lie (L-14)
};

}  // namespace vigie
