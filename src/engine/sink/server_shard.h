#pragma once
// One shard's part of the RTSP server: its listeners, connections and sessions. Private to sink/.
#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/event_loop.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/udp.h"
#include "policy/snapshot.h"
#include "rtsp/digest.h"
#include "sink/admission.h"
#include "sink/delivery.h"
#include "sink/rtp_session.h"
#include "sink/stream_provider.h"
#include "sink/viewer_stats.h"

namespace vigie::sink {

class RtspConnection;
class ServerShard;

// What all shards of one server share. Thread: any.
struct ServerShared {
  StreamProvider* provider = nullptr;
  net::HelperPool* helpers = nullptr;
  rtsp::NonceMaker::Key nonce_key{};
  Admission admission;
  std::atomic<uint64_t> connections{0};  // numbers given
  std::atomic<uint64_t> viewers{0};      // numbers given
  std::atomic<uint64_t> connections_open{0};
  std::atomic<uint64_t> half_open_evicted{0};
  std::atomic<uint64_t> refused_admission{0};
  std::atomic<uint64_t> refused_authentication{0};
  std::atomic<uint64_t> accept_pauses{0};
};

// Where a task that may come late finds its shard, or finds it gone. Touched on the shard's thread only; shared_ptr so
// that tasks may hold it weakly.
struct ShardAnchor {
  ServerShard* shard;
};

// One listener on one shard.
class ShardListener final : public net::AcceptHandler {
 public:
  ShardListener(ServerShard& shard, policy::ListenerPolicy policy, Ref<net::TlsServerContext> tls);
  Status listen(const net::ListenOptions& options);
  void stop() { listener_.reset(); }
  const policy::ListenerPolicy& policy() const { return policy_; }
  const rtsp::ServerAuth& auth() const { return auth_; }
  const Ref<net::TlsServerContext>& tls() const { return tls_; }
  const std::string& interface() const { return interface_; }
  net::SocketAddress address() const { return listener_ ? listener_->local_address() : net::SocketAddress{}; }

 private:
  void on_accept(Fd connection, const net::SocketAddress& peer) override;
  void on_accept_paused(const Error& error) override;

  ServerShard& shard_;
  const policy::ListenerPolicy policy_;
  const Ref<net::TlsServerContext> tls_;
  const rtsp::ServerAuth auth_;
  std::string interface_;
  std::unique_ptr<net::TcpListener> listener_;
};

// A request about a session, which may live on another shard than the connection it came through (UDP).
struct SessionCall {
  enum class Kind : uint8_t { touch, play, pause, teardown };
  Kind kind = Kind::touch;
  std::string id;
  std::string agent;
  net::SocketAddress peer;
  uint64_t connection = 0;  // number
};
struct SessionAnswer {
  int status = 200;
  rtsp::RtpInfo info;  // play
};

// Thread: its loop, but for anchor() and index().
class ServerShard final : public SessionHost, private net::BatchHook {
 public:
  static constexpr Nanos kTick = std::chrono::milliseconds(500);

  ServerShard(std::shared_ptr<ServerShared> shared, net::EventLoop& loop, size_t index,
              const policy::LimitsPolicy& limits);
  ~ServerShard();

  // Every shard of the server, this one included, by index. Before the first listener.
  void set_peers(std::vector<std::pair<net::EventLoop*, std::weak_ptr<ShardAnchor>>> peers) {
    peers_ = std::move(peers);
  }
  std::weak_ptr<ShardAnchor> anchor() const { return anchor_; }
  size_t index() const { return index_; }

  Status open_listener(const policy::ListenerPolicy& policy, const net::ListenOptions& options,
                       Ref<net::TlsServerContext> tls);
  net::SocketAddress listener_address(const std::string& name) const;
  void close_listener(const std::string& name);
  void set_limits(const policy::LimitsPolicy& limits) { limits_ = limits; }
  void recheck();
  void collect(std::vector<ViewerStats>& out);
  std::vector<std::string> session_ids() const;
  // Ends everything in order: BYE, close.
  void close();

  // --- for listeners
  void accept(Fd fd, const net::SocketAddress& peer, std::shared_ptr<ShardListener> listener);
  std::shared_ptr<ShardListener> find_listener(const ShardListener* listener) const;

  // --- for connections
  net::EventLoop& loop() { return loop_; }
  ServerShared& shared() { return *shared_; }
  StreamProvider& provider() { return *shared_->provider; }
  const policy::LimitsPolicy& limits() const { return limits_; }
  SendScratch& scratch() { return *scratch_; }
  RtspConnection* find_connection(uint64_t number);
  // The connection is closed; destroyed at the end of this wake-up.
  void retire(RtspConnection& connection);
  // Opens a session and gives it its transport. Errors: admission_refused, bind_failed, socket_failed, internal; or
  // the reason for which it ended at once.
  Result<RtpSession*> open_session(SessionSetup setup, Delivery* tcp, const rtsp::Transport& wanted,
                                   const ShardListener& listener, const net::SocketAddress& local);
  RtpSession* find_session(const std::string& id);
  // Which shard holds a session of this id; peers_.size() when the id is none of ours.
  size_t shard_of(const std::string& id) const;
  // Carries out a call on a session of this shard. For `play` of a TCP session the caller starts the flow.
  SessionAnswer call_here(const SessionCall& call);
  // The same on another shard; the answer comes back to the connection (on_session_answer).
  void call_elsewhere(size_t shard, SessionCall call);
  // Ends a session, e.g. with its connection.
  void end_session(RtpSession& session, const std::string& why, uint16_t code, bool bye);
  std::string make_session_id() const;
  void emit(EventKind kind, std::string object, std::string state, uint16_t code, std::string text);

  // SessionHost
  void on_session_cut(RtpSession& session) override;

 private:
  void on_batch_end() override;
  void on_tick();
  bool evict_half_open();
  void remove_session(RtpSession& session);

  std::shared_ptr<ServerShared> shared_;
  net::EventLoop& loop_;
  const size_t index_;
  policy::LimitsPolicy limits_;
  std::shared_ptr<ShardAnchor> anchor_;
  std::vector<std::pair<net::EventLoop*, std::weak_ptr<ShardAnchor>>> peers_;
  std::unique_ptr<SendScratch> scratch_;
  std::unique_ptr<net::UdpReceiveBatch> batch_;  // made with the first UDP session
  std::vector<std::shared_ptr<ShardListener>> listeners_;
  std::unordered_map<uint64_t, std::unique_ptr<RtspConnection>> connections_;
  std::unordered_map<std::string, std::unique_ptr<RtpSession>> sessions_;
  std::deque<uint64_t> half_open_;  // in order of opening; those that got further are skipped when met
  std::vector<std::unique_ptr<RtspConnection>> retired_connections_;
  std::vector<std::unique_ptr<RtpSession>> retired_sessions_;
  net::TimerId tick_timer_;
  bool closed_ = false;
};

}  // namespace vigie::sink
