// Generated access units: real parameter sets and slice headers, random slice data.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bit_writer.h"
#include "base/random.h"
#include "loadgen/clip.h"
#include "loadgen/stamp.h"

namespace vigie::loadgen {
namespace {

constexpr unsigned kFrameNumBits = 8;

std::vector<uint8_t> h264_sps(uint32_t width, uint32_t height) {
  BitWriter w;
  w.bits(66, 8);  // constrained baseline: no B pictures
  w.bits(0xc0, 8);
  w.bits(40, 8);  // level 4.0
  w.ue(0);
  w.ue(kFrameNumBits - 4);
  w.ue(2);  // picture order = decoding order
  w.ue(1);
  w.bits(0, 1);
  const uint32_t mbs_wide = (width + 15) / 16, mbs_high = (height + 15) / 16;
  w.ue(mbs_wide - 1);
  w.ue(mbs_high - 1);
  w.bits(1, 1);
  w.bits(1, 1);
  const uint32_t crop_right = (mbs_wide * 16 - width) / 2, crop_bottom = (mbs_high * 16 - height) / 2;
  w.bits(crop_right || crop_bottom, 1);
  if (crop_right || crop_bottom) {
    w.ue(0);
    w.ue(crop_right);
    w.ue(0);
    w.ue(crop_bottom);
  }
  w.bits(0, 1);
  w.trailing();
  return w.nal({0x67});
}

std::vector<uint8_t> h264_pps() {
  BitWriter w;
  w.ue(0);
  w.ue(0);
  w.bits(0, 2);
  w.ue(0);
  w.ue(0);
  w.ue(0);
  w.bits(0, 3);
  w.ue(0);
  w.ue(0);
  w.ue(0);
  w.bits(0, 3);
  w.trailing();
  return w.nal({0x68});
}

// `share`: which of how many slices.
struct Share {
  uint32_t index = 0, count = 1;
};

std::vector<uint8_t> h264_slice_start(bool key, uint32_t frame_num, const SyntheticOptions& options, Share share) {
  BitWriter w;
  w.ue((options.width + 15) / 16 * ((options.height + 15) / 16 * share.index / share.count));  // first macroblock
  w.ue(key ? 7 : 5);
  w.ue(0);
  w.bits(key ? 0 : frame_num % (1u << kFrameNumBits), kFrameNumBits);
  if (key) w.ue(0);
  if (!key) w.bits(0, 2);  // no override, no list modification
  w.bits(0, key ? 2 : 1);
  w.ue(0);
  while (!w.aligned()) w.bits(1, 1);
  return w.nal({static_cast<uint8_t>(key ? 0x65 : 0x41)});
}

void h265_profile(BitWriter& w) {
  w.bits(1, 8);  // Main
  w.bits(0x60000000, 32);
  w.bits(0x9, 4);  // progressive, frame only
  w.bits(0, 44);
  w.bits(120, 8);  // level 4.0
}

std::vector<uint8_t> h265_vps() {
  BitWriter w;
  w.bits(0, 4);
  w.bits(3, 2);
  w.bits(0, 6);
  w.bits(0, 3);
  w.bits(1, 1);
  w.bits(0xffff, 16);
  h265_profile(w);
  w.bits(1, 1);
  w.ue(0);
  w.ue(0);
  w.ue(0);
  w.bits(0, 6);
  w.ue(0);
  w.bits(0, 2);
  w.trailing();
  return w.nal({h265::kVps << 1, 1});
}

std::vector<uint8_t> h265_sps(uint32_t width, uint32_t height) {
  BitWriter w;
  w.bits(0, 4);
  w.bits(0, 3);
  w.bits(1, 1);
  h265_profile(w);
  w.ue(0);
  w.ue(1);
  const uint32_t coded_width = (width + 7) / 8 * 8, coded_height = (height + 7) / 8 * 8;
  w.ue(coded_width);
  w.ue(coded_height);
  const bool crop = coded_width != width || coded_height != height;
  w.bits(crop, 1);
  if (crop) {
    w.ue(0);
    w.ue((coded_width - width) / 2);
    w.ue(0);
    w.ue((coded_height - height) / 2);
  }
  w.ue(0);
  w.ue(0);
  w.ue(4);  // 8 bits of picture order count
  w.bits(1, 1);
  w.ue(0);
  w.ue(0);
  w.ue(0);
  w.ue(0);  // 8x8 minimum
  w.ue(3);  // 64x64 coding tree blocks
  w.ue(0);
  w.ue(3);
  w.ue(0);
  w.ue(0);
  w.bits(0, 4);  // scaling lists, AMP, SAO, PCM
  w.ue(0);       // no short-term sets in the SPS
  w.bits(0, 4);  // long-term, temporal MVP, strong intra, VUI
  w.bits(0, 1);
  w.trailing();
  return w.nal({h265::kSps << 1, 1});
}

std::vector<uint8_t> h265_pps() {
  BitWriter w;
  w.ue(0);
  w.ue(0);
  w.bits(0, 7);
  w.ue(0);
  w.ue(0);
  w.ue(0);  // init_qp
  w.bits(0, 3);
  w.ue(0);
  w.ue(0);
  w.bits(0, 6);
  w.bits(1, 1);
  w.bits(0, 3);  // deblocking control, scaling list, lists modification
  w.ue(0);
  w.bits(0, 2);
  w.trailing();
  return w.nal({h265::kPps << 1, 1});
}

std::vector<uint8_t> h265_slice_start(bool key, uint32_t order, const SyntheticOptions& options, Share share) {
  BitWriter w;
  w.bits(share.index == 0, 1);
  if (key) w.bits(0, 1);
  w.ue(0);
  if (share.index > 0) {
    // The first coding tree block of 64x64, in as many bits as the last one's number has.
    const uint32_t wide = (options.width + 63) / 64, high = (options.height + 63) / 64;
    w.bits(wide * (high * share.index / share.count), static_cast<unsigned>(std::bit_width(wide * high - 1)));
  }
  w.ue(key ? 2 : 1);
  if (!key) w.bits(order & 0xff, 8);
  w.bits(1, 1);
  while (!w.aligned()) w.bits(1, 1);
  return w.nal({static_cast<uint8_t>(key ? 19 << 1 : 1 << 1), 1});
}

// Bytes that are neither 0x00 nor 0xFF, so nothing needs escaping in any of the codecs.
void append_random(std::vector<uint8_t>& out, size_t count, FastRandom& random) {
  const size_t at = out.size();
  out.resize(at + count);
  for (size_t i = at; i < out.size(); ++i) out[i] = static_cast<uint8_t>(1 + random.below(254));
}

void append_trailer(std::vector<uint8_t>& out) {
  out.resize(out.size() + kTrailerBytes);
  write_trailer(out.data() + out.size() - kTrailerBytes, {});
}

// RFC 2435: type 1 (4:2:0), Q 80, so the tables need not be sent. The stamp lies at the start of the scan.
UnitTrain mjpeg_unit(size_t size, const SyntheticOptions& options, FastRandom& random) {
  TrainBuilder builder(Codec::mjpeg, options.max_payload);
  std::vector<uint8_t> scan(kStampBytes);
  write_stamp(scan.data(), {});
  append_random(scan, size > kStampBytes + kTrailerBytes ? size - kStampBytes - kTrailerBytes : 1, random);
  append_trailer(scan);
  const size_t room = options.max_payload - 8;
  for (size_t at = 0; at < scan.size();) {
    size_t take = std::min(room, scan.size() - at);
    // The trailer is never cut in two.
    const size_t left = scan.size() - at - take;
    if (left > 0 && left < kTrailerBytes) take -= kTrailerBytes;
    const uint8_t header[8] = {0,
                               static_cast<uint8_t>(at >> 16),
                               static_cast<uint8_t>(at >> 8),
                               static_cast<uint8_t>(at),
                               1,
                               80,
                               static_cast<uint8_t>(options.width / 8),
                               static_cast<uint8_t>(options.height / 8)};
    builder.add_payload(header, ByteSpan(scan).subspan(at, take));
    at += take;
  }
  return builder.finish(true);
}

}  // namespace

Clip make_synthetic_clip(const SyntheticOptions& options) {
  FastRandom random(options.seed);
  Clip clip;
  clip.codec = options.codec;
  clip.fps = options.fps;
  const bool mjpeg = options.codec == Codec::mjpeg;
  const bool hevc = options.codec == Codec::h265;
  clip.payload_type = mjpeg ? 26 : 96;
  const uint32_t gop = std::max<uint32_t>(1, options.gop);
  const double mean = options.bits_per_second / 8 / options.fps;
  const double other = mjpeg ? mean : mean * gop / (gop - 1 + options.key_ratio);
  if (hevc) {
    clip.vps = h265_vps();
    clip.sps = h265_sps(options.width, options.height);
    clip.pps = h265_pps();
  } else if (!mjpeg) {
    clip.sps = h264_sps(options.width, options.height);
    clip.pps = h264_pps();
  }
  const size_t fragment = options.max_payload - (hevc ? 3 : 2);
  for (uint32_t i = 0; i < gop; ++i) {
    const bool key = i == 0 || mjpeg;
    double wanted = key && !mjpeg ? other * options.key_ratio : other;
    if (!key || mjpeg) wanted *= 1 + options.jitter * (2 * random.unit() - 1);
    UnitTrain train;
    if (mjpeg) {
      train = mjpeg_unit(static_cast<size_t>(wanted), options, random);
    } else {
      TrainBuilder builder(options.codec, options.max_payload);
      const std::vector<uint8_t> sei = stamp_sei(options.codec);
      builder.add_nal(sei);
      if (key) {
        if (hevc) builder.add_nal(clip.vps);
        builder.add_nal(clip.sps);
        builder.add_nal(clip.pps);
      }
      const size_t header = hevc ? 2 : 1;
      const uint32_t slices = std::max<uint32_t>(1, options.slices);
      for (uint32_t index = 0; index < slices; ++index) {
        const Share share{index, slices};
        const bool last = index + 1 == slices;
        std::vector<uint8_t> slice =
            hevc ? h265_slice_start(key, i, options, share) : h264_slice_start(key, i, options, share);
        const size_t fixed = (sei.size() + kTrailerBytes) / slices + slice.size();
        const size_t room = static_cast<size_t>(wanted) / slices;
        append_random(slice, std::max<size_t>(8, room > fixed ? room - fixed : 0), random);
        if (last) {
          // The trailer is never cut in two by the fragmentation.
          const size_t tail = (slice.size() + kTrailerBytes - header) % fragment;
          if (slice.size() + kTrailerBytes > options.max_payload && tail > 0 && tail < kTrailerBytes) {
            append_random(slice, kTrailerBytes, random);
          }
          append_trailer(slice);
        }
        builder.add_nal(slice);
      }
      train = builder.finish(key);
    }
    train.pts_ticks = train.dts_ticks = std::llround(90000.0 * i / options.fps);
    clip.units.push_back(std::move(train));
  }
  clip.duration_ticks = std::llround(90000.0 * gop / options.fps);
  return clip;
}

}  // namespace vigie::loadgen
