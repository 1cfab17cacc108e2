#include "loadgen/sim_quirks_media.h"

#include <algorithm>

namespace vigie::loadgen {
namespace {

using enum Quirk;

constexpr size_t kRtpHeader = 12;
constexpr uint8_t kUnusedChannel = 200;
constexpr uint32_t kTicks = 90000;

// Header extension and CSRCs are there with F9.
ByteSpan payload_of(const UnitTrain& train, const PacketSpan& packet) {
  const ByteSpan bytes = ByteSpan(train.bytes).subspan(packet.offset, packet.size);
  size_t header = kRtpHeader + 4 * size_t{bytes[0] & 0x0fu};
  if (bytes[0] & 0x10) header += 4 + 4 * size_t{load_be16(&bytes[header + 2])};
  return bytes.subspan(header);
}

struct PacketFacts {
  bool picture = false;   // of a slice
  bool ends_nal = false;  // its NAL unit's last
};

PacketFacts facts_of(ByteSpan payload, Codec codec) {
  const size_t header = codec == Codec::h265 ? 2 : 1;
  if (payload.size() <= header) return {};
  uint8_t type = codec == Codec::h265 ? h265_nal_type(payload[0]) : h264_nal_type(payload[0]);
  PacketFacts facts{false, true};
  if (type == (codec == Codec::h265 ? 49 : 28)) {
    facts.ends_nal = payload[header] & 0x40;
    type = payload[header] & (codec == Codec::h265 ? 0x3f : 0x1f);
  }
  facts.picture = codec == Codec::h265 ? h265::is_vcl(type) : type >= h264::kSlice && type <= h264::kIdr;
  return facts;
}

void append(std::vector<uint8_t>& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace

std::unique_ptr<MediaQuirks> MediaQuirks::make(const QuirkSet& quirks, Codec codec) {
  constexpr Quirk kConcerned[] = {B15, E1, E2, E3,  E4, E6, E7, E9, F1, F2, F3, F4, F5,
                                  F6,  F7, F8, F12, I1, I2, I3, I4, I5, I6, I8, J1};
  if (std::none_of(std::begin(kConcerned), std::end(kConcerned), [&](Quirk each) { return quirks.has(each); })) {
    return nullptr;
  }
  return std::unique_ptr<MediaQuirks>(new MediaQuirks(quirks, codec));
}

MediaQuirks::MediaQuirks(const QuirkSet& quirks, Codec codec) : quirks_(quirks), codec_(codec) {
  wraps_ = has(E1) || has(E2) || has(E4) || has(E6) || has(E7);
  single_packets_ = (has(F1) || has(F3) || has(F4)) && codec != Codec::mjpeg;
}

void MediaQuirks::begin_play(uint32_t timestamp) {
  if (has(I2)) offset_ = 0 - timestamp;
  if (has(I6)) offset_ = 0 - timestamp - 4 * kTicks;
}

void MediaQuirks::begin_unit(uint16_t first_sequence, uint32_t timestamp) {
  ++units_;
  if (has(I4) && units_ % 200 == 80) offset_ -= 3 * kTicks;
  if (has(F8) && units_ % 250 == 90) sequence_shift_ = static_cast<uint16_t>(0 - first_sequence);
  unit_delta_ = 0;
  if (has(I1) && units_ % 100 == 40) unit_delta_ = units_ % 200 == 40 ? 0 - 9800 * kTicks : 37600 * kTicks;
  if (has(I5)) {
    if (units_ % 250 == 60) frozen_ = last_in_;
    if (units_ % 250 >= 60 && units_ % 250 < 70) {
      unit_delta_ = frozen_ - timestamp;
    } else if (units_ % 50 == 10) {
      unit_delta_ = last_in_ - timestamp;
    }
  }
  last_in_ = timestamp;
  last_out_ = out_;
  out_ = timestamp + offset_ + unit_delta_;
}

void MediaQuirks::bend(PatchValues& values) const {
  values.rtp_timestamp += offset_ + unit_delta_;
  values.first_sequence = static_cast<uint16_t>(values.first_sequence + sequence_shift_);
  if (has(F7)) values.ssrc = (values.ssrc ^ 0x5a5a5a5a) + static_cast<uint32_t>(units_ / 250);
  if (has(B15)) values.payload_type = 35;
  if (has(F2)) values.marker = false;
}

void MediaQuirks::bend_headers(UnitTrain& train, size_t from, size_t to) const {
  if (!single_packets_) return;
  // The unit before a keyframe is known from the second unit on.
  bool before_picture = has(F4) && train.keyframe && units_ > 1;
  for (size_t i = 0; i < to; ++i) {
    const PacketFacts facts = facts_of(payload_of(train, train.packets[i]), codec_);
    before_picture = before_picture && !facts.picture;
    if (i < from) continue;
    uint8_t* header = train.bytes.data() + train.packets[i].offset;
    if (facts.ends_nal && has(facts.picture ? F3 : F1)) header[1] |= 0x80;
    if (before_picture) store_be32(header + 4, last_out_);
  }
}

ByteSpan MediaQuirks::wrap(const UnitTrain& train, size_t from, size_t to, ByteSpan frames, std::string_view answer) {
  scratch_.clear();
  if (from == 0) {
    if (has(E1) && units_ % 25 == 5) {
      // Neither a dollar sign nor letters.
      for (uint8_t i = 0; i < 12; ++i) scratch_.push_back(static_cast<uint8_t>(0x80 + 5 * i));
    }
    if (has(E4) && units_ % 25 == 15) {
      const uint8_t head[4] = {'$', kUnusedChannel, 0, 32};
      append(scratch_, head);
      scratch_.insert(scratch_.end(), 32, 0x80);
    }
    if (has(E6)) append(scratch_, as_bytes("\r\n"));
  }
  size_t cut = 0;
  if (!answer.empty() && to - from > 1 && frames.size() > 4) {
    cut = 4 + size_t{load_be16(&frames[2])};
    append(scratch_, frames.first(cut));
  }
  append(scratch_, as_bytes(answer));
  append(scratch_, frames.subspan(cut));
  if (has(E2) && to == train.packets.size() && units_ % 50 == 30) {
    append(scratch_, frames.last(std::min<size_t>(27, frames.size())));
  }
  return scratch_;
}

void MediaQuirks::bend_report(std::span<uint8_t> report) {
  ++reports_;
  if (has(F7)) {
    PatchValues values;
    values.ssrc = load_be32(&report[4]);
    bend(values);
    store_be32(&report[4], values.ssrc);
    store_be32(&report[32], values.ssrc);
  }
  store_be32(&report[16], load_be32(&report[16]) + offset_);
  uint64_t ntp = uint64_t{load_be32(&report[8])} << 32 | load_be32(&report[12]);
  const auto gain = [&](double seconds) { ntp += static_cast<uint64_t>(seconds * 4294967296.0); };
  if (has(I3)) {
    const auto steps = reports_ / 4;
    gain(3.7 * static_cast<double>(steps));
  }
  if (has(I8)) gain(0.01 * static_cast<double>(reports_));
  if (has(F12)) ntp = 0;
  store_be32(&report[8], static_cast<uint32_t>(ntp >> 32));
  store_be32(&report[12], static_cast<uint32_t>(ntp));
}

std::vector<std::vector<uint8_t>> MediaQuirks::more_reports(ByteSpan report, bool tcp) const {
  std::vector<std::vector<uint8_t>> more;
  if (has(F5)) {
    // Says it is 256 KiB long; then one of an unknown kind.
    more.push_back({0x80, 200, 0xff, 0xff, report[4], report[5], report[6], report[7]});
    more.push_back({0x81, 222, 0, 1, report[4], report[5], report[6], report[7]});
  }
  if (has(F6)) {
    std::vector<uint8_t> stranger(report.begin(), report.begin() + 28);
    store_be32(&stranger[4], load_be32(&stranger[4]) ^ 0x00ff00ff);
    store_be32(&stranger[8], load_be32(&stranger[8]) + 1000);
    more.push_back(std::move(stranger));
  }
  if (has(E9) && tcp) {
    std::vector<uint8_t>& endless = more.emplace_back();
    for (int i = 0; i < 3000; ++i)
      append(endless, std::vector<uint8_t>{0x80, 201, 0, 1, report[4], report[5], report[6], report[7]});
  }
  return more;
}

namespace {

// Packs NAL units as a camera with these quirks does.
class QuirkedPacker {
 public:
  QuirkedPacker(Codec codec, size_t max_payload, const QuirkSet& quirks)
      : codec_(codec),
        header_(codec == Codec::h265 ? 2 : 1),
        max_payload_(max_payload),
        quirks_(quirks),
        builder_(codec, max_payload) {}

  UnitTrain pack(std::vector<std::vector<uint8_t>> nals, bool keyframe) {
    change(nals, keyframe);
    for (const std::vector<uint8_t>& nal : nals) add(nal);
    return builder_.finish(keyframe);
  }

 private:
  uint8_t type_of(ByteSpan nal) const { return codec_ == Codec::h265 ? h265_nal_type(nal[0]) : h264_nal_type(nal[0]); }
  bool is_sps(uint8_t type) const { return type == (codec_ == Codec::h265 ? h265::kSps : h264::kSps); }
  bool is_set(uint8_t type) const {
    return codec_ == Codec::h265 ? type >= h265::kVps && type <= h265::kPps : type == h264::kSps || type == h264::kPps;
  }

  void change(std::vector<std::vector<uint8_t>>& nals, bool keyframe) const {
    if (quirks_.has(G7)) std::erase_if(nals, [&](const auto& nal) { return is_set(type_of(nal)); });
    if (quirks_.has(G9)) {
      for (auto& nal : nals) {
        if (is_sps(type_of(nal))) nal.push_back(0x80);
      }
    }
    if (quirks_.has(G1) && keyframe) {
      const auto first = std::find_if(nals.begin(), nals.end(), [&](const auto& nal) { return is_set(type_of(nal)); });
      while (first != nals.end() && first + 1 != nals.end()) {
        const bool set = is_set(type_of(first[1]));
        append(*first, std::vector<uint8_t>{0, 0, 0, 1});
        append(*first, first[1]);
        nals.erase(first + 1);
        if (!set) break;
      }
    }
    if (quirks_.has(G11)) {
      // Delimiter (any slice type); reserved 30 and 31; H.265: reserved 44, unspecified 56.
      const std::vector<std::vector<uint8_t>> strangers =
          codec_ == Codec::h265 ? std::vector<std::vector<uint8_t>>{{35 << 1, 1, 0x50},
                                                                    {44 << 1, 1, 0xaa, 0x80},
                                                                    {56 << 1, 1, 0xaa, 0x80}}
                                : std::vector<std::vector<uint8_t>>{{9, 0xf0}, {30, 0xaa, 0x80}, {31, 0xaa, 0x80}};
      nals.insert(nals.begin(), strangers.begin(), strangers.end());
    }
  }

  void add(ByteSpan nal) {
    if (nal.size() > max_payload_) return add_fragments(nal, max_payload_ - header_ - 1);
    if (quirks_.has(G6) && is_set(type_of(nal))) return add_fragments(nal, (nal.size() - header_ + 1) / 2);
    if (quirks_.has(G2)) return add_fragments(nal, nal.size());
    builder_.add_payload({}, nal);
  }

  void add_fragments(ByteSpan nal, size_t room) {
    const uint8_t type = type_of(nal);
    const bool hevc = codec_ == Codec::h265;
    uint8_t head[3] = {};
    head[0] = static_cast<uint8_t>(hevc ? (nal[0] & 0x81) | 49 << 1 : (nal[0] & 0xe0) | 28);
    if (hevc) head[1] = nal[1];
    for (size_t at = header_; at < nal.size(); at += room) {
      const size_t size = std::min(room, nal.size() - at);
      const bool first = at == header_, last = at + size == nal.size();
      uint8_t fu = type;
      if (last && !first && quirks_.has(G3)) fu = static_cast<uint8_t>(type ^ 1);
      fu = static_cast<uint8_t>(fu | (first ? 0x80 : 0) | (last ? 0x40 : 0) | (quirks_.has(G5) && !hevc ? 0x20 : 0));
      head[header_] = fu;
      builder_.add_payload({head, header_ + 1}, nal.subspan(at, size));
      if (first && !last && quirks_.has(G4)) {
        head[header_] = static_cast<uint8_t>(fu & ~0x80);
        builder_.add_payload({head, header_ + 1}, {});
      }
    }
  }

  Codec codec_;
  size_t header_;
  size_t max_payload_;
  const QuirkSet& quirks_;
  TrainBuilder builder_;
};

// What TrainBuilder::add_nal made of each NAL unit, put together again.
std::vector<std::vector<uint8_t>> nals_of(const UnitTrain& train, Codec codec) {
  const size_t header = codec == Codec::h265 ? 2 : 1;
  std::vector<std::vector<uint8_t>> nals;
  for (const PacketSpan& packet : train.packets) {
    const ByteSpan payload = payload_of(train, packet);
    const uint8_t type = codec == Codec::h265 ? h265_nal_type(payload[0]) : h264_nal_type(payload[0]);
    if (type != (codec == Codec::h265 ? 49 : 28)) {
      nals.emplace_back(payload.begin(), payload.end());
      continue;
    }
    const uint8_t fu = payload[header];
    if (fu & 0x80) {
      std::vector<uint8_t>& nal = nals.emplace_back();
      if (codec == Codec::h265) {
        nal = {static_cast<uint8_t>((payload[0] & 0x81) | (fu & 0x3f) << 1), payload[1]};
      } else {
        nal = {static_cast<uint8_t>((payload[0] & 0xe0) | (fu & 0x1f))};
      }
    }
    append(nals.back(), payload.subspan(header + 1));
  }
  return nals;
}

// F9 and F10 are about packets of any codec.
UnitTrain decorate(const UnitTrain& train, Codec codec, const QuirkSet& quirks) {
  TrainBuilder builder(codec, 1400);
  for (size_t i = 0; i < train.packets.size(); ++i) {
    const bool last = i + 1 == train.packets.size();
    if (last && quirks.has(F10)) builder.add_payload({}, {});
    const ByteSpan payload = payload_of(train, train.packets[i]);
    if (!quirks.has(F9)) {
      builder.add_payload({}, payload);
    } else if (i % 2 == 0 && !last) {
      std::vector<uint8_t> padded(payload.begin(), payload.end());
      padded.insert(padded.end(), {0, 0, 0, 4});
      builder.add_payload({}, padded, 0xa0);
    } else {
      const uint8_t more[12] = {0x11, 0x22, 0x33, 0x44, 0xab, 0xac, 0, 1, 0, 0, 0, 1};  // a CSRC, an extension
      builder.add_payload(more, payload, 0x91);
    }
  }
  return builder.finish(train.keyframe);
}

}  // namespace

Clip bend_clip(const Clip& clip, const QuirkSet& quirks) {
  Clip bent = clip;
  const bool nals = clip.codec != Codec::mjpeg;
  size_t max_payload = 0;
  for (const UnitTrain& train : clip.units) {
    for (const PacketSpan& packet : train.packets)
      max_payload = std::max<size_t>(max_payload, packet.size - kRtpHeader);
  }
  if (quirks.has(F11)) max_payload = 9900;
  for (UnitTrain& train : bent.units) {
    UnitTrain made = train;
    if (nals) made = QuirkedPacker(clip.codec, max_payload, quirks).pack(nals_of(train, clip.codec), train.keyframe);
    if (quirks.has(F9) || quirks.has(F10)) made = decorate(made, clip.codec, quirks);
    made.pts_ticks = train.pts_ticks;
    made.dts_ticks = train.dts_ticks;
    train = std::move(made);
  }
  if (quirks.has(I7)) {
    const double slower = clip.fps / 0.8;
    const auto stretch = [&](int64_t& ticks) { ticks = static_cast<int64_t>(static_cast<double>(ticks) * slower); };
    for (UnitTrain& train : bent.units) {
      stretch(train.pts_ticks);
      stretch(train.dts_ticks);
    }
    stretch(bent.duration_ticks);
    bent.fps = 0.8;
  }
  return bent;
}

Result<Clip*> ClipStore::whole_clip(size_t index, const QuirkSet& quirks) {
  const auto fits = [&](Codec codec) {
    const std::vector<Quirk> list = quirks.list();
    return std::all_of(list.begin(), list.end(), [&](Quirk quirk) { return shows(quirk, codec); });
  };
  const bool special = quirks.has(F3) || quirks.has(G15);
  if (!generated_ || !special) {
    for (size_t i = 0; i < clips_.size(); ++i) {
      if (fits(plain(index + i).codec) && !quirks.has(G15)) return &plain(index + i);
    }
  }
  const std::string ids = ids_text(quirks);
  if (!generated_) {
    return make_error(
        Code::invalid_argument, "quirks " + ids,
        quirks.has(G15) ? "G15 needs generated content, not files" : "no clip has a codec that can show them");
  }
  SyntheticOptions options = *generated_;
  for (const Codec codec : {generated_->codec, Codec::h264, Codec::h265, Codec::mjpeg}) {
    options.codec = codec;
    if (fits(codec)) break;
  }
  if (!fits(options.codec)) return make_error(Code::invalid_argument, "quirks " + ids, "no codec can show them all");
  if (quirks.has(F3)) options.slices = 4;
  if (quirks.has(G15)) options.gop = std::max<uint32_t>(250, options.gop * 5);
  std::unique_ptr<Clip>& clip = made_[std::string(codec_name(options.codec)) + " " + std::to_string(options.gop) + " " +
                                      std::to_string(options.slices)];
  if (!clip) clip = std::make_unique<Clip>(make_synthetic_clip(options));
  return clip.get();
}

Result<Clip*> ClipStore::clip_for(size_t index, const QuirkSet& quirks) {
  Result<Clip*> whole = whole_clip(index, quirks);
  if (!whole.ok()) return whole;
  QuirkSet packing;
  for (const Quirk each : {F9, F10, F11, G1, G2, G3, G4, G5, G6, G7, G9, G11, I7}) {
    if (quirks.has(each)) packing.insert(each);
  }
  if (packing.empty()) return whole;
  std::unique_ptr<Clip>& clip = made_[ids_text(packing) + " " + std::to_string(reinterpret_cast<uintptr_t>(*whole))];
  if (!clip) clip = std::make_unique<Clip>(bend_clip(**whole, packing));
  return clip.get();
}

}  // namespace vigie::loadgen
