#include "source/push_source.h"

#include <utility>

namespace vigie::source {

// What a port and its source share; outlives both.
struct PushPort::Shared {
  explicit Shared(net::EventLoop& l) : loop(&l), clock(&l.clock()) {}

  std::mutex mutex;              // guards loop: taken to post and to close, so that no post meets a dying loop
  net::EventLoop* loop;          // null once the stream has gone
  const Clock* clock;            // guarded likewise
  PushSource* source = nullptr;  // home shard only
  std::atomic<size_t> units{0};
  std::atomic<size_t> bytes{0};

  void arrive(Ref<const AccessUnit> unit) {
    units.fetch_sub(1, std::memory_order_relaxed);
    bytes.fetch_sub(unit->payload.size(), std::memory_order_relaxed);
    if (source) source->take(std::move(unit));
  }
};

PushPort::PushPort(SourceShard& shard, std::string where, PushLimits limits)
    : where_(std::move(where)),
      limits_(limits),
      shared_(std::make_shared<Shared>(shard.loop())),
      pool_(size_t{4} << 20) {}

Status PushPort::push(const PushedPicture& picture) {
  const std::lock_guard lock(mutex_);
  rtp::Arrival arrival;
  {
    const std::lock_guard guard(shared_->mutex);
    if (!shared_->loop) return make_error(Code::closed, where_, "the stream has gone");
    arrival = {shared_->clock->now_mono(), shared_->clock->now_wall()};
  }
  if (picture.codec != Codec::h264 && picture.codec != Codec::h265 && picture.codec != Codec::mjpeg) {
    return make_error(Code::invalid_argument, where_, "codec must be H264, H265 or JPEG");
  }
  const bool prefixed = picture.length_size != 0;
  if (prefixed && (picture.codec == Codec::mjpeg || picture.length_size == 3 || picture.length_size > 4)) {
    return make_error(Code::invalid_argument, where_, "length_size must be 0, 1, 2 or 4, and 0 for JPEG");
  }
  if (picture.bytes.empty()) return make_error(Code::payload_malformed, where_, "the picture has no bytes");
  if (picture.bytes.size() > rtp::kMaxUnitBytes) {
    return make_error(Code::unit_too_large, where_,
                      std::to_string(picture.bytes.size()) + " bytes, at most " + std::to_string(rtp::kMaxUnitBytes));
  }
  const size_t units = shared_->units.load(std::memory_order_relaxed);
  const size_t bytes = shared_->bytes.load(std::memory_order_relaxed);
  if (units >= limits_.units_in_flight || bytes + picture.bytes.size() > limits_.bytes_in_flight) {
    gap_ = true;
    overflows_.fetch_add(1, std::memory_order_relaxed);
    return make_error(Code::limit_exceeded, where_,
                      std::to_string(units) + " pictures (" + std::to_string(bytes) + " bytes) wait for the engine");
  }

  if (!tracker_ || codec_ != picture.codec) {
    codec_ = picture.codec;
    tracker_ = std::make_unique<rtp::ParameterSetTracker>(picture.codec);
  }
  rtp::UnitFacts facts;
  const Ticks90k media = picture.pts.value_or(std::chrono::duration_cast<Ticks90k>(arrival.mono.time_since_epoch()));
  facts.rtp_timestamp = static_cast<uint32_t>(media.count());
  const rtp::MediaTime time = timeline_.map(facts.rtp_timestamp, arrival.mono);
  facts.pts = time.pts;
  facts.presentation_offset = time.presentation_offset;
  facts.capture_time = picture.capture_time.value_or(arrival.wall);
  facts.clock_quality = picture.capture_time ? ClockQuality::reported : ClockQuality::none;
  facts.arrival = arrival;
  facts.gap = picture.gap || gap_;
  Result<Ref<const AccessUnit>> unit =
      prefixed ? rtp::make_access_unit_length_prefixed(picture.codec, picture.bytes, picture.length_size, facts,
                                                       *tracker_, pool_)
               : rtp::make_access_unit(picture.codec, picture.bytes, facts, *tracker_, pool_);
  if (!unit) {
    Error error = std::move(unit).error();
    error.where = error.where.empty() ? where_ : where_ + ", " + error.where;
    return error;
  }

  const std::lock_guard guard(shared_->mutex);
  if (!shared_->loop) return make_error(Code::closed, where_, "the stream has gone");
  shared_->units.fetch_add(1, std::memory_order_relaxed);
  shared_->bytes.fetch_add((*unit)->payload.size(), std::memory_order_relaxed);
  if (!shared_->loop->post(
          [shared = shared_, taken = std::move(*unit)]() mutable { shared->arrive(std::move(taken)); })) {
    return make_error(Code::closed, where_, "the engine is closing");
  }
  gap_ = false;
  return {};
}

void PushPort::close() {
  const std::lock_guard guard(shared_->mutex);
  shared_->loop = nullptr;
}

PushSource::PushSource(std::shared_ptr<PushPort> port, AttemptEvents& events)
    : port_(std::move(port)), events_(events) {}

PushSource::~PushSource() { port_->shared_->source = nullptr; }

void PushSource::start() {
  port_->shared_->source = this;
  events_.on_attempt_ready("pushed by the host");
}

void PushSource::stop(Task done) {
  port_->shared_->source = nullptr;
  if (done) done();
}

void PushSource::take(Ref<const AccessUnit> unit) {
  if (unit->parameter_sets.get() != announced_.get() || unit->codec != announced_codec_) {
    announced_ = unit->parameter_sets;
    announced_codec_ = unit->codec;
    events_.on_attempt_track(TrackInfo{unit->codec, unit->parameter_sets, 0});
  }
  events_.on_attempt_unit(std::move(unit));
}

}  // namespace vigie::source
