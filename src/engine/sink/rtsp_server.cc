#include "sink/rtsp_server.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <mutex>
#include <utility>

#include "base/random.h"
#include "policy/listen_address.h"
#include "sink/server_shard.h"

namespace vigie::sink {

struct RtspServer::Listener {
  std::string name;
  net::SocketAddress address;
  Ref<net::TlsServerContext> tls;  // null without TLS
};

namespace {

Result<net::ListenOptions> listen_options(const policy::ListenerPolicy& policy) {
  net::ListenOptions options;
  options.reuse_port = true;
  const std::optional<policy::ListenAddress> listen = policy::parse_listen_address(policy.listen);
  if (!listen) {
    return make_error(Code::invalid_argument, "listener " + policy.name,
                      "'" + policy.listen + "' is no address, [address] or %interface with a port");
  }
  switch (listen->kind) {
    case policy::ListenAddress::Kind::interface:
      options.interface = listen->host;
      options.address = net::SocketAddress::any_v6(listen->port);
      options.v6_only = false;
      break;
    case policy::ListenAddress::Kind::localhost: options.address = net::SocketAddress::loopback_v4(listen->port); break;
    default: {
      Result<net::SocketAddress> address = net::SocketAddress::parse_ip(listen->host, listen->port);
      if (!address.ok()) return std::move(address).error();
      options.address = *address;
    }
  }
  return options;
}

}  // namespace

RtspServer::RtspServer(RtspServerOptions options) : shared_(std::make_shared<ServerShared>()) {
  assert(options.provider && !options.shards.empty() && options.shards.size() <= 256);
  shared_->provider = options.provider;
  shared_->helpers = options.helpers;
  secure_random(shared_->nonce_key);
  for (size_t i = 0; i < options.shards.size(); ++i) {
    shards_.push_back(std::make_unique<ServerShard>(shared_, *options.shards[i], i, options.limits));
    peers_.emplace_back(options.shards[i], shards_.back()->anchor());
  }
  for (const auto& shard : shards_) shard->set_peers(peers_);
}

RtspServer::~RtspServer() { close_blocking(); }

Status RtspServer::open_listener_blocking(const policy::ListenerPolicy& policy) {
  if (Status status = open_everywhere(policy); !status.ok()) return status;
  shards_[0]->emit(EventKind::listener_state, "listener " + policy.name, "open", 0,
                   "listening on " + listeners_.back().address.text());
  return {};
}

Status RtspServer::try_listener_blocking(policy::ListenerPolicy policy) {
  policy.name += " (trial)";
  Status status = open_everywhere(policy);
  if (status.ok()) close_everywhere(policy.name);
  return status;
}

void RtspServer::close_listener_blocking(const std::string& name) {
  if (!close_everywhere(name)) return;
  shards_[0]->emit(EventKind::listener_state, "listener " + name, "closed", 0, "the listener was closed");
}

Status RtspServer::open_everywhere(const policy::ListenerPolicy& policy) {
  if (closed_) return make_error(Code::closed, "listener " + policy.name, "the server is closed");
  for (const Listener& listener : listeners_) {
    if (listener.name != policy.name) continue;
    return make_error(Code::invalid_argument, "listener " + policy.name, "a listener of this name is open");
  }
  Result<net::ListenOptions> options = listen_options(policy);
  if (!options.ok()) return std::move(options).error();
  Ref<net::TlsServerContext> tls;
  if (policy.tls) {
    net::TlsServerOptions tls_options;
    tls_options.certificate_file = policy.tls_certificate;
    tls_options.key_file = policy.tls_key;
    tls_options.helpers = shared_->helpers;
    Result<Ref<net::TlsServerContext>> context = net::TlsServerContext::make(tls_options);
    if (!context.ok()) return std::move(context).error();
    tls = std::move(context).value();
  }
  // One that was changed stands beside its trial; any other socket on the port is a stranger's.
  const uint16_t port = options->address.port();
  const bool ours = std::any_of(listeners_.begin(), listeners_.end(),
                                [port](const Listener& listener) { return listener.address.port() == port; });
  for (size_t i = 0; i < shards_.size(); ++i) {
    ServerShard& shard = *shards_[i];
    Status status;
    const auto open = [&] {
      status = i == 0 && !ours ? net::check_address_free(*options) : Status();
      if (!status.ok()) return;
      status = shard.open_listener(policy, *options, tls);
      if (status.ok()) options->address = shard.listener_address(policy.name);  // port 0: the first one's choice
    };
    bool ran = shard.loop().run_blocking(open);
    if (ran && !status.ok() && !options->interface.empty() && i == 0 && options->address.is_v6()) {
      // A machine without IPv6.
      options->address = net::SocketAddress::any_v4(options->address.port());
      ran = shard.loop().run_blocking(open);
    }
    if (!ran) status = make_error(Code::closed, "listener " + policy.name, "the shards have stopped");
    if (!status.ok()) {
      for (size_t k = 0; k < i; ++k) shards_[k]->loop().run_blocking([&] { shards_[k]->close_listener(policy.name); });
      return status;
    }
  }
  listeners_.push_back({policy.name, options->address, std::move(tls)});
  return {};
}

bool RtspServer::close_everywhere(const std::string& name) {
  if (std::erase_if(listeners_, [&](const Listener& listener) { return listener.name == name; }) == 0) return false;
  for (const auto& shard : shards_) shard->loop().run_blocking([&] { shard->close_listener(name); });
  return true;
}

void RtspServer::renew_certificates() {
  for (const Listener& listener : listeners_) {
    if (!listener.tls) continue;
    const Status status = listener.tls->reload();
    if (status.ok()) continue;
    shards_[0]->emit(EventKind::listener_state, "listener " + listener.name, "open",
                     static_cast<uint16_t>(status.error().code),
                     "the certificate could not be read again, the former one stays: " + status.error().text());
  }
}

Result<net::SocketAddress> RtspServer::listener_address(const std::string& name) const {
  for (const Listener& listener : listeners_) {
    if (listener.name == name) return listener.address;
  }
  return make_error(Code::not_found, "listener " + name, "no such listener is open");
}

void RtspServer::set_limits_blocking(const policy::LimitsPolicy& limits) {
  for (const auto& shard : shards_) shard->loop().run_blocking([&] { shard->set_limits(limits); });
}

void RtspServer::recheck_rights(Task done) {
  struct Pending {
    std::atomic<size_t> left;
    Task done;
  };
  auto pending = std::make_shared<Pending>();
  pending->left = peers_.size();
  pending->done = std::move(done);
  for (const auto& [loop, shard_anchor] : peers_) {
    const bool posted = loop->post([anchor = shard_anchor, pending] {
      if (const std::shared_ptr<ShardAnchor> here = anchor.lock()) here->shard->recheck();
      if (pending->left.fetch_sub(1) == 1 && pending->done) pending->done();
    });
    if (!posted && pending->left.fetch_sub(1) == 1 && pending->done) pending->done();
  }
}

void RtspServer::recheck_rights_blocking() {
  for (const auto& shard : shards_) shard->loop().run_blocking([&] { shard->recheck(); });
}

void RtspServer::collect_viewers(std::function<void(std::vector<ViewerStats>)> done) {
  struct Pending {
    std::mutex mutex;
    size_t left;
    std::vector<ViewerStats> viewers;
    std::function<void(std::vector<ViewerStats>)> done;
    void finish_one(std::vector<ViewerStats> part) {
      {
        const std::lock_guard lock(mutex);
        viewers.insert(viewers.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
        if (--left > 0) return;
      }
      done(std::move(viewers));
    }
  };
  auto pending = std::make_shared<Pending>();
  pending->left = peers_.size();
  pending->done = std::move(done);
  for (const auto& [loop, shard_anchor] : peers_) {
    const bool posted = loop->post([anchor = shard_anchor, pending] {
      std::vector<ViewerStats> part;
      if (const std::shared_ptr<ShardAnchor> here = anchor.lock()) here->shard->collect(part);
      pending->finish_one(std::move(part));
    });
    if (!posted) pending->finish_one({});
  }
}

std::vector<ViewerStats> RtspServer::viewers_blocking() {
  std::vector<ViewerStats> out;
  // Short visits, a few viewers each: every one costs system calls.
  constexpr size_t kViewersPerVisit = 32;
  for (const auto& shard : shards_) {
    std::vector<std::string> ids;
    shard->loop().run_blocking([&] { ids = shard->session_ids(); });
    for (size_t from = 0; from < ids.size(); from += kViewersPerVisit) {
      shard->loop().run_blocking([&, to = std::min(from + kViewersPerVisit, ids.size())] {
        for (size_t i = from; i < to; ++i) {
          if (RtpSession* session = shard->find_session(ids[i])) out.push_back(session->stats());
        }
      });
    }
  }
  return out;
}

ServerCounters RtspServer::counters() const {
  ServerCounters out;
  out.connections_accepted = shared_->connections.load(std::memory_order_relaxed);
  out.connections_open = shared_->connections_open.load(std::memory_order_relaxed);
  out.half_open = shared_->admission.half_open();
  out.half_open_evicted = shared_->half_open_evicted.load(std::memory_order_relaxed);
  out.sessions_open = shared_->admission.sessions();
  out.refused_admission = shared_->refused_admission.load(std::memory_order_relaxed);
  out.refused_authentication = shared_->refused_authentication.load(std::memory_order_relaxed);
  out.accept_pauses = shared_->accept_pauses.load(std::memory_order_relaxed);
  return out;
}

void RtspServer::close_blocking() {
  if (std::exchange(closed_, true)) return;
  listeners_.clear();
  for (auto& shard : shards_) {
    // On its own thread to the last: the loop may still know it as a hook. A loop that has ended takes no callbacks,
    // and then any thread may do it.
    const auto end = [&] {
      shard->close();
      shard.reset();
    };
    net::EventLoop& loop = shard->loop();
    if (!loop.run_blocking(end)) end();
  }
  shards_.clear();
}

}  // namespace vigie::sink
