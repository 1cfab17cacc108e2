#pragma once
// One RTSP connection to the simulated cameras, and the one session on it.
#include <sys/socket.h>

#include "loadgen/sim_quirks_text.h"
#include "loadgen/sim_server.h"

namespace vigie::loadgen {

class SimConnection final : public Handler {
 public:
  SimConnection(SimServer& server, Fd fd, const sockaddr_storage& peer, socklen_t peer_size);
  ~SimConnection() override;

  void on_ready(uint32_t events) override;
  // Sends bytes now or queues what the kernel does not take. False when the queue is full: nothing was sent.
  bool send_bytes(const uint8_t* data, size_t size);
  void send_datagrams(const UnitTrain& train, std::span<const uint32_t> order);
  void send_control(ByteSpan rtcp);

  void heard_control_from(const sockaddr_storage& from);
  // An answer that waits for its place between pictures (E3, E7, J1).
  bool holds_answer() const { return !held_.empty(); }
  bool answers_inside() const { return text_.answers_inside(udp_); }
  std::string take_answer() { return std::exchange(held_, {}); }
  Nanos patience() const;

  int fd() const { return fd_.get(); }
  bool udp() const { return udp_; }
  uint8_t channel() const { return channel_; }
  // The session takes part from the first unit that begins after PLAY.
  bool joined = false;
  SimServer::CameraSlot* slot = nullptr;
  bool playing = false;
  bool closing = false;
  MonoTime last_heard{};

 private:
  void read();
  void flush();
  void want(uint32_t events);
  void handle(const RtspText& request);
  using Headers = std::vector<std::pair<std::string, std::string>>;
  void answer(const RtspText& request, int status, std::string_view reason, Headers headers = {},
              std::string body = {});
  void deliver(const RtspText& request, SimAnswer answer);
  void heard(LifeSign sign);
  bool authorized(const RtspText& request, const SimServer::CameraSlot& camera);
  void setup(const RtspText& request, SimServer::CameraSlot& camera);
  void play(const RtspText& request, SimServer::CameraSlot& camera);

  SimServer& server_;
  Fd fd_;
  sockaddr_storage peer_{}, media_{}, control_{};
  socklen_t peer_size_ = 0;
  std::string in_;
  std::string out_;
  size_t out_at_ = 0;
  uint32_t wanted_ = 0;
  std::string session_;
  bool udp_ = false;
  uint8_t channel_ = 0, control_channel_ = 1;
  QuirkedText text_;
  std::string held_;
  bool waits_for_client_ = false;  // A15: no pictures before our own request is answered
};

}  // namespace vigie::loadgen
