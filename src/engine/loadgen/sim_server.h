#pragma once
// The RTSP server of all simulated cameras: one port, one thread.
#include <netinet/in.h>

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "loadgen/digest.h"
#include "loadgen/loop.h"
#include "loadgen/rtsp_text.h"
#include "loadgen/sim_camera.h"
#include "loadgen/sim_quirks_media.h"

namespace vigie::loadgen {

struct SimOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: any
  uint32_t cameras = 1;
  uint32_t first = 0;  // number of the first camera
  Pace pace;
  bool allow_tcp = true, allow_udp = true;
  Credentials credentials;  // empty: open
  bool offer_md5 = true, offer_sha256 = true;
  Nanos report_interval = 5s;
  Nanos session_timeout = 60s;
  bool keyframe_on_play = false;
  bool audio = false;  // the SDP also offers an audio track, without media
  uint64_t seed = 1;
  std::vector<QuirkSet> quirks;  // of each camera; empty: none has any
};

struct SimCounts {
  uint64_t connections = 0, requests = 0, unauthorized = 0, refused = 0, audio_setups = 0, timed_out = 0;
  uint64_t would_block = 0;         // writes the kernel did not take whole
  uint64_t backpressure_units = 0;  // runs of packets thrown away because a reader lagged beyond kMaxQueued
  uint64_t receiver_reports = 0, sender_reports = 0;
};

class SimConnection;

// Thread: one owner (the loop's).
class SimServer final : public UnitWriter, public Handler {
 public:
  static constexpr size_t kMaxQueued = 4 << 20;

  // The clips outlive the server; camera i plays clips[i]. They are shared, and those of cameras with quirks fit them.
  SimServer(Loop& loop, SimOptions options, const std::vector<Clip*>& clips);
  ~SimServer() override;
  // Errors: bind_failed.
  Status listen();
  uint16_t port() const { return port_; }
  const SimOptions& options() const { return options_; }

  void execute(const ControlCommand& command);
  // One JSON object, one line.
  std::string stats_json(bool per_camera) const;

  void begin_unit(SimCamera& camera) override;
  void write_packets(SimCamera& camera, UnitTrain& train, size_t from, size_t to, std::span<const uint32_t> order,
                     const PatchValues& values) override;
  void end_unit(SimCamera& camera) override;
  void on_ready(uint32_t events) override;  // new connections

 private:
  friend class SimConnection;
  // Faults that concern the RTSP side of one camera, and its running sessions.
  struct CameraSlot {
    std::unique_ptr<SimCamera> camera;
    QuirkSet quirks;
    std::unique_ptr<MediaQuirks> media;  // only where quirks concern what is sent
    std::vector<SimConnection*> sessions;
    bool scheduled = false;
    bool closed_down = false;
    bool refuse_credentials = false;
    int refuse_status = 0;
    Nanos answer_delay{0};
    std::string sdp_lie;
    bool huge_body = false;
    double wall_offset_seconds = 0;
    double clock_ppm = 0;
    MonoTime clock_ppm_since{};
    std::string clock_lie;
    bool no_reports = false;
    MonoTime last_report{};
    uint64_t report_packets = 0, report_octets = 0;
  };
  class UdpSockets;

  CameraSlot* find_camera(std::string_view uri);
  CameraSlot& slot_of(const SimCamera& camera) { return slots_[camera.number() - options_.first]; }
  std::string describe(const CameraSlot& slot, const std::string& base) const;
  void start_playing(CameraSlot& slot, SimConnection* session);
  void stop_playing(CameraSlot& slot, SimConnection* session);
  void schedule(CameraSlot& slot, MonoTime when);
  void set_fault(CameraSlot& slot, const Fault& fault);
  void clear_fault(CameraSlot& slot, FaultKind kind);
  void send_report(CameraSlot& slot);
  // By the camera's clock.
  uint64_t ntp_time(const CameraSlot& slot) const;
  void close(SimConnection* connection);
  void sweep();

  Loop& loop_;
  SimOptions options_;
  std::vector<CameraSlot> slots_;
  std::unordered_map<SimConnection*, std::unique_ptr<SimConnection>> connections_;
  std::unique_ptr<UdpSockets> udp_;
  Fd listener_;
  uint16_t port_ = 0;
  std::string nonce_;
  uint64_t next_session_ = 1;
  MonoTime started_{};
  SimCounts counts_;
  FastRandom random_;
  std::vector<uint8_t> scratch_;
};

}  // namespace vigie::loadgen
