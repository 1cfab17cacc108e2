#include "rtp/rtcp.h"

#include <algorithm>

namespace vigie::rtp {
namespace {

constexpr uint8_t kSr = 200, kRr = 201, kSdes = 202, kBye = 203;
constexpr size_t kBlockBytes = 24;
constexpr uint64_t kNtpToUnixSeconds = 2'208'988'800;  // 1900-01-01 to 1970-01-01
constexpr int64_t kNanosPerSecond = 1'000'000'000;

void read_blocks(ByteReader& reader, size_t count, RtcpCompound& out) {
  for (size_t i = 0; i < count; ++i) {
    ReportBlock block;
    block.ssrc = reader.u32();
    const uint32_t lost = reader.u32();
    block.fraction_lost = static_cast<uint8_t>(lost >> 24);
    block.cumulative_lost = static_cast<int32_t>(lost << 8) >> 8;
    block.highest_sequence = reader.u32();
    block.jitter = reader.u32();
    block.last_sr = reader.u32();
    block.delay_since_last_sr = reader.u32();
    if (reader.failed()) break;
    if (out.block_count < RtcpCompound::kMaxBlocks) out.blocks[out.block_count++] = block;
  }
}

bool read_sender_report(ByteReader reader, size_t count, RtcpCompound& out) {
  SenderReport report;
  report.ssrc = reader.u32();
  report.ntp = reader.u64();
  report.rtp_timestamp = reader.u32();
  report.packet_count = reader.u32();
  report.octet_count = reader.u32();
  if (reader.failed()) return false;
  out.sender_report = report;
  read_blocks(reader, count, out);
  return !reader.failed();
}

bool read_sdes(ByteReader reader, size_t chunks, RtcpCompound& out) {
  for (size_t chunk = 0; chunk < chunks && reader.remaining() > 0; ++chunk) {
    reader.skip(4);
    const size_t items_begin = reader.position();
    for (uint8_t type = reader.u8(); type != 0; type = reader.u8()) {
      const ByteSpan text = reader.bytes(reader.u8());
      if (reader.failed()) return false;
      if (type == 1 && out.cname.empty()) out.cname = as_text(text);
    }
    const size_t tail = (reader.position() - items_begin) % 4;
    if (tail != 0) reader.skip(std::min(4 - tail, reader.remaining()));
  }
  return !reader.failed();
}

bool read_bye(ByteReader reader, size_t count, RtcpCompound& out) {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t ssrc = reader.u32();
    if (reader.failed()) return false;
    if (out.bye_count < RtcpCompound::kMaxByes) out.byes[out.bye_count++] = ssrc;
  }
  return true;
}

// The range of IANA's registry of RTCP packet types.
bool assigned_type(uint8_t type) { return type >= 192 && type <= 213; }

void clear(RtcpCompound& out) {
  out.sender_report.reset();
  out.receiver_ssrc.reset();
  out.block_count = out.bye_count = 0;
  out.cname = {};
  out.unknown_packets = out.malformed_packets = 0;
  out.refused = false;
}

// Whether reading may go on.
bool pass(Quirks* quirks, Quirk quirk, RtcpCompound& out) {
  if (tolerates(quirks, quirk)) return true;
  clear(out);
  out.malformed_packets = 1;
  out.refused = true;
  return false;
}

void write_block(uint8_t* p, const ReportBlock& block) {
  store_be32(p, block.ssrc);
  const int32_t lost = std::clamp(block.cumulative_lost, -0x800000, 0x7fffff);
  store_be32(p + 4, uint32_t{block.fraction_lost} << 24 | (static_cast<uint32_t>(lost) & 0xffffff));
  store_be32(p + 8, block.highest_sequence);
  store_be32(p + 12, block.jitter);
  store_be32(p + 16, block.last_sr);
  store_be32(p + 20, block.delay_since_last_sr);
}

}  // namespace

uint64_t ntp_from_wall(WallTime wall) {
  const int64_t ns = wall.time_since_epoch().count();
  int64_t seconds = ns / kNanosPerSecond;
  int64_t rest = ns % kNanosPerSecond;
  if (rest < 0) {
    rest += kNanosPerSecond;
    --seconds;
  }
  const auto ntp_seconds = static_cast<uint32_t>(static_cast<uint64_t>(seconds) + kNtpToUnixSeconds);
  const uint64_t fraction = (static_cast<uint64_t>(rest) << 32) / kNanosPerSecond;
  return uint64_t{ntp_seconds} << 32 | fraction;
}

WallTime wall_from_ntp(uint64_t ntp) {
  uint64_t seconds = ntp >> 32;
  if (seconds < 0x80000000U) seconds += uint64_t{1} << 32;
  const auto unix_seconds = static_cast<int64_t>(seconds - kNtpToUnixSeconds);
  const uint64_t fraction = ntp & 0xffffffff;
  const auto rest = static_cast<int64_t>((fraction * kNanosPerSecond + (uint64_t{1} << 31)) >> 32);
  return WallTime{Nanos{unix_seconds * kNanosPerSecond + rest}};
}

void parse_rtcp(ByteSpan bytes, RtcpCompound& out, Quirks* quirks) {
  clear(out);
  for (size_t packets = 0; !bytes.empty(); ++packets) {
    if (packets == RtcpCompound::kMaxPackets) {
      pass(quirks, Quirk::E9, out);
      return;
    }
    const size_t size = bytes.size() < 4 ? SIZE_MAX : (size_t{load_be16(&bytes[2])} + 1) * 4;
    if (size > bytes.size() || bytes[0] >> 6 != 2) {
      if (pass(quirks, Quirk::F5, out)) ++out.malformed_packets;
      return;
    }
    ByteSpan body = bytes.subspan(4, size - 4);
    if (bytes[0] & 0x20 && !body.empty()) body = body.first(body.size() - std::min<size_t>(body.back(), body.size()));
    const size_t count = bytes[0] & 0x1f;
    const ByteReader reader(body);
    bool good = true;
    switch (bytes[1]) {
      case kSr: good = read_sender_report(reader, count, out); break;
      case kRr: {
        ByteReader r = reader;
        const uint32_t ssrc = r.u32();
        if (!r.failed()) out.receiver_ssrc = ssrc;
        read_blocks(r, count, out);
        good = !r.failed();
        break;
      }
      case kSdes: good = read_sdes(reader, count, out); break;
      case kBye: good = read_bye(reader, count, out); break;
      default: ++out.unknown_packets;
    }
    if ((!good || !assigned_type(bytes[1])) && !pass(quirks, Quirk::F5, out)) return;
    if (!good) ++out.malformed_packets;
    bytes = bytes.subspan(size);
  }
}

uint8_t* RtcpWriter::begin(size_t bytes, uint8_t count, uint8_t type) {
  if (bytes > out_.size() - size_) {
    ok_ = false;
    return nullptr;
  }
  uint8_t* p = out_.data() + size_;
  std::fill_n(p, bytes, uint8_t{0});
  p[0] = static_cast<uint8_t>(0x80 | count);
  p[1] = type;
  store_be16(p + 2, static_cast<uint16_t>(bytes / 4 - 1));
  size_ += bytes;
  return p;
}

void RtcpWriter::sender_report(const SenderReport& report, std::span<const ReportBlock> blocks) {
  const size_t count = std::min(blocks.size(), RtcpCompound::kMaxBlocks);
  uint8_t* p = begin(28 + count * kBlockBytes, static_cast<uint8_t>(count), kSr);
  if (!p) return;
  store_be32(p + 4, report.ssrc);
  store_be64(p + 8, report.ntp);
  store_be32(p + 16, report.rtp_timestamp);
  store_be32(p + 20, report.packet_count);
  store_be32(p + 24, report.octet_count);
  for (size_t i = 0; i < count; ++i) write_block(p + 28 + i * kBlockBytes, blocks[i]);
}

void RtcpWriter::receiver_report(uint32_t ssrc, std::span<const ReportBlock> blocks) {
  const size_t count = std::min(blocks.size(), RtcpCompound::kMaxBlocks);
  uint8_t* p = begin(8 + count * kBlockBytes, static_cast<uint8_t>(count), kRr);
  if (!p) return;
  store_be32(p + 4, ssrc);
  for (size_t i = 0; i < count; ++i) write_block(p + 8 + i * kBlockBytes, blocks[i]);
}

void RtcpWriter::sdes_cname(uint32_t ssrc, std::string_view cname) {
  cname = cname.substr(0, 255);
  // SSRC, item header, text and at least one zero byte, up to a multiple of four.
  uint8_t* p = begin(4 + (4 + 2 + cname.size() + 1 + 3) / 4 * 4, 1, kSdes);
  if (!p) return;
  store_be32(p + 4, ssrc);
  p[8] = 1;
  p[9] = static_cast<uint8_t>(cname.size());
  std::copy(cname.begin(), cname.end(), p + 10);
}

void RtcpWriter::bye(uint32_t ssrc, std::string_view reason) {
  reason = reason.substr(0, 255);
  uint8_t* p = begin(8 + (reason.empty() ? 0 : (1 + reason.size() + 3) / 4 * 4), 1, kBye);
  if (!p) return;
  store_be32(p + 4, ssrc);
  if (reason.empty()) return;
  p[8] = static_cast<uint8_t>(reason.size());
  std::copy(reason.begin(), reason.end(), p + 9);
}

}  // namespace vigie::rtp
