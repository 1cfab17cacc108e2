#include "runtime/viewing.h"

#include <algorithm>
#include <utility>

namespace vigie::runtime {
namespace {

// "camera" or "camera@version".
StreamKey split_name(std::string_view name, std::string_view stream) {
  const size_t at = name.find('@');
  if (at == std::string_view::npos) return {std::string(name), std::string(stream), ""};
  return {std::string(name.substr(0, at)), std::string(stream), std::string(name.substr(at + 1))};
}

// "/camera" or "/camera/stream", each with or without "@version"; a final slash is allowed.
StreamKey split_path(std::string_view path) {
  while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return split_name(path, "");
  return split_name(path.substr(0, slash), path.substr(slash + 1));
}

std::string form_name(const policy::CameraPolicy& camera, std::string_view version) {
  return version.empty() ? camera.name : camera.name + "@" + std::string(version);
}

bool has_version(const policy::CameraPolicy& camera, std::string_view version) {
  return version.empty() ||
         std::ranges::find(camera.versions, version, &policy::MaskVersionPolicy::name) != camera.versions.end();
}

Status privacy_allows(const policy::CameraPolicy& camera) {
  switch (camera.privacy) {
    case policy::Privacy::clear:
      if (!camera.privacy_reason.empty()) return {};
      return make_error(Code::withheld, camera.name, "the policy says clear but gives no reason");
    case policy::Privacy::masked:
    case policy::Privacy::masked_at_source: return {};
    case policy::Privacy::withheld: break;
  }
  return make_error(Code::withheld, camera.name, "nobody has decided yet what may be seen of it");
}

}  // namespace

Viewing::Viewing(const Clock& clock, EventQueue& events, std::vector<net::EventLoop*> loops)
    : clock_(clock),
      events_(events),
      loops_(std::move(loops)),
      directory_(make_directory(make_ref<policy::PolicySnapshot>(), {}, 0, nullptr, clock)) {}

void Viewing::publish(Ref<const Directory> directory) {
  const std::lock_guard lock(mutex_);
  std::swap(directory_, directory);  // the old one dies outside the lock
}

Ref<const Directory> Viewing::directory() const {
  const std::lock_guard lock(mutex_);
  return directory_;
}

Result<Viewing::Found> Viewing::find(std::string_view camera, std::string_view stream) const {
  const Ref<const Directory> directory = this->directory();
  const StreamKey asked = split_name(camera, stream);
  const Directory::Camera* found = directory->camera(asked.camera);
  if (!found) return make_error(Code::not_found, std::string(camera), "no camera has this name");
  if (!has_version(*found->policy, asked.version)) {
    return make_error(Code::not_found, std::string(camera), "the camera has no such version");
  }
  for (size_t i = 0; i < found->streams.size(); ++i) {
    if (!stream.empty() && found->policy->streams[i].name != stream) continue;
    if (found->streams[i]) return Found{found->streams[i], asked.version};
    return make_error(Code::not_found, std::string(camera), "the stream is being replaced; ask again");
  }
  return make_error(Code::not_found, std::string(camera) + "/" + std::string(stream), "the camera has no such stream");
}

Result<const policy::AgentPolicy*> Viewing::asking(const Directory& directory, const sink::ViewRequest& request) const {
  if (request.ticket) return make_error(Code::not_authorized, request.agent, "a ticket is for one stream alone");
  const auto listener = directory.listeners.find(request.listener);
  if (listener == directory.listeners.end()) {
    return make_error(Code::not_authorized, request.listener, "the listener is gone");
  }
  if (listener->second->access == policy::Access::open) return nullptr;
  const auto agent = directory.agents.find(request.agent);
  if (agent == directory.agents.end()) {
    return make_error(Code::not_authorized, request.agent, "no such agent");
  }
  const policy::AgentPolicy& who = *agent->second.policy;
  if (request.proven_at < agent->second.password_since) {
    return make_error(Code::not_authorized, request.agent, "the agent's password was changed");
  }
  if (who.until && *who.until <= rights_now(clock_)) {
    return make_error(Code::not_authorized, request.agent, "the agent's right has ended");
  }
  return &who;
}

Status Viewing::ticket_allows(const Directory& directory, const rtsp::Ticket& ticket, const StreamKey& key) const {
  const auto refusal = [&](std::string what) {
    return make_error(Code::not_authorized, ticket.agent, std::move(what));
  };
  if (ticket.stream != key) return refusal("the ticket is for " + ticket.stream.text() + ", not for " + key.text());
  const policy::TicketPolicy& tickets = directory.snapshot->tickets;
  const policy::RoutePolicy* route = tickets.route(ticket.route);
  if (tickets.key.empty() || (!route && ticket.revision != directory.snapshot->revision)) {
    return refusal("the route was closed");
  }
  const std::optional<WallTime> until = route ? route->until : ticket.until;
  if (until && *until <= rights_now(clock_)) return refusal("the right has ended");
  return {};
}

Status Viewing::allowed(const Directory& directory, const sink::ViewRequest& request, const Directory::Camera& camera,
                        const StreamKey& key) const {
  if (request.ticket) {
    if (Status status = ticket_allows(directory, *request.ticket, key); !status.ok()) return status;
    return privacy_allows(*camera.policy);
  }
  const Result<const policy::AgentPolicy*> who = asking(directory, request);
  if (!who.ok()) return who.error();
  if (*who && !(*who)->may_see(key.camera, key.version, rights_now(clock_))) {
    return make_error(Code::not_authorized, request.agent,
                      "the agent has no right to " + form_name(*camera.policy, key.version));
  }
  return privacy_allows(*camera.policy);
}

Result<sink::CameraPage> Viewing::list(const sink::ViewRequest& request, std::string_view after, size_t limit) {
  const Ref<const Directory> directory = this->directory();
  const Result<const policy::AgentPolicy*> who = asking(*directory, request);
  if (!who.ok()) return who.error();
  const WallTime now = rights_now(clock_);
  sink::CameraPage page;
  page.revision = directory->snapshot->revision;
  for (auto at = std::ranges::upper_bound(directory->cameras->by_name, after, {}, &name_of);
       at != directory->cameras->by_name.end(); ++at) {
    const Directory::Camera& camera = **at;
    if ((*who && !(*who)->may_see(camera.policy->name, "", now)) || !privacy_allows(*camera.policy).ok()) continue;
    if (page.cameras.size() == limit) {
      page.more = true;
      break;
    }
    sink::OfferedCamera& offered = page.cameras.emplace_back();
    offered.name = camera.policy->name;
    offered.title = camera.policy->title;
    offered.number = camera.policy->number;
    for (size_t i = 0; i < camera.streams.size(); ++i) {
      sink::OfferedStream& stream = offered.streams.emplace_back();
      stream.name = camera.policy->streams[i].name;
      if (!camera.streams[i]) continue;  // being replaced
      const StreamPipeline::Picture picture = camera.streams[i]->picture();
      stream.codec = picture.codec;
      stream.width = picture.width;
      stream.height = picture.height;
    }
  }
  return page;
}

void Viewing::open(const sink::ViewRequest& request, Nanos timeout, Reply reply) {
  const Ref<const Directory> directory = this->directory();
  StreamKey asked = split_path(request.path);
  const Directory::Camera* camera = directory->camera(asked.camera);
  if (!camera) return reply(make_error(Code::not_found, asked.camera, "no camera has this name"));
  if (!has_version(*camera->policy, asked.version)) {
    return reply(make_error(Code::not_found, asked.text(), "the camera has no such version"));
  }
  if (asked.stream.empty()) asked.stream = camera->policy->streams.front().name;
  if (Status status = allowed(*directory, request, *camera, asked); !status.ok()) {
    return reply(std::move(status).error());
  }
  auto found = find(asked.camera, asked.stream);
  if (!found.ok()) return reply(std::move(found).error());
  const std::shared_ptr<StreamPipeline> pipeline = std::move(found->pipeline);

  // To the stream's home shard and back; the hold is taken there, so that a stream pulled on demand begins.
  net::EventLoop& caller = *loops_[request.shard_index];
  net::EventLoop& home = pipeline->loop();
  auto on_home = [pipeline, version = asked.version, &caller, timeout, ends = right_ends(request, asked),
                  reply = std::move(reply)]() mutable {
    const std::shared_ptr<Outlet> outlet = pipeline->outlet(version);
    Result<std::shared_ptr<PipelineHold>> hold =
        outlet ? PipelineHold::take(pipeline, outlet)
               : make_error(Code::not_found, pipeline->key().text(), "the version was removed");
    auto ready = [outlet, hold = hold.ok() ? *hold : nullptr, &caller, ends,
                  reply = std::move(reply)](Result<TrackInfo> track) mutable {
      auto answer = [outlet, hold = std::move(hold), ends, reply = std::move(reply),
                     track = std::move(track)]() mutable {
        if (!track.ok()) return reply(std::move(track).error());
        reply(sink::OpenedStream{outlet->key(), *track, outlet->hub(), std::move(hold), ends});
      };
      if (caller.in_loop_thread()) {
        answer();
      } else {
        caller.post(std::move(answer));
      }
    };
    if (!hold.ok()) return ready(std::move(hold).error());
    pipeline->when_ready(*outlet, timeout, std::move(ready));
  };
  if (home.in_loop_thread()) {
    on_home();
  } else {
    home.post(std::move(on_home));
  }
}

Status Viewing::still_allowed(const sink::ViewRequest& request, const StreamKey& key) {
  const Ref<const Directory> directory = this->directory();
  const Directory::Camera* camera = directory->camera(key.camera);
  if (!camera) return make_error(Code::not_found, key.camera, "the camera was removed");
  if (!has_version(*camera->policy, key.version)) {
    return make_error(Code::not_found, key.text(), "the version was removed");
  }
  return allowed(*directory, request, *camera, key);
}

std::optional<WallTime> Viewing::right_ends(const sink::ViewRequest& request, const StreamKey& key) {
  const Ref<const Directory> directory = this->directory();
  if (request.ticket) {
    const policy::RoutePolicy* route = directory->snapshot->tickets.route(request.ticket->route);
    return route ? route->until : request.ticket->until;
  }
  const auto listener = directory->listeners.find(request.listener);
  if (listener != directory->listeners.end() && listener->second->access == policy::Access::open) return std::nullopt;
  const auto agent = directory->agents.find(request.agent);
  if (agent == directory->agents.end()) return std::nullopt;
  return agent->second.policy->right_ends(key.camera, key.version);
}

WallTime Viewing::rights_now(const Clock& clock) const {
  const Ref<const Directory> directory = this->directory();
  return std::max(clock.now_wall(), directory->wall + (clock.now_mono() - directory->mono));
}

std::optional<rtsp::Secret> Viewing::credential(const std::string& agent) {
  const Ref<const Directory> directory = this->directory();
  const auto found = directory->agents.find(agent);
  if (found == directory->agents.end()) return std::nullopt;
  return rtsp::Secret{.password = found->second.policy->password.reveal(), .ha1_md5 = "", .ha1_sha256 = ""};
}

Result<std::shared_ptr<const rtsp::Ticket>> Viewing::ticket(std::string_view sealed) {
  const Ref<const Directory> directory = this->directory();
  const policy::Secret& key = directory->snapshot->tickets.key;
  if (key.empty()) return make_error(Code::not_authorized, "ticket", "no ticket is accepted here");
  Result<rtsp::Ticket> opened = rtsp::open_ticket(sealed, as_bytes(key.reveal()));
  if (!opened.ok()) return std::move(opened).error();
  if (opened->open_by <= rights_now(clock_)) {
    return make_error(Code::not_authorized, opened->agent, "the ticket's time to begin is over; ask for a new one");
  }
  return std::make_shared<const rtsp::Ticket>(std::move(opened).value());
}

}  // namespace vigie::runtime
