// The checks between fields of a snapshot; types and ranges are parse.cc's.
#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "policy/by_name.h"
#include "policy/json_fields.h"
#include "policy/listen_address.h"
#include "policy/mask_area.h"
#include "policy/polygon.h"
#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

constexpr size_t kLeastKey = 32;  // characters of the key that seals tickets

// Where something stands in the snapshot. Made at every step down, written down only for an error.
class Place {
 public:
  Place() = default;
  Place(const Place& in, std::string_view field) : in_(&in), field_(field) {}
  Place(const Place& in, size_t index) : in_(&in), index_(index) {}
  // A JSON pointer.
  std::string text() const {
    if (!in_) return {};
    return field_.empty() ? pointer_to(in_->text(), index_) : pointer_to(in_->text(), field_);
  }

 private:
  const Place* in_ = nullptr;
  std::string_view field_;
  size_t index_ = 0;
};

Error field_error(const Place& where, std::string what) {
  return make_error(Code::policy_field, where.text(), std::move(what));
}

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Names stand in URLs and in digest headers: nothing that either would have to escape. '@' stays free for versions of a
// camera; `more` holds what else is allowed after the first character.
Status check_name(const std::string& name, std::string_view more, const Place& where) {
  const auto allowed = [&](char c) { return is_alphanumeric(c) || more.find(c) != std::string_view::npos; };
  if (name.empty() || name.size() > 64 || !is_alphanumeric(name[0]) ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    return field_error(where, "not a name; right would be 1 to 64 of the letters a-z, A-Z, the digits and " +
                                  std::string(more) + ", beginning with a letter or digit");
  }
  return {};
}

// Refuses a name that stands twice in one field of a list's elements.
class UniqueNames {
 public:
  UniqueNames(const Place& list, std::string_view field, size_t count) : list_(list), field_(field) {
    seen_.reserve(count);
  }
  Status add(std::string_view name, size_t index) {
    const auto [it, added] = seen_.emplace(name, index);
    if (added) return {};
    const Place here(list_, index), earlier(list_, it->second);
    return field_error(Place(here, field_),
                       "the name \"" + std::string(name) + "\" is already used at " + Place(earlier, field_).text());
  }

 private:
  const Place& list_;
  std::string_view field_;
  std::unordered_map<std::string_view, size_t> seen_;
};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

struct UrlForm {
  std::span<const std::string_view> schemes;
  std::string_view right;
};
constexpr std::string_view kRtspSchemes[] = {"rtsp", "rtsps"};
constexpr std::string_view kNetworkSchemes[] = {"http", "https", "rtmp", "rtmps", "srt", "udp"};
constexpr UrlForm kRtspUrl{kRtspSchemes, "right would be rtsp://host[:port]/path or rtsps://host[:port]/path"};
constexpr UrlForm kNetworkUrl{kNetworkSchemes, "right would be http(s)://, rtmp(s)://, srt:// or udp://host[:port]/…"};

// What is wrong with a URL, or nothing. The URL itself is never repeated: it may hold a password.
std::optional<std::string> url_problem(std::string_view url, const UrlForm& form) {
  const std::string_view kRight = form.right;
  const size_t scheme_end = url.find("://");
  const std::string scheme = scheme_end == std::string_view::npos ? "" : lower(url.substr(0, scheme_end));
  if (std::ranges::find(form.schemes, scheme) == form.schemes.end()) {
    return "not a URL of this kind; " + std::string(kRight);
  }
  std::string_view authority = url.substr(scheme_end + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return "credentials inside the URL, where they would be logged; right would be the fields username and password";
  }
  if (url.find(' ') != std::string_view::npos) return "a space inside the URL; right would be %20";
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos || close == 1) return "no host; " + std::string(kRight);
    port = authority.substr(close + 1);
  } else {
    const size_t colon = authority.find(':');
    if (authority.empty() || colon == 0) return "no host; " + std::string(kRight);
    if (colon != std::string_view::npos) port = authority.substr(colon);
  }
  if (!port.empty()) {
    uint16_t number = 0;
    const auto [end, failure] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (port[0] != ':' || failure != std::errc{} || end != port.data() + port.size() || number == 0) {
      return "not a port; right would be a number from 1 to 65535 after the host";
    }
  }
  return std::nullopt;
}

bool is_rtsps(std::string_view url) { return lower(url.substr(0, 8)) == "rtsps://"; }

Status check_stream(const StreamPolicy& stream, const Place& where) {
  const auto wrong = [&](std::string_view field, std::string what) {
    return field_error(Place(where, field), std::move(what));
  };
  const bool remote = stream.kind == SourceKind::rtsp || stream.kind == SourceKind::network;
  if (!remote) {
    const std::string only = "only for kinds rtsp and network; right would be to leave it out";
    if (!stream.backup_url.empty()) return wrong("backup_url", only);
    if (!stream.username.empty()) return wrong("username", only);
    if (!stream.password.empty()) return wrong("password", only);
    if (!stream.tls_ca_file.empty()) return wrong("tls_ca_file", only);
  }
  if (!stream.interface.empty()) {
    const bool hears =
        stream.kind == SourceKind::sdp || (stream.kind == SourceKind::rtsp && stream.transport == Transport::multicast);
    if (!hears) return wrong("interface", "only for multicast and kind sdp; right would be to leave it out");
    if (!is_interface_name(stream.interface)) {
      return wrong("interface", "not the name of a network interface; right would be one such as eth1");
    }
  }
  switch (stream.kind) {
    case SourceKind::push:
      if (!stream.url.empty()) return wrong("url", "a pushed stream has none; right would be push: or to leave it out");
      break;
    case SourceKind::file:
    case SourceKind::sdp:
      if (stream.url.empty()) return wrong("url", "missing; right would be the file's path");
      if (stream.url.find("://") != std::string::npos || lower(stream.url.substr(0, 5)) == "file:" ||
          lower(stream.url.substr(0, 4)) == "sdp:") {
        return wrong("url", "a URL; right would be the file's path alone");
      }
      break;
    case SourceKind::rtsp:
    case SourceKind::network: {
      const UrlForm& form = stream.kind == SourceKind::rtsp ? kRtspUrl : kNetworkUrl;
      if (stream.url.empty()) return wrong("url", "missing; " + std::string(form.right));
      if (auto problem = url_problem(stream.url, form)) return wrong("url", *problem);
      if (!stream.backup_url.empty()) {
        if (auto problem = url_problem(stream.backup_url, form)) return wrong("backup_url", *problem);
      }
      if (stream.transport == Transport::multicast && stream.kind == SourceKind::rtsp &&
          (is_rtsps(stream.url) || is_rtsps(stream.backup_url))) {
        return wrong("transport", "multicast, which rtsps cannot encrypt; right would be auto or tcp");
      }
      // SRT has a passphrase and no user.
      const bool passphrase = lower(std::string_view(stream.url).substr(0, 6)) == "srt://";
      if (stream.username.empty() && !stream.password.empty() && !passphrase) {
        return wrong("username", "missing, though there is a password; right would be the camera's user");
      }
      if (stream.username.find(':') != std::string::npos) {
        return wrong("username", "a colon, which neither Basic nor Digest can carry");  // RFC 7617 2, RFC 7616 3.4.4
      }
      break;
    }
  }
  return {};
}

bool blank(const std::string& text) { return text.find_first_not_of(' ') == std::string::npos; }

Status check_mask_set(const MaskSetPolicy& masks, bool turns, const Place& where) {
  if (masks.revision < 1) return field_error(Place(where, "revision"), "found 0; right would be a number from 1 on");
  const Place regions(where, "regions");
  UniqueNames names(regions, "name", masks.regions.size());
  for (size_t i = 0; i < masks.regions.size(); ++i) {
    const MaskRegion& region = masks.regions[i];
    const Place here(regions, i);
    if (auto status = check_name(region.name, "._-", Place(here, "name")); !status) return status;
    if (auto status = names.add(region.name, i); !status) return status;
    if (region.space == MaskSpace::world && !turns) {
      return field_error(Place(here, "space"),
                         "world, though the camera has no dome; right would be picture, or \"dome\"");
    }
    if (auto status = check_simple_polygon(region.points, region.space, Place(here, "points").text()); !status)
      return status;
    if (region.from && region.until && *region.from >= *region.until) {
      return field_error(Place(here, "until"), "not after from; right would be a later time");
    }
  }
  return {};
}

// How the camera's own set fits its decision.
Status check_own_masks(const CameraPolicy& camera, const Place& where) {
  const MaskSetPolicy& masks = *camera.masks;
  if (camera.privacy == Privacy::clear) {
    return field_error(where, "masks of a camera that is clear; right would be \"privacy\": \"masked\", or no masks");
  }
  if (camera.privacy != Privacy::withheld && masks.regions.empty()) {
    return field_error(Place(where, "regions"),
                       "empty; right would be at least one region, or \"privacy\": \"clear\" with a privacy_reason");
  }
  if (camera.privacy == Privacy::masked_at_source && has_world_region(masks)) {
    return field_error(Place(where, "regions"),
                       "a region in world space, which cannot be looked for in the camera's own pictures; right would "
                       "be picture space, or \"privacy\": \"masked\"");
  }
  return check_mask_set(masks, camera.dome.has_value(), where);
}

Status check_privacy(const CameraPolicy& camera, const LimitsPolicy& limits, const Place& where) {
  if (camera.privacy == Privacy::clear && blank(camera.privacy_reason)) {
    return field_error(Place(where, "privacy_reason"),
                       "missing; a camera shown without masks needs the reason, in words");
  }
  if (camera.privacy == Privacy::masked_at_source && !limits.allow_masked_at_source) {
    return field_error(Place(where, "privacy"),
                       "masked_at_source, which limits.allow_masked_at_source forbids; right would be masked");
  }
  if (camera.masks) {
    if (auto status = check_own_masks(camera, Place(where, "masks")); !status) return status;
  }
  if (!camera.versions.empty() && camera.privacy == Privacy::masked_at_source) {
    return field_error(Place(where, "versions"),
                       "of a camera whose pictures are passed on; right would be \"privacy\": \"masked\"");
  }
  const Place versions(where, "versions");
  UniqueNames names(versions, "name", camera.versions.size());
  for (size_t i = 0; i < camera.versions.size(); ++i) {
    const MaskVersionPolicy& version = camera.versions[i];
    const Place here(versions, i), masks(here, "masks");
    if (auto status = check_name(version.name, "._-", Place(here, "name")); !status) return status;
    if (auto status = names.add(version.name, i); !status) return status;
    if (version.masks.regions.empty()) {
      return field_error(Place(masks, "regions"), "empty; right would be at least one region, or no such version");
    }
    if (auto status = check_mask_set(version.masks, camera.dome.has_value(), masks); !status) return status;
  }
  return {};
}

Status check_camera(const CameraPolicy& camera, const LimitsPolicy& limits, const Place& where) {
  if (auto status = check_name(camera.name, "._-", Place(where, "name")); !status) return status;
  if (auto status = check_privacy(camera, limits, where); !status) return status;
  const Place streams(where, "streams");
  if (camera.streams.empty()) return field_error(streams, "empty; right would be at least one stream");
  UniqueNames names(streams, "name", camera.streams.size());
  for (size_t i = 0; i < camera.streams.size(); ++i) {
    const Place here(streams, i);
    const auto& stream = camera.streams[i];
    if (auto status = check_name(stream.name, "._-", Place(here, "name")); !status) return status;
    if (auto status = names.add(stream.name, i); !status) return status;
    if (auto status = check_stream(stream, here); !status) return status;
  }
  return {};
}

Status check_listener(const ListenerPolicy& listener, const Place& where) {
  if (auto status = check_name(listener.name, "._-", Place(where, "name")); !status) return status;
  const auto address = parse_listen_address(listener.listen);
  if (!address) {
    return field_error(Place(where, "listen"),
                       "not an address to listen on; right would be 127.0.0.1:8554, [::1]:8554, localhost:8554 or "
                       "%eth0:8554");
  }
  const bool near = listener.trusted || address->loopback();
  if (listener.access == Access::open && !near) {
    return field_error(Place(where, "access"),
                       "open on an address that others can reach; right would be digest, or \"trusted\": true if "
                       "everybody on that network may see every camera");
  }
  if (!listener.tls && !near) {
    return field_error(Place(where, "tls"),
                       "cleartext on an address that others can reach; right would be \"tls\": true with a "
                       "certificate, or \"trusted\": true");
  }
  for (const auto& [field, path] :
       {std::pair<std::string_view, const std::string&>("tls_certificate", listener.tls_certificate),
        {"tls_key", listener.tls_key}}) {
    if (listener.tls && path.empty()) {
      return field_error(Place(where, field), "missing; \"tls\": true needs a PEM file");
    }
    if (!listener.tls && !path.empty()) {
      return field_error(Place(where, field), "without effect; right would be \"tls\": true beside it");
    }
  }
  if (listener.tls && listener.udp) {
    return field_error(Place(where, "udp"), "UDP delivery is cleartext; right would be false with TLS");
  }
  return {};
}

// Every form there is: "camera" and "camera@version".
class Forms {
 public:
  explicit Forms(const SharedList<CameraPolicy>& cameras) : cameras_(cameras) {}
  bool contains(std::string_view form) {
    if (by_name_.empty()) by_name_ = by_name(cameras_);  // once it is needed
    const size_t at = form.find('@');
    const CameraPolicy* const camera = find(by_name_, form.substr(0, at));
    if (!camera || at == std::string_view::npos) return camera != nullptr;
    return std::ranges::find(camera->versions, form.substr(at + 1), &MaskVersionPolicy::name) != camera->versions.end();
  }

 private:
  const SharedList<CameraPolicy>& cameras_;
  std::unordered_map<std::string_view, const CameraPolicy*> by_name_;
};

// `checked`: lists of rights that need not be looked at (again).
Status check_agent(const AgentPolicy& agent, const Place& where, Forms& forms,
                   std::unordered_set<const void*>& checked) {
  if (auto status = check_name(agent.name, "._@-", Place(where, "name")); !status) return status;
  if (agent.password.empty()) {
    return field_error(Place(where, "password"), "empty; right would be at least one character");
  }
  if (agent.all_cameras && !agent.cameras.empty()) {
    return field_error(Place(where, "ending"), "without effect beside all cameras; right would be none");
  }
  if (!checked.insert(agent.cameras.identity()).second) return {};
  for (size_t i = 0; i < agent.cameras.size(); ++i) {  // in the order of the text: those without an end come first
    const ViewRight& right = agent.cameras[i];
    if (forms.contains(right.name)) continue;
    const Place list(where, right.until ? "ending" : "cameras");
    return field_error(right.until ? list : Place(list, i),
                       "no camera of this name in the snapshot: " + in_quotes(right.name) +
                           "; right would be one of \"cameras\", or camera@version of one that has this version");
  }
  return {};
}

Status check_cameras(const PolicySnapshot& snapshot, const Place& where) {
  UniqueNames names(where, "name", snapshot.cameras.size());
  for (size_t i = 0; i < snapshot.cameras.size(); ++i) {
    const auto& camera = snapshot.cameras[i];
    if (auto status = check_camera(camera, snapshot.limits, Place(where, i)); !status) return status;
    if (auto status = names.add(camera.name, i); !status) return status;
  }
  return {};
}

}  // namespace

Status validate(const PolicySnapshot& snapshot, const PolicySnapshot* before) {
  const Place root, listeners(root, "listeners"), agents(root, "agents"), cameras(root, "cameras");
  UniqueNames listener_names(listeners, "name", snapshot.listeners.size());
  UniqueNames addresses(listeners, "listen", snapshot.listeners.size());
  for (size_t i = 0; i < snapshot.listeners.size(); ++i) {
    const auto& listener = snapshot.listeners[i];
    if (auto status = check_listener(listener, Place(listeners, i)); !status) return status;
    if (auto status = listener_names.add(listener.name, i); !status) return status;
    if (listener.listen.ends_with(":0")) continue;  // any free port: each gets its own
    if (auto status = addresses.add(listener.listen, i); !status) return status;
  }
  std::unordered_set<const void*> checked;
  if (before && before->cameras.shares(snapshot.cameras) &&
      before->limits.allow_masked_at_source == snapshot.limits.allow_masked_at_source) {
    for (const auto& agent : before->agents) checked.insert(agent.cameras.identity());
  } else if (auto status = check_cameras(snapshot, cameras); !status) {
    return status;
  }
  Forms forms(snapshot.cameras);
  UniqueNames agent_names(agents, "name", snapshot.agents.size());
  for (size_t i = 0; i < snapshot.agents.size(); ++i) {
    if (auto status = check_agent(snapshot.agents[i], Place(agents, i), forms, checked); !status) return status;
    if (auto status = agent_names.add(snapshot.agents[i].name, i); !status) return status;
  }
  const Place tickets(root, "tickets"), routes(tickets, "routes");
  const std::string_view key = snapshot.tickets.key.reveal();
  if (key.size() < kLeastKey && !(key.empty() && snapshot.tickets.routes.empty())) {
    return field_error(Place(tickets, "key"), "too short to seal anything; right would be at least 32 characters");
  }
  UniqueNames ids(routes, "id", snapshot.tickets.routes.size());
  for (size_t i = 0; i < snapshot.tickets.routes.size(); ++i) {
    const Place here(routes, i);
    if (auto status = check_name(snapshot.tickets.routes[i].id, "._-", Place(here, "id")); !status) return status;
    if (auto status = ids.add(snapshot.tickets.routes[i].id, i); !status) return status;
  }
  return {};
}

}  // namespace vigie::policy
