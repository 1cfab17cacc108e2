#pragma once
// The policy snapshot: all that the core is told, as one immutable numbered value.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"
#include "base/ref.h"
#include "base/result.h"
#include "base/time.h"
#include "policy/shared_list.h"

namespace vigie::policy {

// Text that must never be printed; the only way out is reveal().
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string text_;
};

enum class SourceKind : uint8_t { rtsp, file, push, network, sdp };
enum class Transport : uint8_t { automatic, tcp, udp, http, multicast };
enum class Pull : uint8_t { always, on_demand };

// One stream of a camera and how to get it.
struct StreamPolicy {
  std::string name;  // "main", "sub", …
  SourceKind kind = SourceKind::rtsp;
  std::string url;         // without credentials, or the path of the file (sdp too); empty for push
  std::string backup_url;  // tried after the first one fails, alternating; may be empty
  Transport transport = Transport::automatic;
  std::string interface;  // multicast and sdp: the network interface to hear on; empty: the camera's, or the routes'
  Pull pull = Pull::always;
  std::string username;
  Secret password;
  std::string tls_ca_file;  // for rtsps; empty = the system's store
  bool tls_verify = true;
  Nanos first_picture_deadline = 10s;
  Nanos silence_limit = 5s;
  Nanos linger = 10s;                   // on demand: how long it is kept after the last viewer left
  bool file_loop = true;                // file: starts again at its end
  size_t log_bytes = size_t{16} << 20;  // cap of the track log
  QuirkSet strict;                      // deviations of the device that are not tolerated
  friend bool operator==(const StreamPolicy&, const StreamPolicy&) = default;
};

// masked_at_source: the camera itself masks; its pictures are passed on only while they prove that it does.
enum class Privacy : uint8_t { withheld, clear, masked, masked_at_source };

// picture: 0..1 of the displayed picture, from its top left corner, x to the right, y down; scaled to each stream.
// world: degrees of pan (to the right) and tilt (up), for cameras with a dome; projected for every picture.
enum class MaskSpace : uint8_t { picture, world };

struct MaskPoint {
  double x = 0, y = 0;
  friend bool operator==(const MaskPoint&, const MaskPoint&) = default;
};

// One private place: a simple polygon, at least three corners.
struct MaskRegion {
  std::string name;  // unique in its set
  std::string reason;
  MaskSpace space = MaskSpace::picture;
  std::vector<MaskPoint> points;
  uint32_t fill_rgb = 0x202020;
  std::optional<WallTime> from, until;  // in force from (included) until (not included)
  friend bool operator==(const MaskRegion&, const MaskRegion&) = default;
};

// A mask set as the control plane numbers it. Its revision is greater than the one before whenever a region changed.
struct MaskSetPolicy {
  uint64_t revision = 0;
  std::string reason;
  std::string removal_reason;  // needed where this revision hides less than the one in force: who agreed, and why
  std::vector<MaskRegion> regions;
  // Of a camera's own set: whether the engine looks if the camera still shows the view that the masks were drawn on, and
  // the approved still of that view (mask::SceneReference::to_bytes; empty: the engine learns one after it starts).
  bool scene_watch = true;
  std::vector<uint8_t> scene_reference;
  friend bool operator==(const MaskSetPolicy&, const MaskSetPolicy&) = default;
};

// A second published form of the camera's streams, "camera@name": its own masks and these.
struct MaskVersionPolicy {
  std::string name;  // unique in the camera
  MaskSetPolicy masks;
  friend bool operator==(const MaskVersionPolicy&, const MaskVersionPolicy&) = default;
};

// What is known of a camera that turns. Degrees.
struct DomePolicy {
  double calibration_error = 0.5;  // how far a true direction may be from the one that its pose says
  double zoom_error = 0.02;        // the same of its field of view, as a share of it
  double max_speed = 30;           // degrees a second; faster: the whole picture is hidden
  Nanos max_age_moving = 300ms;    // of a pose, while it moves
  Nanos max_age_idle = 2s;         // ... while it stands still
  double mount_roll = 0, mount_tilt = 0;
  friend bool operator==(const DomePolicy&, const DomePolicy&) = default;
};

struct CameraPolicy {
  std::string name;    // unique
  int64_t number = 0;  // the operator's number, 0 = none
  std::string title;
  Privacy privacy = Privacy::withheld;
  std::string privacy_reason;          // needed for clear
  std::optional<MaskSetPolicy> masks;  // masked without one: the picture is covered (M-1)
  std::vector<MaskVersionPolicy> versions;
  std::optional<DomePolicy> dome;  // it turns
  std::vector<StreamPolicy> streams;
  friend bool operator==(const CameraPolicy&, const CameraPolicy&) = default;
};

enum class Access : uint8_t { digest, open };

struct ListenerPolicy {
  std::string name;
  std::string listen;  // "host:port", "[v6]:port", or "%interface:port"
  bool tls = false;
  std::string tls_certificate, tls_key;  // files, PEM
  Access access = Access::digest;
  bool trusted = false;   // cleartext allowed on a non-loopback address
  bool allow_md5 = true;  // FFmpeg and GStreamer know no SHA-256
  bool udp = true;        // UDP delivery allowed (only where cleartext is)
  uint8_t dscp = 0;       // 0..63, of media leaving
  friend bool operator==(const ListenerPolicy&, const ListenerPolicy&) = default;
};

// The right to one published form of a camera.
struct ViewRight {
  std::string name;               // "camera" or "camera@version"
  std::optional<WallTime> until;  // the core's own timer ends sessions then
  friend bool operator==(const ViewRight&, const ViewRight&) = default;
};

using ViewRights = SharedList<ViewRight>;

// A viewer's account on listeners with digest access, and what it may see.
struct AgentPolicy {
  std::string name;
  Secret password;
  bool all_cameras = false;
  ViewRights cameras;             // by name, each once
  std::optional<WallTime> until;  // no right of the agent's lasts longer
  friend bool operator==(const AgentPolicy&, const AgentPolicy&) = default;

  // Whether it may see the camera's own picture (`version` empty), or the version of this name. One right is not the
  // other: "camera" gives no version, "camera@version" not the camera's own picture; all_cameras gives both, as a
  // version only hides more. Not checked: whether they exist.
  bool may_see(std::string_view camera, std::string_view version, WallTime now) const;
  // When the right to it ends, if it does; of a form that it may not see: the agent's own end.
  std::optional<WallTime> right_ends(std::string_view camera, std::string_view version) const;

 private:
  const ViewRight* right_to(std::string_view camera, std::string_view version) const;
};

// A route that the control plane has opened and stands by: it has decided it again under this policy.
struct RoutePolicy {
  std::string id;
  std::optional<WallTime> until;  // when its right ends, whatever its ticket says
  friend bool operator==(const RoutePolicy&, const RoutePolicy&) = default;
};

// Tickets let in who holds one instead of a password (rtsp/ticket.h).
struct TicketPolicy {
  Secret key;                       // seals them; empty: none is accepted
  std::vector<RoutePolicy> routes;  // by id, each once
  friend bool operator==(const TicketPolicy&, const TicketPolicy&) = default;

  // Null where the route is not there. A ticket of an earlier revision than this snapshot's counts only with its route:
  // what the control plane has not decided again under a new policy has ended.
  const RoutePolicy* route(std::string_view id) const;
};

struct LimitsPolicy {
  uint32_t sessions = 4096;           // playing sessions in all; beyond: 453
  uint32_t sessions_per_peer = 1024;  // from one address
  uint32_t sessions_per_stream = 2048;
  uint32_t half_open = 1024;  // connections that have not authenticated or set up yet
  Nanos half_open_timeout = 10s;
  Nanos session_timeout = 60s;  // announced; without sign of life
  Nanos lag_limit = 1s;         // a viewer further behind jumps to the newest keyframe
  uint32_t send_buffer_bytes = 512 << 10;
  uint32_t packet_bytes = 1400;  // RTP packet size, header included
  uint32_t header_bytes = 16 << 10;
  bool allow_masked_at_source = true;  // false: a snapshot with a camera in that state is refused
  friend bool operator==(const LimitsPolicy&, const LimitsPolicy&) = default;
};

struct SnapshotText;  // taken_over.h

// Thread: immutable after parse; shared by all shards.
struct PolicySnapshot : RefCounted<PolicySnapshot> {
  uint64_t revision = 0;
  std::vector<ListenerPolicy> listeners;
  std::vector<AgentPolicy> agents;
  SharedList<CameraPolicy> cameras;
  TicketPolicy tickets;
  LimitsPolicy limits;
  std::unique_ptr<const SnapshotText> text;  // what it was read from; null: nothing of it can be taken over

  PolicySnapshot();
  ~PolicySnapshot();
};

// Largest snapshot text that is looked at.
inline constexpr size_t kMaxSnapshotBytes = size_t{64} << 20;

// Parses and validates a snapshot (JSON, UTF-8; the schema is python/vigie/schema/policy_snapshot.json). Unknown and
// repeated fields are errors: a misspelt "privacy" must not pass. Cross checks: names unique and well-formed, open
// access only on loopback or trusted listeners, clear only with a reason and without masks, regions simple polygons,
// cleartext only where trusted or loopback, agents' cameras and versions exist. Not checked: that files exist, that
// names resolve, that addresses can be bound. `before`: the one in force, or null; agents and cameras that stand in it
// word for word are taken over and not read again, which changes nothing but the time it takes. Errors: policy_syntax
// (byte position), policy_field (where = JSON pointer such as /cameras/3/streams/0/url).
Result<Ref<const PolicySnapshot>> parse_snapshot(std::string_view json, const PolicySnapshot* before = nullptr);

// The cross checks alone. `before`: one that has passed them, or null; what both share is not looked at again.
// Errors: policy_field, as parse_snapshot.
Status validate(const PolicySnapshot& snapshot, const PolicySnapshot* before = nullptr);

// Whether `next` may follow `old_snapshot` (may be null): regions change only with a greater mask revision, which never
// goes back, and a set that hides less than before anywhere says so in removal_reason (M-8). A camera that turns clear
// has said it in privacy_reason. Not checked: cameras, sets and versions that are not in both, nor whether a region
// that is taken away had ended already, as policy knows no clock.
// Errors: policy_field, at /cameras/…/masks/revision or /cameras/…/masks/removal_reason of `next`.
Status check_succession(const PolicySnapshot* old_snapshot, const PolicySnapshot& next);

// True when `listen` can only be reached from this machine (127.x.x.x, [::1], localhost, %lo).
bool listens_on_loopback(std::string_view listen);

// One step from the old snapshot to the new one.
struct Action {
  enum class Kind : uint8_t {
    end_rights,  // agents or tickets' routes gone, shortened or changed: sessions must be checked again
    close_listener,
    remove_stream,   // camera or stream gone
    change_privacy,  // the camera's decision or its reason changed (its masks, versions and dome may have, too)
    change_masks,    // its masks, a version of it or its dome changed, and nothing that was hidden is shown
    shrink_masks,    // instead of the two: it hides less than before somewhere, or turned from masked to clear
    restart_stream,  // the way to get it changed: url, transport, credentials …
    update_stream,   // only limits that need no new connection
    update_camera,   // title, number or the order of streams: nothing that a picture or a right hangs on
    add_stream,
    open_listener,
    change_limits,
  } kind;
  std::string name;    // listener, agent, "route ID" or camera
  std::string stream;  // for stream actions
  friend bool operator==(const Action&, const Action&) = default;
};

// The smallest ordered list of actions: rights and pictures are taken away first, given last. Kinds come in the order
// of the enumeration, except that a camera's decision which shows more than the one before (a shrink_masks too, unless
// the camera's own picture is taken away) comes after its streams are those of the new snapshot (after add_stream), so
// that no decision ever covers another stream's pictures. `old` may be null. A camera has at most one of change_privacy,
// change_masks and shrink_masks, which stands for its whole new decision: privacy, reason, masks, versions, dome. A new
// agent, and the order of listeners, agents and cameras, need no action: rights are read from the new snapshot.
std::vector<Action> diff(const PolicySnapshot* old_snapshot, const PolicySnapshot& new_snapshot);

}  // namespace vigie::policy
