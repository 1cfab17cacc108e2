#pragma once
// The RTSP server: listeners on every shard, and the calls by which the engine steers it.
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "net/address.h"
#include "net/event_loop.h"
#include "net/helper_pool.h"
#include "policy/snapshot.h"
#include "sink/stream_provider.h"
#include "sink/viewer_stats.h"

namespace vigie::sink {

class ServerShard;
struct ShardAnchor;
struct ServerShared;

struct RtspServerOptions {
  std::vector<net::EventLoop*> shards;  // in the order of the hubs' ShardRefs; at most 256
  StreamProvider* provider = nullptr;   // must outlive the server
  net::HelperPool* helpers = nullptr;   // TLS handshakes run there; nullptr: on the shard
  policy::LimitsPolicy limits;
};

// What all connections and sessions did since the server began.
struct ServerCounters {
  uint64_t connections_accepted = 0;
  uint64_t connections_open = 0;
  uint64_t half_open = 0;
  uint64_t half_open_evicted = 0;  // pushed out by newer ones at the limit
  uint64_t sessions_open = 0;
  uint64_t refused_admission = 0;       // 453
  uint64_t refused_authentication = 0;  // wrong credentials, not first challenges
  uint64_t accept_pauses = 0;           // out of descriptors
};

// Thread: made, steered and destroyed by one control thread that is no shard (or by the one thread that drives all
// loops by hand); the methods ending in _blocking wait for the shards. collect_viewers, recheck_rights, counters: any.
class RtspServer {
 public:
  explicit RtspServer(RtspServerOptions options);
  // close_blocking() unless that was done. The loops must still run or be driven by this thread.
  ~RtspServer();
  RtspServer(const RtspServer&) = delete;
  RtspServer& operator=(const RtspServer&) = delete;

  // Opens a listener on every shard (SO_REUSEPORT: the kernel spreads the connections).
  // Errors: invalid_argument (address), bind_failed, not_found (interface), tls_failed (certificate); then it is open
  // nowhere.
  Status open_listener_blocking(const policy::ListenerPolicy& policy);
  // Whether open_listener_blocking() would succeed now, also for a listener that is open under an older policy: opens it
  // beside that one for a moment, and tells nobody. Errors: as there.
  Status try_listener_blocking(policy::ListenerPolicy policy);
  // Resets every connection that came through it; its sessions end, UDP ones too. Unknown names are ignored.
  void close_listener_blocking(const std::string& name);
  // The address it really has, e.g. when the port was 0. Errors: not_found.
  Result<net::SocketAddress> listener_address(const std::string& name) const;
  // Reads the certificate files of every listener again, for connections from now on. Where they cannot be used the old
  // certificate stays, and an event says why.
  void renew_certificates();
  // Takes effect for what is admitted and measured from now on; socket options only for new connections.
  void set_limits_blocking(const policy::LimitsPolicy& limits);

  // Asks the provider again for every session and cuts those refused; call it after each policy revision. `done` runs
  // on a shard once every shard has done so, or at once on this thread when they have ended.
  void recheck_rights(Task done);
  void recheck_rights_blocking();

  // Every viewer's truth. `done` runs on a shard.
  void collect_viewers(std::function<void(std::vector<ViewerStats>)> done);
  std::vector<ViewerStats> viewers_blocking();
  ServerCounters counters() const;

  // Ends every session with a BYE, closes every connection in order and every listener. Idempotent.
  void close_blocking();

 private:
  struct Listener;
  Status open_everywhere(const policy::ListenerPolicy& policy);
  bool close_everywhere(const std::string& name);

  std::shared_ptr<ServerShared> shared_;
  std::vector<std::unique_ptr<ServerShard>> shards_;
  // By shard and fixed, for calls from any thread; the anchor says whether the shard's part still lives.
  std::vector<std::pair<net::EventLoop*, std::weak_ptr<ShardAnchor>>> peers_;
  std::vector<Listener> listeners_;
  bool closed_ = false;
};

}  // namespace vigie::sink
