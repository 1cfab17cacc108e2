#include "source/container_source.h"

#include <algorithm>
#include <utility>

#include "base/start_code.h"
#include "rtp/nal_kind.h"
#include "rtp/unit_maker.h"
#include "source/container_config.h"

namespace vigie::source {
namespace {

constexpr Nanos kLatest = 200ms;  // further behind, the file is played on from now rather than faster

bool is_sps(Codec codec, ByteSpan nal) {
  return codec == Codec::h264 ? h264_nal_type(nal[0]) == h264::kSps : h265_nal_type(nal[0]) == h265::kSps;
}

}  // namespace

ContainerSource::ContainerSource(SourceShard& shard, std::string where, MediaInput input, FileMemory& memory,
                                 AttemptEvents& events)
    : shard_(shard),
      loop_(shard.loop()),
      where_(std::move(where)),
      input_(std::move(input)),
      memory_(memory),
      events_(events) {}

ContainerSource::~ContainerSource() {
  *alive_ = false;
  loop_.cancel_timer(timer_);
  shard_.retire(std::move(reader_));
}

void ContainerSource::start() {
  const auto wake = [this, &loop = loop_, alive = alive_] {
    loop.post([this, alive] {
      if (*alive) pump();
    });
  };
  reader_ = std::make_unique<LibavReader>(input_, wake, LibavReader::Limits{});
}

void ContainerSource::stop(Task done) {
  finished_ = true;
  loop_.cancel_timer(std::exchange(timer_, {}));
  shard_.retire(std::move(reader_));
  if (done) done();
}

MonoTime ContainerSource::due(Ticks90k media_time) const {
  return anchor_time_ + std::chrono::duration_cast<Nanos>(media_time - anchor_media_);
}

bool ContainerSource::open() {
  if (info_) return true;
  info_ = reader_->info();
  if (!info_) return false;
  tracker_.emplace(info_->codec);
  tracker_->seed(info_->parameter_sets);
  std::string how = input_.network ? info_->format + (info_->live ? ", live" : ", by its own times") : "file";
  if (info_->reordered) {
    how += info_->timed ? " with B pictures, sent in decoding order"
                        : " with B pictures but without times: players will show them in decoding order";
  }
  events_.on_attempt_ready(how);
  if (finished_) return false;
  announced_ = tracker_->current();
  events_.on_attempt_track(TrackInfo{info_->codec, announced_, info_->framerate});
  return !finished_;
}

void ContainerSource::pump() {
  if (finished_ || !open()) {
    if (!finished_ && reader_ && reader_->ended()) end(*reader_->ended());
    return;
  }
  while (!finished_) {
    const MonoTime now = loop_.clock().now_mono();
    if (!next_) {
      next_ = reader_->take();
      if (!next_) {
        if (const std::optional<Error> why = reader_->ended()) end(*why);
        return;  // the reader wakes us
      }
    }
    if (!anchored_) {
      if (!memory_.started) {
        memory_.started = true;
        memory_.epoch = now;
      }
      const Ticks90k elapsed = std::chrono::duration_cast<Ticks90k>(now - memory_.epoch);
      pts_base_ = std::max(memory_.last_pts + Ticks90k{1}, elapsed) - next_->media_time;
    }
    if (!anchored_ || now > due(next_->media_time) + kLatest) {
      anchored_ = true;
      anchor_media_ = next_->media_time;
      anchor_time_ = now;
    }
    const MonoTime when = due(next_->media_time);
    if (now < when && !info_->live) {
      if (!timer_ || !loop_.move_timer(timer_, when)) {
        timer_ = loop_.add_timer(when, [this] {
          timer_ = {};
          pump();
        });
      }
      return;
    }
    const MediaPacket packet = std::move(*next_);
    next_.reset();
    if (!deliver(packet)) return;
  }
}

bool ContainerSource::deliver(const MediaPacket& packet) {
  rtp::UnitFacts facts;
  facts.pts = pts_base_ + packet.media_time;
  facts.presentation_offset = packet.presentation_offset;
  facts.rtp_timestamp = static_cast<uint32_t>((facts.pts + facts.presentation_offset).count());
  facts.arrival = {loop_.clock().now_mono(), loop_.clock().now_wall()};
  facts.capture_time = facts.arrival.wall;
  facts.gap = packet.gap;
  if (!packet.parameter_sets.empty()) info_->parameter_sets = packet.parameter_sets;
  memory_.last_pts = facts.pts;
  const Codec codec = info_->codec;
  const ByteSpan bytes(packet.bytes);
  Result<Ref<const AccessUnit>> unit = make_error(Code::payload_malformed, {}, {});
  if (codec == Codec::mjpeg) {
    unit = rtp::make_access_unit(codec, bytes, facts, *tracker_, loop_.pool());
  } else {
    nals_.clear();
    bool whole = true;
    if (info_->length_size > 0) {
      whole = split_length_prefixed(bytes, info_->length_size, nals_);
    } else {
      NalWalker walker(bytes);
      for (ByteSpan nal; nals_.size() < rtp::kMaxUnitNals && walker.next(nal);) nals_.push_back(nal);
    }
    if (!whole) {
      events_.on_attempt_fault(make_error(Code::payload_malformed, where_ + ", " + input_.name,
                                          "a NAL unit's length goes beyond its picture; the picture is dropped"));
      return !finished_;
    }
    const bool keyframe =
        std::any_of(nals_.begin(), nals_.end(), [codec](ByteSpan nal) { return rtp::nal_kind(codec, nal).keyframe; });
    const bool has_sps = std::any_of(nals_.begin(), nals_.end(), [codec](ByteSpan nal) { return is_sps(codec, nal); });
    if (keyframe && !has_sps) {
      // Behind an access unit delimiter, which must stay first.
      const bool aud = !nals_.empty() && (codec == Codec::h264 ? h264_nal_type(nals_[0][0]) == h264::kAud
                                                               : h265_nal_type(nals_[0][0]) == h265::kAud);
      nals_.insert(nals_.begin() + (aud ? 1 : 0), info_->parameter_sets.begin(), info_->parameter_sets.end());
    }
    unit = rtp::make_access_unit(codec, std::span<const ByteSpan>(nals_), facts, *tracker_, loop_.pool());
  }
  if (!unit) {
    Error error = std::move(unit).error();
    error.where = where_ + ", " + input_.name;
    events_.on_attempt_fault(error);
    return !finished_;
  }
  if ((*unit)->parameter_sets.get() != announced_.get()) {
    announced_ = (*unit)->parameter_sets;
    events_.on_attempt_track(TrackInfo{codec, announced_, info_->framerate});
    if (finished_) return false;
  }
  events_.on_attempt_unit(std::move(*unit));
  return !finished_;
}

void ContainerSource::end(const Error& reason) {
  if (finished_) return;
  finished_ = true;
  Error error = reason;
  error.where = where_ + ", " + reason.where;
  events_.on_attempt_ended(error);
}

}  // namespace vigie::source
