#pragma once
// What the RTSP server asks of the engine: may this viewer see this stream, and if so, from which hub.
// The runtime implements it; sinks know neither sources nor policy objects beyond this.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/time.h"
#include "fanout/hub.h"
#include "media/event.h"
#include "media/track.h"
#include "rtsp/digest.h"
#include "rtsp/ticket.h"

namespace vigie::sink {

// A viewer's request, as far as the answer may depend on it.
struct ViewRequest {
  std::string listener;    // name of the listener it came through
  std::string agent;       // authenticated user name; empty on an open listener
  std::string path;        // "/camera", "/camera/stream", percent-decoded, without query
  std::string peer;        // "192.0.2.7:51234"
  size_t shard_index = 0;  // shard of the caller
  // StreamProvider::revision() when the agent last proved itself: a password changed since counts as a right ended.
  uint64_t proven_at = 0;
  // What let the viewer in instead of a password; null: a password, or nothing on an open listener.
  std::shared_ptr<const rtsp::Ticket> ticket;

  std::string route() const { return ticket ? ticket->route : std::string(); }
};

// A granted view. While it lives the stream is held open (pulled on demand); dropping it lets go.
// `right_ends`: the core itself ends the session then, with nobody's help.
class StreamHold {
 public:
  virtual ~StreamHold() = default;
};
struct OpenedStream {
  StreamKey key;
  TrackInfo track;  // parameter_sets known (first picture seen, or complete in the SDP)
  std::shared_ptr<fanout::Hub> hub;
  std::shared_ptr<StreamHold> hold;
  std::optional<WallTime> right_ends;
};

// What a viewer may open, for whoever lists it: another vigie that relays these cameras.
struct OfferedStream {
  std::string name;
  std::optional<Codec> codec;      // none: no picture has come since the stream is there
  uint32_t width = 0, height = 0;  // displayed luma pixels, 0: not known
};
struct OfferedCamera {
  std::string name;
  std::string title;
  int64_t number = 0;  // the operator's, 0 = none
  std::vector<OfferedStream> streams;
};
struct CameraPage {
  uint64_t revision = 0;               // of the policy it follows from
  std::vector<OfferedCamera> cameras;  // by name
  bool more = false;
};

class StreamProvider {
 public:
  using Reply = std::function<void(Result<OpenedStream>)>;
  virtual ~StreamProvider() = default;
  // Decides and opens. `reply` is called exactly once, on shard `request.shard_index`, maybe before open() returns;
  // never later than `timeout`. Errors: not_found, withheld, not_authorized, admission_refused, no_first_picture, …
  // Thread: the shard named in the request.
  virtual void open(const ViewRequest& request, Nanos timeout, Reply reply) = 0;
  // Again the decision, for a session that plays: called for every session when the policy revision changed.
  // Thread: the session's shard. Cheap.
  virtual Status still_allowed(const ViewRequest& request, const StreamKey& key) = 0;
  // The right's end as of now, for re-arming the session's timer after a policy change.
  virtual std::optional<WallTime> right_ends(const ViewRequest& request, const StreamKey& key) = 0;
  // The time by which rights end: the wall clock's, and never earlier than it would be had that not been set back since
  // the policy came into force. `clock`: the caller's. Thread: any shard.
  virtual WallTime rights_now(const Clock& clock) const { return clock.now_wall(); }
  // The next cameras, at most `limit`, that this viewer may see now, in the order of their names and behind `after`;
  // what it may not see does not exist for it. `request.path` counts for nothing. Errors: not_authorized.
  // Thread: the shard named in the request. Costs a look at every camera.
  virtual Result<CameraPage> list(const ViewRequest& request, std::string_view after, size_t limit) = 0;
  // The password (or HA1) of a viewer's account for digest verification; nullopt = unknown user. Thread: any shard.
  virtual std::optional<rtsp::Secret> credential(const std::string& agent) = 0;
  // What a ticket says, if it may still begin a session. Whether its right stands is asked with each view.
  // Errors: not_authorized. Thread: any shard.
  virtual Result<std::shared_ptr<const rtsp::Ticket>> ticket(std::string_view sealed) = 0;
  // Number of the policy in force; it only grows. Thread: any shard.
  virtual uint64_t revision() const { return 0; }
  // Hands an event up. Thread: any shard.
  virtual void emit(Event event) = 0;
};

}  // namespace vigie::sink
