#pragma once
// One simulated viewer: connects, plays, checks what comes, keeps the session alive.
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loadgen/digest.h"
#include "loadgen/loop.h"
#include "loadgen/rtsp_text.h"
#include "loadgen/unit_checker.h"

namespace vigie::loadgen {

struct ViewerOptions {
  std::string url;
  int64_t camera = -1;  // number that the stamps must carry
  bool udp = false;
  bool stalled = false;  // never reads once PLAY was sent
  Credentials credentials;
  Nanos keep_alive = 25s;
  Nanos answer_timeout = 10s;
  Nanos retry_delay = 1s;
};

// What all viewers share: the loop, one receive buffer, the histograms.
struct ViewerShared {
  explicit ViewerShared(Loop& the_loop) : loop(the_loop), buffer(512 << 10) {}
  Loop& loop;
  std::vector<uint8_t> buffer;
  LatencyHistogram latency, first_picture, connect_to_picture, live_edge;
  bool measuring = false;
  CheckCounts finished;  // of connections that ended while measuring
  uint64_t connects = 0, began_without_keyframe = 0, failures = 0, disconnects = 0;
  std::string last_failure;  // newest, in words
};

// Thread: one owner (the loop's).
class Viewer final : public Handler {
 public:
  Viewer(ViewerShared& shared, ViewerOptions options);
  ~Viewer() override;

  void start();
  // Closes and connects again at once: churn.
  void reconnect();
  void stop();
  void on_ready(uint32_t events) override;

  bool playing() const { return state_ == State::playing; }
  // A whole unit has come since the last PLAY.
  bool has_picture() const { return checker_ && checker_->first_unit_ns() != 0; }
  const ViewerOptions& options() const { return options_; }
  // Begins to count; keeps what is needed to notice the next hole.
  void clear_counts();
  CheckCounts counts() const { return checker_ ? checker_->counts() : CheckCounts(); }

 private:
  enum class State : uint8_t { idle, connecting, describing, setting_up, starting, playing };
  class UdpPair;

  void read();
  void consume(const uint8_t* data, size_t size, int64_t now_ns);
  void consume_messages(const uint8_t* data, size_t size, int64_t now_ns);
  void on_media(ByteSpan rtp, int64_t now_ns);
  void note_progress();
  void on_response(const RtspText& response);
  bool read_description(const RtspText& response);
  void request(std::string_view method, const std::string& url, const std::string& headers = {});
  void send_setup();
  void keep_alive(uint64_t attempt);
  void fail(const std::string& why);
  void close();
  void end_check();

  ViewerShared& shared_;
  ViewerOptions options_;
  std::string host_, path_url_;
  sockaddr_storage address_{};
  socklen_t address_size_ = 0;
  State state_ = State::idle;
  Fd fd_;
  std::unique_ptr<UdpPair> udp_;
  std::vector<uint8_t> rest_;  // begin of a message that has not come whole
  uint64_t attempt_ = 0;       // counts connections; late timers compare it
  uint32_t cseq_ = 0;
  std::string method_, request_url_, request_headers_;  // the request that waits for its answer
  std::string challenge_;
  bool tried_auth_ = false;
  std::string session_, base_url_, track_url_;
  Codec codec_ = Codec::h264;
  std::optional<UnitChecker> checker_;
  int64_t connect_ns_ = 0, play_ns_ = 0;
  bool picture_noted_ = false, lag_noted_ = false;
};

}  // namespace vigie::loadgen
