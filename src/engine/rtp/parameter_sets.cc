#include "rtp/parameter_sets.h"

#include <algorithm>
#include <optional>

#include "rtp/annexb.h"
#include "rtp/h264_sps.h"
#include "rtp/h265_sps.h"

namespace vigie::rtp {
namespace {

constexpr size_t kMaxSetBytes = 4096;
constexpr size_t kMaxSps = 32, kMaxPps = 64, kMaxVps = 16;

std::optional<uint32_t> id_of(Codec codec, ByteSpan nal) {
  if (codec == Codec::h264) {
    return h264_nal_type(nal[0]) == h264::kSps ? h264_sps_id(nal) : h264_pps_id(nal);
  }
  switch (h265_nal_type(nal[0])) {
    case h265::kVps: return h265_vps_id(nal);
    case h265::kPps: return h265_pps_id(nal);
    default: {
      const std::optional<H265Sps> sps = parse_h265_sps(nal);
      return sps ? std::optional(sps->id) : std::nullopt;
    }
  }
}

// Whether something stands behind the end of an SPS (G9). H.265's is not read that far: there only zeros show.
bool has_stray_bytes(Codec codec, ByteSpan nal) {
  if (nal.back() == 0) return true;  // the last byte of a NAL unit never is (H.264 7.4.1, H.265 7.4.2)
  if (codec != Codec::h264) return false;
  const std::optional<H264Sps> sps = parse_h264_sps(nal);
  return sps && sps->stray_bytes > 0;
}

}  // namespace

ParameterSetTracker::ParameterSetTracker(Codec codec, Quirks* quirks) : codec_(codec), quirks_(quirks) {}

ParameterSetTracker::Table* ParameterSetTracker::table_for(ByteSpan nal, size_t& max_entries) {
  if (nal.empty() || codec_ == Codec::mjpeg) return nullptr;
  const bool is_h264 = codec_ == Codec::h264;
  const uint8_t type = is_h264 ? h264_nal_type(nal[0]) : h265_nal_type(nal[0]);
  if (type == (is_h264 ? h264::kSps : h265::kSps)) {
    max_entries = kMaxSps;
    return &sps_;
  }
  if (type == (is_h264 ? h264::kPps : h265::kPps)) {
    max_entries = kMaxPps;
    return &pps_;
  }
  if (!is_h264 && type == h265::kVps) {
    max_entries = kMaxVps;
    return &vps_;
  }
  return nullptr;
}

size_t ParameterSetTracker::seed(std::span<const std::vector<uint8_t>> nals) {
  size_t usable = 0;
  const auto take = [&](ByteSpan nal) {
    size_t limit = 0;
    if (!nal.empty() && (nal[0] & 0x80) == 0 && table_for(nal, limit)) {
      const uint64_t refused = refused_;
      observe(nal);
      if (refused_ == refused) ++usable;
    } else if (!nal.empty()) {
      ++refused_;
    }
  };
  for (const std::vector<uint8_t>& nal : nals) {
    if (find_start_code(nal) < nal.size()) {
      NalWalker walker(nal);
      for (ByteSpan piece; walker.next(piece);) take(piece);
    } else {
      take(nal);
    }
  }
  return usable;
}

bool ParameterSetTracker::observe(ByteSpan nal) {
  size_t max_entries = 0;
  Table* table = table_for(nal, max_entries);
  if (!table) return false;
  for (const Entry& entry : *table) {
    if (std::equal(nal.begin(), nal.end(), entry.nal.begin(), entry.nal.end())) return false;
  }
  const std::optional<uint32_t> id = nal.size() <= kMaxSetBytes ? id_of(codec_, nal) : std::nullopt;
  if (!id || (table == &sps_ && has_stray_bytes(codec_, nal) && !tolerates(quirks_, Quirk::G9))) {
    ++refused_;
    return false;
  }
  auto found = std::find_if(table->begin(), table->end(), [&](const Entry& entry) { return entry.id == *id; });
  if (found == table->end()) {
    if (table->size() >= max_entries) {
      ++refused_;
      return false;
    }
    found = table->insert(table->end(), Entry{*id, {}, {}});
  }
  found->nal.assign(nal.begin(), nal.end());
  found->picture.reset();
  std::rotate(table->begin(), found, found + 1);
  if (table == &sps_) {
    if (codec_ == Codec::h264) {
      const std::optional<H264Sps> sps = parse_h264_sps(nal);
      width_ = sps ? sps->width : 0;
      height_ = sps ? sps->height : 0;
      picture_ = sps ? sps->picture : PictureFacts{};
      if (sps) sps_.front().picture = sps->picture;
    } else if (const std::optional<H265Sps> sps = parse_h265_sps(nal)) {
      width_ = sps->width;
      height_ = sps->height;
      picture_ = sps->picture;
    }
  }
  dirty_ = true;
  return true;
}

bool ParameterSetTracker::observe_picture_size(uint32_t width, uint32_t height) {
  if (width == width_ && height == height_) return false;
  width_ = width;
  height_ = height;
  dirty_ = true;
  return true;
}

PpsFacts ParameterSetTracker::facts_of_pps(const Entry& pps) const {
  const std::optional<uint32_t> sps_id = h264_pps_sps_id(pps.nal);
  const auto sps = std::ranges::find_if(sps_, [&](const Entry& entry) { return entry.id == sps_id; });
  return {pps.id, sps == sps_.end() ? std::nullopt : sps->picture};
}

const Ref<const ParameterSets>& ParameterSetTracker::current() {
  if (!dirty_ && current_) return current_;
  dirty_ = false;
  auto sets = make_ref<ParameterSets>();
  sets->codec = codec_;
  sets->revision = ++revision_;
  sets->width = width_;
  sets->height = height_;
  sets->picture = picture_;
  const auto copy = [](const Table& from, std::vector<std::vector<uint8_t>>& to) {
    for (const Entry& entry : from) to.push_back(entry.nal);
  };
  copy(vps_, sets->vps);
  copy(sps_, sets->sps);
  copy(pps_, sets->pps);
  if (codec_ == Codec::h264) {
    for (const Entry& entry : pps_) sets->pps_facts.push_back(facts_of_pps(entry));
  }
  current_ = std::move(sets);
  return current_;
}

}  // namespace vigie::rtp
