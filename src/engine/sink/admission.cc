#include "sink/admission.h"

namespace vigie::sink {

namespace {

uint32_t count_of(const std::unordered_map<std::string, uint32_t>& map, const std::string& key) {
  const auto it = map.find(key);
  return it == map.end() ? 0 : it->second;
}

void decrement(std::unordered_map<std::string, uint32_t>& map, const std::string& key) {
  const auto it = map.find(key);
  if (it == map.end()) return;
  if (--it->second == 0) map.erase(it);
}

Error refusal(std::string where, const char* which, uint32_t limit) {
  return make_error(Code::admission_refused, std::move(where),
                    std::string(which) + " is at its limit of " + std::to_string(limit));
}

}  // namespace

Status Admission::try_enter(const std::string& peer_host, const StreamKey& key, const policy::LimitsPolicy& limits) {
  const std::string stream = key.text();
  const std::lock_guard lock(mutex_);
  if (total_ >= limits.sessions) return refusal(stream, "the number of sessions", limits.sessions);
  if (count_of(per_peer_, peer_host) >= limits.sessions_per_peer) {
    return refusal(peer_host, "the number of sessions of one address", limits.sessions_per_peer);
  }
  if (count_of(per_stream_, stream) >= limits.sessions_per_stream) {
    return refusal(stream, "the number of sessions of one stream", limits.sessions_per_stream);
  }
  ++total_;
  ++per_peer_[peer_host];
  ++per_stream_[stream];
  return {};
}

void Admission::leave(const std::string& peer_host, const StreamKey& key) {
  const std::string stream = key.text();
  const std::lock_guard lock(mutex_);
  --total_;
  decrement(per_peer_, peer_host);
  decrement(per_stream_, stream);
}

uint32_t Admission::sessions() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace vigie::sink
