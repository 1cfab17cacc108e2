#include "sink/server_shard.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "rtsp/text.h"
#include "sink/rtp_feed.h"
#include "sink/rtsp_connection.h"
#include "sink/text.h"

namespace vigie::sink {

namespace {

rtsp::ServerAuthOptions auth_options(const policy::ListenerPolicy& policy) {
  rtsp::ServerAuthOptions options;
  options.allow_md5 = policy.allow_md5;
  return options;
}

}  // namespace

// --- listener -----------------------------------------------------------------------------------------------------

ShardListener::ShardListener(ServerShard& shard, policy::ListenerPolicy policy, Ref<net::TlsServerContext> tls)
    : shard_(shard),
      policy_(std::move(policy)),
      tls_(std::move(tls)),
      auth_(auth_options(policy_), shard.shared().nonce_key) {}

Status ShardListener::listen(const net::ListenOptions& options) {
  Result<std::unique_ptr<net::TcpListener>> listener = net::TcpListener::listen(shard_.loop(), options, *this);
  if (!listener.ok()) return std::move(listener).error();
  listener_ = std::move(listener).value();
  interface_ = options.interface;
  return {};
}

void ShardListener::on_accept(Fd connection, const net::SocketAddress& peer) {
  if (std::shared_ptr<ShardListener> self = shard_.find_listener(this)) {
    shard_.accept(std::move(connection), peer, std::move(self));
  }
}

void ShardListener::on_accept_paused(const Error& error) {
  shard_.shared().accept_pauses.fetch_add(1, std::memory_order_relaxed);
  shard_.emit(EventKind::listener_state, "listener " + policy_.name, "paused", static_cast<uint16_t>(error.code),
              "no new connection is accepted for a moment: " + error.text());
}

// --- shard --------------------------------------------------------------------------------------------------------

ServerShard::ServerShard(std::shared_ptr<ServerShared> shared, net::EventLoop& loop, size_t index,
                         const policy::LimitsPolicy& limits)
    : shared_(std::move(shared)),
      loop_(loop),
      index_(index),
      limits_(limits),
      anchor_(std::make_shared<ShardAnchor>(ShardAnchor{this})),
      scratch_(std::make_unique<SendScratch>()) {}

ServerShard::~ServerShard() = default;

Status ServerShard::open_listener(const policy::ListenerPolicy& policy, const net::ListenOptions& options,
                                  Ref<net::TlsServerContext> tls) {
  auto listener = std::make_shared<ShardListener>(*this, policy, std::move(tls));
  if (Status status = listener->listen(options); !status.ok()) return status;
  listeners_.push_back(std::move(listener));
  if (!tick_timer_) tick_timer_ = loop_.add_timer_after(kTick, [this] { on_tick(); });
  return {};
}

net::SocketAddress ServerShard::listener_address(const std::string& name) const {
  for (const auto& listener : listeners_) {
    if (listener->policy().name == name) return listener->address();
  }
  return {};
}

std::shared_ptr<ShardListener> ServerShard::find_listener(const ShardListener* listener) const {
  for (const auto& known : listeners_) {
    if (known.get() == listener) return known;
  }
  return nullptr;
}

void ServerShard::close_listener(const std::string& name) {
  const auto at = std::find_if(listeners_.begin(), listeners_.end(),
                               [&](const auto& listener) { return listener->policy().name == name; });
  if (at == listeners_.end()) return;
  const std::shared_ptr<ShardListener> listener = std::move(*at);
  listener->stop();
  listeners_.erase(at);
  const Error reason = make_error(Code::closed, "listener " + name, "the listener was closed");
  // Cutting moves entries into the retired lists, so walk over copies.
  std::vector<RtpSession*> sessions;
  for (const auto& [id, session] : sessions_) {
    if (session->setup().request.listener == name) sessions.push_back(session.get());
  }
  for (RtpSession* session : sessions) session->cut(reason);
  std::vector<RtspConnection*> connections;
  for (const auto& [number, connection] : connections_) {
    if (connection->listener() == listener.get()) connections.push_back(connection.get());
  }
  for (RtspConnection* connection : connections) {
    connection->close(true, reason.text(), static_cast<uint16_t>(reason.code));
  }
}

void ServerShard::accept(Fd fd, const net::SocketAddress& peer, std::shared_ptr<ShardListener> listener) {
  // At the limit the oldest half-open connection makes room: an honest viewer is past that state within milliseconds.
  if (shared_->admission.half_open() >= limits_.half_open && !evict_half_open()) return;
  const uint64_t number = shared_->connections.fetch_add(1, std::memory_order_relaxed) + 1;
  auto connection = std::make_unique<RtspConnection>(*this, std::move(listener), number, peer);
  if (Status status = connection->start(std::move(fd)); !status.ok()) return;
  half_open_.push_back(number);
  connections_.emplace(number, std::move(connection));
}

bool ServerShard::evict_half_open() {
  while (!half_open_.empty()) {
    RtspConnection* oldest = find_connection(half_open_.front());
    half_open_.pop_front();
    if (!oldest || !oldest->half_open()) continue;
    shared_->half_open_evicted.fetch_add(1, std::memory_order_relaxed);
    oldest->close(true, "too many half-open connections", static_cast<uint16_t>(Code::admission_refused));
    return true;
  }
  return false;
}

RtspConnection* ServerShard::find_connection(uint64_t number) {
  const auto it = connections_.find(number);
  return it == connections_.end() ? nullptr : it->second.get();
}

void ServerShard::retire(RtspConnection& connection) {
  const auto it = connections_.find(connection.number());
  if (it == connections_.end()) return;  // not yet, or no longer, in the table
  retired_connections_.push_back(std::move(it->second));
  connections_.erase(it);
  loop_.at_batch_end(*this);
}

void ServerShard::on_batch_end() {
  // Destructors may retire more; those wait for the next round.
  const auto connections = std::exchange(retired_connections_, {});
  const auto sessions = std::exchange(retired_sessions_, {});
}

// --- sessions -----------------------------------------------------------------------------------------------------

// The last two digits name the shard, the others are the secret.
std::string ServerShard::make_session_id() const {
  const auto shard = static_cast<uint8_t>(index_);
  return random_hex(12) + hex_text({&shard, 1});
}

size_t ServerShard::shard_of(const std::string& id) const {
  if (id.size() != 26) return peers_.size();
  const int high = rtsp::hex_digit(id[24]);
  const int low = rtsp::hex_digit(id[25]);
  if (high < 0 || low < 0) return peers_.size();
  return std::min(static_cast<size_t>(high * 16 + low), peers_.size());
}

RtpSession* ServerShard::find_session(const std::string& id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

Result<RtpSession*> ServerShard::open_session(SessionSetup setup, Delivery* tcp, const rtsp::Transport& wanted,
                                              const ShardListener& listener, const net::SocketAddress& local) {
  if (!dynamic_cast<const RtpFeed*>(setup.stream.hub->deriver())) {
    return make_error(Code::internal, setup.stream.key.text(), "this stream has no RTP form");
  }
  const std::string host = setup.peer.host_text();
  if (Status status = shared_->admission.try_enter(host, setup.stream.key, limits_); !status.ok()) {
    return std::move(status).error();
  }
  setup.viewer = shared_->viewers.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::string id = setup.id;
  auto owned = std::make_unique<RtpSession>(*this, loop_, provider(), limits_, std::move(setup));
  RtpSession* session = owned.get();
  std::unique_ptr<UdpDelivery> udp;
  if (!tcp) {
    if (!batch_) batch_ = std::make_unique<net::UdpReceiveBatch>();
    Result<std::unique_ptr<UdpDelivery>> opened =
        UdpDelivery::open(loop_, *scratch_, *batch_, local, session->setup().peer, *wanted.client_port,
                          listener.policy().dscp, listener.interface(), *session, *session);
    if (!opened.ok()) {
      shared_->admission.leave(host, session->setup().stream.key);
      return std::move(opened).error();
    }
    udp = std::move(opened).value();
  }
  sessions_.emplace(id, std::move(owned));
  if (tcp) {
    session->open(*tcp);
  } else {
    session->open(std::move(udp));
  }
  if (session->over()) return make_error(Code::closed, session->setup().stream.key.text(), "the stream has ended");
  return session;
}

void ServerShard::remove_session(RtpSession& session) {
  const auto it = sessions_.find(session.setup().id);
  if (it == sessions_.end()) return;
  shared_->admission.leave(session.setup().peer.host_text(), session.setup().stream.key);
  retired_sessions_.push_back(std::move(it->second));
  sessions_.erase(it);
  loop_.at_batch_end(*this);
}

void ServerShard::end_session(RtpSession& session, const std::string& why, uint16_t code, bool bye) {
  session.finish(why, code, bye);
  remove_session(session);
}

void ServerShard::on_session_cut(RtpSession& session) {
  const uint64_t number = session.setup().connection;
  remove_session(session);
  if (RtspConnection* connection = number != 0 ? find_connection(number) : nullptr) {
    connection->on_session_cut(session);
  }
}

SessionAnswer ServerShard::call_here(const SessionCall& call) {
  SessionAnswer answer;
  RtpSession* session = find_session(call.id);
  const bool known = session && session->setup().request.agent == call.agent &&
                     session->setup().peer.same_host(call.peer) &&
                     (session->udp() || session->setup().connection == call.connection);
  if (!known) {
    answer.status = 454;  // the same for a wrong owner as for none
    return answer;
  }
  session->touch();
  switch (call.kind) {
    case SessionCall::Kind::touch: break;
    case SessionCall::Kind::play: {
      const SessionSetup& setup = session->setup();
      if (Status allowed = provider().still_allowed(setup.request, setup.stream.key); !allowed.ok()) {
        answer.status = 403;
        break;
      }
      answer.info = session->play();
      if (session->over()) {
        answer.status = 454;
      } else if (session->udp()) {
        session->start_flow();
      }
      break;
    }
    case SessionCall::Kind::pause: session->pause(); break;
    case SessionCall::Kind::teardown: end_session(*session, "the viewer left", 0, true); break;
  }
  return answer;
}

void ServerShard::call_elsewhere(size_t shard, SessionCall call) {
  const auto answer_to = [loop = &loop_, anchor = anchor(), number = call.connection](SessionAnswer answer) {
    loop->post([anchor, number, answer = std::move(answer)] {
      const std::shared_ptr<ShardAnchor> here = anchor.lock();
      RtspConnection* connection = here ? here->shard->find_connection(number) : nullptr;
      if (connection) connection->on_session_answer(answer);
    });
  };
  if (shard >= peers_.size()) return answer_to({454, {}});
  peers_[shard].first->post([anchor = peers_[shard].second, call = std::move(call), answer_to] {
    const std::shared_ptr<ShardAnchor> there = anchor.lock();
    answer_to(there ? there->shard->call_here(call) : SessionAnswer{454, {}});
  });
}

// --- upkeep -------------------------------------------------------------------------------------------------------

void ServerShard::on_tick() {
  tick_timer_ = loop_.add_timer_after(kTick, [this] { on_tick(); });
  std::vector<RtpSession*> sessions;
  sessions.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) sessions.push_back(session.get());
  for (RtpSession* session : sessions) session->tick();
  std::vector<RtspConnection*> connections;
  connections.reserve(connections_.size());
  for (const auto& [number, connection] : connections_) connections.push_back(connection.get());
  for (RtspConnection* connection : connections) connection->tick();
  while (!half_open_.empty()) {
    const RtspConnection* front = find_connection(half_open_.front());
    if (front && front->half_open()) break;
    half_open_.pop_front();
  }
}

void ServerShard::recheck() {
  std::vector<RtpSession*> sessions;
  for (const auto& [id, session] : sessions_) sessions.push_back(session.get());
  for (RtpSession* session : sessions) session->recheck();
  for (const auto& [number, connection] : connections_) connection->forget_grants();
}

void ServerShard::collect(std::vector<ViewerStats>& out) {
  for (const auto& [id, session] : sessions_) out.push_back(session->stats());
}

std::vector<std::string> ServerShard::session_ids() const {
  std::vector<std::string> ids;
  ids.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  return ids;
}

void ServerShard::emit(EventKind kind, std::string object, std::string state, uint16_t code, std::string text) {
  Event event;
  event.at = loop_.wall_now();
  event.kind = kind;
  event.object = std::move(object);
  event.state = std::move(state);
  event.code = code;
  event.text = std::move(text);
  provider().emit(std::move(event));
}

void ServerShard::close() {
  if (std::exchange(closed_, true)) return;
  anchor_.reset();
  loop_.cancel_timer(std::exchange(tick_timer_, {}));
  for (const auto& listener : listeners_) listener->stop();
  listeners_.clear();
  std::vector<RtspConnection*> connections;
  for (const auto& [number, connection] : connections_) connections.push_back(connection.get());
  for (RtspConnection* connection : connections) connection->close(false, "the server ends", 0);
  std::vector<RtpSession*> sessions;
  for (const auto& [id, session] : sessions_) sessions.push_back(session.get());
  for (RtpSession* session : sessions) end_session(*session, "the server ends", 0, true);
  half_open_.clear();
  on_batch_end();
}

}  // namespace vigie::sink
