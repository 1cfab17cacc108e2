#include "source/libav_source.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/log.h>
#include <libavutil/mathematics.h>
}

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "source/container_config.h"

namespace vigie::source {
namespace {

constexpr AVRational kTicks{1, 90000};
constexpr int64_t kLongestStep = 10 * 90000;  // a file whose times jump further is played on without the jump
constexpr size_t kMaxPacketBytes = size_t{8} << 20;
constexpr size_t kMostUndated = 16;  // the deepest reordering of H.264 and H.265
// A live stream is looked at no longer than it takes to see its kind: what comes meanwhile is late.
constexpr const char* kLiveAnalysisUs = "1500000";

struct ContextDeleter {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
};
struct PacketDeleter {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};

std::string reason(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

std::optional<Codec> codec_of(AVCodecID id) {
  switch (id) {
    case AV_CODEC_ID_H264: return Codec::h264;
    case AV_CODEC_ID_HEVC: return Codec::h265;
    case AV_CODEC_ID_MJPEG: return Codec::mjpeg;
    default: return std::nullopt;
  }
}

}  // namespace

// One open input.
struct LibavReader::Pass {
  std::unique_ptr<AVFormatContext, ContextDeleter> context;
  AVStream* stream = nullptr;
};

LibavReader::LibavReader(MediaInput input, std::function<void()> wake, Limits limits)
    : input_(std::move(input)), wake_(std::move(wake)), limits_(limits) {
  // Signals are the host's: the thread is born with all of them blocked.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  pthread_setname_np(thread_.native_handle(), "vigie-media");
}

LibavReader::~LibavReader() {
  interrupt();
  thread_.join();
}

void LibavReader::interrupt() {
  {
    const std::lock_guard lock(mutex_);
    stop_.store(true, std::memory_order_relaxed);
  }
  room_.notify_all();
}

Error LibavReader::unreadable(std::string why) const {
  return make_error(input_.network ? Code::connection_lost : Code::file_unreadable, input_.name, std::move(why));
}

Error LibavReader::failed_open(int error) const {
  return input_.network ? make_error(Code::connect_failed, input_.name, reason(error)) : unreadable(reason(error));
}

std::optional<MediaInfo> LibavReader::info() const {
  const std::lock_guard lock(mutex_);
  return info_;
}

std::optional<MediaPacket> LibavReader::take() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    hungry_ = true;
    return std::nullopt;
  }
  MediaPacket packet = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= packet.bytes.size();
  room_.notify_one();
  return packet;
}

std::optional<Error> LibavReader::ended() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty() ? ended_ : std::nullopt;
}

int LibavReader::interrupted(void* self) {
  return static_cast<LibavReader*>(self)->stop_.load(std::memory_order_relaxed) ? 1 : 0;
}

bool LibavReader::put(MediaPacket packet) {
  bool wake = false;
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] {
      return stop_.load(std::memory_order_relaxed) || queue_.empty() ||
             (queue_.size() < limits_.packets && queue_bytes_ < limits_.bytes);
    });
    if (stop_.load(std::memory_order_relaxed)) return false;
    queue_bytes_ += packet.bytes.size();
    queue_.push_back(std::move(packet));
    wake = std::exchange(hungry_, false);
  }
  if (wake) wake_();
  return true;
}

void LibavReader::run() {
  // The library would print to the host's terminal; what matters comes back as an Error. A host that has chosen a level
  // of its own keeps it.
  if (av_log_get_level() == AV_LOG_INFO) av_log_set_level(AV_LOG_QUIET);
  std::optional<Error> end;
  while (!end) {
    end = read_once();
    if (end || input_.loop) continue;
    // A live stream has no end that is meant.
    const bool live = info()->live;
    end = make_error(live ? Code::connection_lost : Code::end_of_source, input_.name,
                     live ? "the other side ended the stream" : "it has been played to its end");
  }
  {
    const std::lock_guard lock(mutex_);
    ended_ = std::move(end);
  }
  if (!stop_.load(std::memory_order_relaxed)) wake_();
  gone_.store(true, std::memory_order_release);
}

std::optional<Error> LibavReader::read_once() {
  Pass pass;
  AVFormatContext* context = avformat_alloc_context();
  if (!context) return unreadable("out of memory");
  context->interrupt_callback = {&LibavReader::interrupted, this};
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", input_.protocols.c_str(), 0);
  av_dict_set(&options, "format_whitelist", input_.formats.c_str(), 0);
  for (const auto& [name, value] : input_.options) av_dict_set(&options, name.c_str(), value.c_str(), 0);
  if (input_.network) {
    av_dict_set(&options, "fflags", "nobuffer", 0);
    av_dict_set(&options, "analyzeduration", kLiveAnalysisUs, 0);
  }
  const int opened = avformat_open_input(&context, input_.url.c_str(), nullptr, &options);
  av_dict_free(&options);
  if (stop_.load(std::memory_order_relaxed)) {
    if (opened >= 0) avformat_close_input(&context);
    return make_error(Code::closed, input_.name, "stopped");
  }
  if (opened < 0) return failed_open(opened);
  pass.context.reset(context);
  if (const int found = avformat_find_stream_info(context, nullptr); found < 0) return failed_open(found);
  const int index = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (index < 0) return unreadable("it has no video track");
  pass.stream = context->streams[index];
  const AVCodecParameters& parameters = *pass.stream->codecpar;
  const std::optional<Codec> codec = codec_of(parameters.codec_id);
  if (!codec) {
    return unreadable(std::string("its video is ") + avcodec_get_name(parameters.codec_id) +
                      "; H264, HEVC and MJPEG can be played");
  }
  MediaInfo info;
  info.codec = *codec;
  info.reordered = parameters.video_delay > 0;
  info.format = context->iformat->name;
  // A segment of HLS, or a file behind HTTP, comes as fast as the network can.
  info.live = input_.network && context->duration == AV_NOPTS_VALUE && info.format.find("hls") == std::string::npos;
  // The raw demuxers of Annex B carry neither kind of time.
  info.timed = (context->iformat->flags & AVFMT_NOTIMESTAMPS) == 0;
  const size_t extra = parameters.extradata_size > 0 ? static_cast<size_t>(parameters.extradata_size) : 0;
  Result<ContainerConfig> config = parse_container_config(*codec, ByteSpan(parameters.extradata, extra));
  if (!config) return unreadable(config.error().what);
  info.length_size = config->length_size;
  info.parameter_sets = std::move(config->parameter_sets);
  const double guessed = av_q2d(av_guess_frame_rate(context, pass.stream, nullptr));
  if (guessed >= 0.1 && guessed <= 240) info.framerate = guessed;
  const auto frame = static_cast<int64_t>(90000 / info.framerate);
  bool first_pass = false;
  {
    const std::lock_guard lock(mutex_);
    first_pass = !info_;
    if (!first_pass && (info_->codec != info.codec || info_->length_size != info.length_size)) {
      return unreadable("it was changed while it was played");
    }
    info_ = info;
  }

  std::unique_ptr<AVPacket, PacketDeleter> packet(av_packet_alloc());
  if (!packet) return unreadable("out of memory");
  std::optional<int64_t> last_dts;
  bool any = false;
  // `times`: dts and pts in ticks; without them (Annex B) pictures follow each other at the frame rate.
  bool gap = false;
  std::vector<std::vector<uint8_t>> changed_sets;
  const auto give = [&](std::vector<uint8_t> bytes, std::optional<int64_t> dts, std::optional<int64_t> pts) {
    int64_t step = frame;
    if (dts && last_dts) step = *dts - *last_dts;
    if (dts) last_dts = dts;
    if (step <= 0) step = 1;
    if (step > kLongestStep) step = frame;
    if (any) next_time_ += Ticks90k{step};
    any = true;
    MediaPacket out;
    out.bytes = std::move(bytes);
    out.media_time = next_time_;
    out.gap = std::exchange(gap, false);
    out.parameter_sets = std::exchange(changed_sets, {});
    if (dts && pts && *pts >= *dts && *pts - *dts <= kLongestStep) out.presentation_offset = Ticks90k{*pts - *dts};
    return put(std::move(out));
  };
  // Matroska holds no dts: libavformat makes them up from the picture on at which reordering has its full depth. Those
  // before it wait here until then and get theirs counted backwards.
  std::vector<std::pair<std::vector<uint8_t>, int64_t>> undated;
  const auto give_undated = [&](std::optional<int64_t> next_dts) {
    bool going = true;
    auto left = static_cast<int64_t>(undated.size());
    for (auto& [bytes, pts] : undated) {
      const std::optional<int64_t> dts = next_dts ? std::optional(*next_dts - left * frame) : std::nullopt;
      going = going && give(std::move(bytes), dts, pts);
      --left;
    }
    undated.clear();
    return going;
  };
  for (;;) {
    const int read = av_read_frame(context, packet.get());
    if (stop_.load(std::memory_order_relaxed)) return make_error(Code::closed, input_.name, "stopped");
    if (read == AVERROR_EOF) break;
    if (read < 0) return unreadable(reason(read));
    if (packet->stream_index == index) {
      gap = gap || (packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
      size_t size = 0;
      if (const uint8_t* fresh = av_packet_get_side_data(packet.get(), AV_PKT_DATA_NEW_EXTRADATA, &size)) {
        Result<ContainerConfig> next = parse_container_config(*codec, ByteSpan(fresh, size));
        if (next && next->length_size == info.length_size) changed_sets = std::move(next->parameter_sets);
      }
    }
    if (packet->stream_index == index && packet->size > 0 && static_cast<size_t>(packet->size) <= kMaxPacketBytes) {
      const auto ticks = [&](int64_t time) -> std::optional<int64_t> {
        if (time == AV_NOPTS_VALUE) return std::nullopt;
        return av_rescale_q(time, pass.stream->time_base, kTicks);
      };
      const std::optional<int64_t> dts = ticks(packet->dts), pts = ticks(packet->pts);
      std::vector<uint8_t> bytes(packet->data, packet->data + packet->size);
      bool going = true;
      if (!dts && pts && !last_dts && info.reordered && undated.size() < kMostUndated) {
        undated.emplace_back(std::move(bytes), *pts);
      } else {
        going = give_undated(dts) && give(std::move(bytes), dts, pts);
      }
      if (!going) return make_error(Code::closed, input_.name, "stopped");
    }
    av_packet_unref(packet.get());
  }
  if (!give_undated(std::nullopt)) return make_error(Code::closed, input_.name, "stopped");
  if (!any) return unreadable("it holds no picture");
  next_time_ += Ticks90k{frame};
  return std::nullopt;
}

}  // namespace vigie::source
