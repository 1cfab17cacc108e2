#include "source/sdp_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/fd.h"
#include "rtsp/key_management.h"
#include "rtsp/sdp.h"
#include "rtsp/sdp_address.h"
#include "rtsp/sdp_video.h"
#include "rtsp/text.h"

namespace vigie::source {
namespace {

constexpr size_t kMaxFileBytes = 64 << 10;  // as parse_sdp
constexpr Nanos kReportInterval = 5s;
constexpr size_t kReportBytes = 160;

Error unreadable(const std::string& path, std::string what) {
  return make_error(Code::file_unreadable, path, std::move(what));
}

Result<std::string> read_small_file(const std::string& path) {
  // Nonblocking: a pipe without a writer would hold up the loop.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return unreadable(path, std::strerror(errno));
  struct stat facts{};
  if (fstat(fd.get(), &facts) != 0) return unreadable(path, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) return unreadable(path, "not a file; right would be a session description (SDP)");
  std::string text(kMaxFileBytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, std::strerror(errno));
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMaxFileBytes) {
    return unreadable(path, "larger than " + std::to_string(kMaxFileBytes) + " bytes, which no session description is");
  }
  text.resize(size);
  return text;
}

// Line ends are those of whoever edited the file, and no deviation of a device (B7).
std::string with_crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' && !out.ends_with('\r')) out += '\r';
    out += c;
  }
  return out;
}

// The kernel's words say little about ports.
Error explained(Error error, const RtpEndpoint& endpoint) {
  if (error.code != Code::bind_failed) return error;
  if (error.what == std::strerror(EADDRINUSE)) {
    error.what = "the port is taken by another program or stream";
  } else if (error.what == std::strerror(EADDRNOTAVAIL)) {
    error.what = "the description sends to " + endpoint.rtp.host_text() +
                 ", which is no address of this machine; right would be one of its own, 0.0.0.0 or a group";
  }
  return error;
}

}  // namespace

SdpSource::SdpSource(SourceShard& shard, std::string where, const policy::StreamPolicy& policy, SourceMemory& memory,
                     AttemptEvents& events)
    : loop_(shard.loop()),
      where_(std::move(where)),
      path_(policy.url),
      interface_(policy.interface),
      memory_(memory),
      events_(events),
      srtp_(where_, memory.counters),
      port_(shard, where_, memory.counters, *this),
      alarm_(loop_, memory) {
  memory_.need_receiver(loop_.pool(), where_);
}

SdpSource::~SdpSource() {
  memory_.receiver->mute(*this);
  close();
}

void SdpSource::start() {
  if (Status opened = open(); !opened) {
    memory_.receiver->mute(*this);
    close();
    Error error = opened.error();
    error.where = where_ + ", " + path_ + (error.where.empty() || error.where == path_ ? "" : ", " + error.where);
    events_.on_attempt_ended(error);
    return;
  }
  if (!port_.is_open()) return;  // stopped when the track was told
  report_timer_ = loop_.add_timer(loop_.clock().now_mono() + kReportInterval, [this] { report(); });
  events_.on_attempt_ready("RTP by a session description, " + port_.text());
}

Status SdpSource::open() {
  const auto text = read_small_file(path_);
  if (!text) return text.error();
  const auto session = rtsp::parse_sdp(with_crlf(*text), &memory_.quirks);
  if (!session) return session.error();
  auto video = rtsp::pick_video(*session, &memory_.quirks);
  if (!video) return video.error();
  const rtsp::MediaDescription& media = session->medias[video->media_index];
  Result<rtsp::KeyOffer> offer{rtsp::KeyOffer{}};
  // FFmpeg writes a key beside RTP/AVP, and encrypts.
  const bool secure = rtsp::is_secure(media) || rtsp::brings_keys(media);
  if (secure) {
    offer = rtsp::choose_keys(*session, media, {});
    if (!offer) return offer.error();
  }
  if (Status keys = srtp_.begin(secure ? &offer->keys : nullptr); !keys) return keys;
  const auto address = rtsp::media_address(*session, media);
  if (!address) return address.error();
  auto endpoint = make_endpoint(*address);
  if (!endpoint) return endpoint.error();
  endpoint->interface = interface_;
  const RtpTrack track = make_track(media, std::move(*video));
  if (memory_.tape) memory_.tape->set_codec(track.codec);
  if (Status listening = port_.open(*endpoint); !listening) return explained(listening.error(), *endpoint);
  return memory_.receiver->begin(track, RtpPath::joined, port_.text(), *this);
}

void SdpSource::stop(Task done) {
  memory_.receiver->mute(*this);
  close();
  if (done) done();
}

void SdpSource::close() {
  loop_.cancel_timer(std::exchange(report_timer_, {}));
  loop_.cancel_timer(std::exchange(end_timer_, {}));
  alarm_.cancel();
  port_.close();
}

void SdpSource::report() {
  report_timer_ = loop_.add_timer(loop_.clock().now_mono() + kReportInterval, [this] { report(); });
  std::array<uint8_t, kReportBytes> memory;
  port_.send_report(srtp_.protect(memory, memory_.receiver->make_report(memory, loop_.clock().now_mono())));
}

bool SdpSource::decrypt(bool rtcp, ByteSpan& packet, MonoTime at) {
  std::optional<Error> fault;
  const bool taken = srtp_.open(rtcp, packet, at, port_.text(), fault);
  if (fault && srtp_.hopeless()) {
    // The file is read anew at the next attempt. From the loop: this call comes from the port's own reading.
    if (!end_timer_) {
      end_timer_ = loop_.add_timer(at, [this, why = std::make_unique<Error>(std::move(*fault))] {
        end_timer_ = {};
        memory_.receiver->mute(*this);
        close();
        events_.on_attempt_ended(*why);
      });
    }
  } else if (fault) {
    events_.on_attempt_fault(*fault);
  }
  return taken;
}

void SdpSource::on_port_packet(bool rtcp, ByteSpan packet, const rtp::Arrival& arrival) {
  if (srtp_.active() && !decrypt(rtcp, packet, arrival.mono)) return;
  if (memory_.tape) memory_.tape->add(rtcp, packet, arrival.mono);
  if (rtcp) {
    memory_.receiver->on_rtcp(packet, arrival);
  } else {
    memory_.receiver->on_rtp(packet, arrival);
  }
}
void SdpSource::on_port_drained() { alarm_.arm(); }
void SdpSource::on_port_fault(const Error& fault) { events_.on_attempt_fault(fault); }
void SdpSource::on_receiver_track(const TrackInfo& track) { events_.on_attempt_track(track); }
void SdpSource::on_receiver_unit(Ref<const AccessUnit> unit) { events_.on_attempt_unit(std::move(unit)); }
void SdpSource::on_receiver_fault(const Error& fault) { events_.on_attempt_fault(fault); }

}  // namespace vigie::source
