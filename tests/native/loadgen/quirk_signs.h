#pragma once
// How each emulated quirk is recognised in a conversation, by its bytes alone.
#include <functional>
#include <set>

#include "loadgen/stamp.h"
#include "quirk_wire.h"

namespace vigie::loadgen {

using enum Quirk;
using testing::HasSubstr;

inline bool has(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }
inline uint8_t byte(const std::string& text, size_t at) {
  return at < text.size() ? static_cast<uint8_t>(text[at]) : 0;
}
inline std::string transport(const Wire& w) { return found_in(w.setup, "Transport: *([^\r\n]*)"); }
inline std::string rtp_info(const Wire& w) { return found_in(w.play, "RTP-Info:([^\r\n]*)"); }
inline std::string content_base(const Wire& w) { return found_in(w.describe, "Content-Base: *([^\r\n]*)"); }
inline std::string video(const Wire& w) { return w.sdp.substr(std::min(w.sdp.find("m=video"), w.sdp.size())); }
inline bool h264(const Wire& w) { return has(w.sdp, "H264"); }
inline std::string announced_ssrc(const Wire& w) {
  const std::string where = has(transport(w), "ssrc=") ? transport(w) : rtp_info(w);
  return found_in(where, "ssrc= *([0-9a-fA-F]+)");
}

// H.264 packets by what they carry.
inline int nal_type(const RtpFacts& p) { return byte(p.payload, 0) & 0x1f; }
inline bool fragment(const RtpFacts& p) { return nal_type(p) == 28; }
inline uint8_t fu(const RtpFacts& p) { return byte(p.payload, 1); }
inline int inner_type(const RtpFacts& p) { return fragment(p) ? fu(p) & 0x1f : nal_type(p); }
inline bool slice(const RtpFacts& p) { return inner_type(p) == 1 || inner_type(p) == 5; }
inline std::string start_code() { return std::string("\0\0\0\1", 4); }

inline bool any(const Wire& w, const std::function<bool(const RtpFacts&)>& test) {
  return std::any_of(w.rtp.begin(), w.rtp.end(), test);
}
inline bool any_pair(const Wire& w, const std::function<bool(const RtpFacts&, const RtpFacts&)>& test) {
  for (size_t i = 1; i < w.rtp.size(); ++i) {
    if (test(w.rtp[i - 1], w.rtp[i])) return true;
  }
  return false;
}
inline bool any_item(const Wire& w, Item::Kind kind, const std::function<bool(const Item&)>& test) {
  return std::any_of(w.items.begin(), w.items.end(), [&](const Item& item) { return item.kind == kind && test(item); });
}
// Timestamps of consecutive units, by their stamps.
inline std::vector<int64_t> unit_steps(const Wire& w) {
  std::vector<int64_t> steps;
  const RtpFacts* last = nullptr;
  uint64_t unit = 0;
  for (const RtpFacts& p : w.rtp) {
    const auto stamp = find_stamp(as_bytes(p.payload));
    if (!stamp) continue;
    if (last != nullptr && stamp->unit == unit + 1)
      steps.push_back(static_cast<int32_t>(p.timestamp - last->timestamp));
    last = &p;
    unit = stamp->unit;
  }
  return steps;
}
// How far the wall clock of reports runs ahead of their media clock, in seconds from report to report.
inline std::vector<double> report_gains(const Wire& w) {
  std::vector<double> gains;
  double last = 0;
  bool begun = false;
  for (const std::string& bytes : w.rtcp) {
    const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
    if (p[1] != 200 || bytes.size() < 48 || load_be32(p + 8) == 0) continue;
    const double wall = load_be32(p + 8) + load_be32(p + 12) / 4294967296.0;
    const double ahead = wall - static_cast<int32_t>(load_be32(p + 16)) / 90000.0;
    if (begun) gains.push_back(ahead - last);
    last = ahead;
    begun = true;
  }
  return gains;
}
inline size_t reports_like(const Wire& w, const std::function<bool(const std::string&)>& test) {
  return static_cast<size_t>(std::count_if(w.rtcp.begin(), w.rtcp.end(), test));
}
inline std::set<std::string> cseqs_of_answers(const Wire& w) {
  std::set<std::string> found;
  for (const Item& item : w.items) {
    if (item.kind == Item::Kind::answer) found.insert(found_in(item.bytes, "CSeq: ([0-9]+)"));
  }
  return found;
}

struct Sign {
  Quirk quirk;
  std::function<bool(const Wire&)> shows;
};

inline const std::vector<Sign>& signs() {
  static const std::vector<Sign> all{
      {A1, [](const Wire& w) { return content_base(w).starts_with("127.0.0.1:"); }},
      {A2, [](const Wire& w) { return content_base(w).starts_with("rtsp://rtsp://127"); }},
      {A3, [](const Wire& w) { return content_base(w).starts_with("rtsp://::ffff:127.0.0.1:"); }},
      {A4,
       [](const Wire& w) { return has(video(w), "a=control:/track") && w.setup_statuses == std::vector{404, 200}; }},
      {A5, [](const Wire& w) { return has(content_base(w), "?channel=1&subtype=0/") && w.setup_statuses[0] == 404; }},
      {A6,
       [](const Wire& w) { return has(video(w), "192.0.2.7:554/cam") && w.setup_statuses == std::vector{404, 200}; }},
      {A7, [](const Wire& w) { return found_in(w.describe, "(Content-Type: application/sdp *\r\n)").empty(); }},
      {A8,
       [](const Wire& w) {
         return w.play.starts_with("RTSP/1.0 200\r\n") && w.options.starts_with("RTSP/1.0 200\r\n");
       }},
      {A10, [](const Wire& w) { return has(w.play, "  \r\nSession:") && has(w.options, "TEARDOWN  \r\n"); }},
      {A11, [](const Wire& w) { return !has(w.play, "CSeq"); }},
      {A12,
       [](const Wire& w) {
         return has(w.play, "CSeq") && cseqs_of_answers(w).count("4") && found_in(w.setup, "CSeq: ([0-9]+)") == "3";
       }},
      {A14, [](const Wire& w) { return w.redirects == 1; }},
      {A15,
       [](const Wire& w) {
         return any_item(w, Item::Kind::request, [](const Item& i) { return i.bytes.starts_with("OPTIONS rtsp://"); });
       }},
      {A20,
       [](const Wire& w) {
         return transport(w).starts_with("RTP/AVP;") && has(transport(w), ";interleaved=0") && !has(transport(w), "-1");
       }},
      {A21, [](const Wire& w) { return has(transport(w), "interleaved=8-9"); }},
      {A22, [](const Wire& w) { return has(transport(w), "ssrc= "); }},
      {A23, [](const Wire& w) { return transport(w).starts_with("ssrc="); }},
      {A25, [](const Wire& w) { return has(transport(w), ",RTP/AVP;unicast;client_port="); }},
      {A26, [](const Wire& w) { return has(w.setup, "-1;timeout") && has(w.play, "-2\r\n"); }},
      {A27, [](const Wire& w) { return has(w.setup, " ; timeout=") && has(w.play, "Session:  1"); }},
      {A28,
       [](const Wire& w) { return rtp_info(w).starts_with("  url=trackID=0 ; seq=") && rtp_info(w).ends_with(";"); }},
      {A29, [](const Wire& w) { return has(rtp_info(w), "seq=1;") || rtp_info(w).ends_with("seq=1"); }},
      {A30, [](const Wire& w) { return rtp_info(w).ends_with("rtptime=0") && !has(rtp_info(w), ","); }},
      {A31, [](const Wire& w) { return has(rtp_info(w), "ssrc=") && !has(transport(w), "ssrc"); }},
      {A32, [](const Wire& w) { return has(rtp_info(w), ",url=") && has(rtp_info(w), "trackID=5"); }},
      {A34, [](const Wire& w) { return has(video(w), "a=sendonly"); }},
      {B1, [](const Wire& w) { return !has(w.sdp, "o="); }},
      {B2, [](const Wire& w) { return !has(w.sdp, "\ns=") || has(w.sdp, " again\r\n"); }},
      {B3, [](const Wire& w) { return has(w.sdp, "c=IN \r\n"); }},
      {B4, [](const Wire& w) { return has(w.sdp, "t=now") && has(w.sdp, "r=604800 3600\r\n"); }},
      {B5, [](const Wire& w) { return has(w.sdp, "o=- 14a3f.5 1.25 IP IP4 \r\n"); }},
      {B6, [](const Wire& w) { return w.sdp.find("a=control") < w.sdp.find("s=") && has(w.sdp, " 96\r\na=control"); }},
      {B7, [](const Wire& w) { return !has(w.sdp, "\r") && has(w.sdp, "\n\n") && !w.sdp.ends_with("\n"); }},
      {B8, [](const Wire& w) { return has(w.sdp, "m=meta 0 RTP/AVP 107\r\n") && has(w.sdp, "m=x-vendor"); }},
      {B9, [](const Wire& w) { return has(w.sdp, "m=video 0 RTP/AVP/TCP 96"); }},
      {B10, [](const Wire& w) { return w.sdp.find("a=fmtp:96") > w.sdp.find("m=audio") && has(w.sdp, "m=audio"); }},
      {B11, [](const Wire& w) { return has(w.sdp, "a=fmtp:96\r\n"); }},
      {B12, [](const Wire& w) { return has(w.sdp, "a=rtpmap:96 H264/90000 \r\n"); }},
      {B13, [](const Wire& w) { return has(w.sdp, "a=rtpmap:96 H264\r\n") || has(w.sdp, "H264/0\r\n"); }},
      {B14, [](const Wire& w) { return has(video(w), "a=inactive"); }},
      {B15,
       [](const Wire& w) { return has(w.sdp, "AVP 96") && any(w, [](const RtpFacts& p) { return p.type == 35; }); }},
      {B16, [](const Wire& w) { return !has(w.sdp, "sprop"); }},
      {B17, [](const Wire& w) { return found_in(w.sdp, "sprop-parameter-sets=(\r?\n)") != ""; }},
      {B18, [](const Wire& w) { return found_in(w.sdp, "sprop-parameter-sets=[^,]+,(\r?\n)") != ""; }},
      {B19, [](const Wire& w) { return found_in(w.sdp, "sprop-parameter-sets=AAABZ[^,]+,(AAABa)") != ""; }},
      {B20, [](const Wire& w) { return has(w.sdp, "sprop-parameter-sets=6f8A,!!="); }},
      {B21,
       [](const Wire& w) {
         return has(w.sdp, "H265") && has(w.sdp, "sprop-sps=") && !has(w.sdp, "sprop-vps=") &&
                !has(w.sdp, "sprop-pps=");
       }},
      {B22, [](const Wire& w) { return has(w.sdp, "packetization-mode=0") && any(w, fragment); }},
      {B23, [](const Wire& w) { return has(w.sdp, "a=rtpmap:97 MPEG4-GENERIC/16000") && !has(w.sdp, "indexlength"); }},
      {B24, [](const Wire& w) { return has(w.sdp, "OPUS/48000/1"); }},
      {C1, [](const Wire& w) { return !w.refused.empty() && !has(w.refused[0], "MD5"); }},
      {C2,
       [](const Wire& w) {
         return found_in((w.refused.empty() ? std::string() : w.refused[0]),
                         "MD5\r\n[^\r]*(Basic)[^\r]*\r\n[^\r]*SHA-256") != "";
       }},
      {C3,
       [](const Wire& w) {
         return found_in((w.refused.empty() ? std::string() : w.refused[0]),
                         "nonce=\"[0-9a-f]*\"(, algorithm=SHA-256)") != "";
       }},
      {C7, [](const Wire& w) { return w.refused.size() >= 3 && w.refused[0] != w.refused[1]; }},
      {C8, [](const Wire& w) { return !w.refused.empty() && w.closed_after_401; }},
      {D1, [](const Wire& w) { return w.get_parameter.empty() && w.closed; }},
      {D2, [](const Wire& w) { return status_of(w.get_parameter) == 454; }},
      {D3, [](const Wire& w) { return has(w.options, "SET_PARAMETER") && status_of(w.set_parameter) == 400; }},
      {D7, [](const Wire& w) { return w.get_parameter.empty() && !w.closed; }},
      {D14,
       [](const Wire& w) { return status_of(w.play) == 200 && w.rtp.empty() && status_of(w.get_parameter) == 200; }},
      {D15, [](const Wire& w) { return has(w.setup, ";timeout=6\r\n"); }},
      {E1,
       [](const Wire& w) {
         return any_item(w, Item::Kind::junk,
                         [](const Item& i) { return byte(i.bytes, 0) == 0x80 && i.bytes.size() == 12; });
       }},
      {E2,
       [](const Wire& w) {
         return any_item(w, Item::Kind::junk, [](const Item& i) { return i.bytes.starts_with(kTrailerMagic); });
       }},
      {E3,
       [](const Wire& w) {
         return !w.rtp.empty() && w.rtp[0].item < w.play_item && w.items[w.play_item - 1].kind == Item::Kind::frame &&
                byte(w.items[w.play_item - 1].bytes, 1) >= 0x80;
       }},
      {E4,
       [](const Wire& w) { return any_item(w, Item::Kind::frame, [](const Item& i) { return i.channel == 200; }); }},
      {E5, [](const Wire& w) { return !w.rtp.empty() && w.items[w.rtp[0].item].channel % 2 == 1; }},
      {E6,
       [](const Wire& w) { return any_item(w, Item::Kind::junk, [](const Item& i) { return i.bytes == "\r\n"; }); }},
      {E7, [](const Wire& w) { return !w.rtp.empty() && w.rtp[0].item + 1 == w.play_item && !w.rtp[0].marker; }},
      {E9, [](const Wire& w) { return reports_like(w, [](const std::string& r) { return r.size() == 24000; }) > 0; }},
      {F1,
       [](const Wire& w) {
         return h264(w) &&
                any(w, [](const RtpFacts& p) { return p.marker && inner_type(p) >= 6 && inner_type(p) <= 8; });
       }},
      {F2, [](const Wire& w) { return !w.rtp.empty() && !any(w, [](const RtpFacts& p) { return p.marker; }); }},
      {F3,
       [](const Wire& w) {
         return any_pair(w, [](const RtpFacts& a, const RtpFacts& b) {
           return a.marker && slice(a) && slice(b) && !(byte(b.payload, fragment(b) ? 2 : 1) & 0x80);
         });
       }},
      {F4,
       [](const Wire& w) {
         return h264(w) && any_pair(w, [](const RtpFacts& a, const RtpFacts& b) {
                  return nal_type(a) == 8 && !slice(a) && slice(b) && a.timestamp != b.timestamp;
                });
       }},
      {F5,
       [](const Wire& w) {
         return reports_like(w, [](const std::string& r) { return byte(r, 2) == 0xff; }) &&
                reports_like(w, [](const std::string& r) { return byte(r, 1) == 222; });
       }},
      {F6,
       [](const Wire& w) {
         return reports_like(w, [&](const std::string& r) { return byte(r, 1) == 200 && r.size() == 28; }) > 0;
       }},
      {F7,
       [](const Wire& w) {
         return !w.rtp.empty() && std::strtoul(announced_ssrc(w).c_str(), nullptr, 16) != w.rtp[0].ssrc;
       }},
      {F8,
       [](const Wire& w) {
         return any_pair(w,
                         [](const RtpFacts& a, const RtpFacts& b) { return b.sequence == 0 && a.sequence != 0xffff; });
       }},
      {F9,
       [](const Wire& w) {
         return any(w, [](const RtpFacts& p) { return p.first == 0x91; }) &&
                any(w, [](const RtpFacts& p) { return p.first == 0xa0; });
       }},
      {F10, [](const Wire& w) { return any(w, [](const RtpFacts& p) { return p.payload.empty(); }); }},
      {F11, [](const Wire& w) { return any(w, [](const RtpFacts& p) { return p.payload.size() > 1500; }); }},
      {F12,
       [](const Wire& w) {
         return reports_like(w, [](const std::string& r) {
                  return byte(r, 1) == 200 && r.substr(8, 8) == std::string(8, '\0');
                }) > 0;
       }},
      {G1, [](const Wire& w) { return any(w, [](const RtpFacts& p) { return has(p.payload, start_code()); }); }},
      {G2,
       [](const Wire& w) {
         return h264(w) && any(w, [](const RtpFacts& p) { return fragment(p) && fu(p) >> 6 == 3; });
       }},
      {G3,
       [](const Wire& w) {
         return h264(w) && any_pair(w, [](const RtpFacts& a, const RtpFacts& b) {
                  return fragment(a) && fragment(b) && fu(b) & 0x40 && !(fu(b) & 0x80) && (fu(a) & 31) != (fu(b) & 31);
                });
       }},
      {G4,
       [](const Wire& w) {
         return h264(w) && any(w, [](const RtpFacts& p) { return fragment(p) && p.payload.size() == 2; });
       }},
      {G5,
       [](const Wire& w) { return h264(w) && any(w, [](const RtpFacts& p) { return fragment(p) && fu(p) & 0x20; }); }},
      {G6,
       [](const Wire& w) {
         return h264(w) &&
                any(w, [](const RtpFacts& p) { return fragment(p) && fu(p) == 0x88 && !has(p.payload, start_code()); });
       }},
      {G7,
       [](const Wire& w) {
         return h264(w) && has(w.sdp, "sprop") && any(w, [](const RtpFacts& p) { return inner_type(p) == 5; }) &&
                !any(w, [](const RtpFacts& p) { return inner_type(p) == 7; });
       }},
      {G9,
       [](const Wire& w) {
         return h264(w) && any(w, [](const RtpFacts& p) { return nal_type(p) == 7 && p.payload.ends_with("\x80"); });
       }},
      {G11,
       [](const Wire& w) {
         return h264(w) && any(w, [](const RtpFacts& p) { return nal_type(p) == 9; }) &&
                any(w, [](const RtpFacts& p) { return nal_type(p) == 31; });
       }},
      {G15,
       [](const Wire& w) {
         const auto begins = [](const RtpFacts& p) {
           return fragment(p) ? fu(p) & 0x80 && (inner_type(p) == 5 || inner_type(p) == 7) : nal_type(p) == 7;
         };
         return h264(w) && w.rtp.size() > 500 && std::count_if(w.rtp.begin(), w.rtp.end(), begins) <= 4;
       }},
      {I1,
       [](const Wire& w) {
         const auto s = unit_steps(w);
         return std::any_of(s.begin(), s.end(), [](int64_t step) { return std::abs(step) > 500'000'000; });
       }},
      {I2, [](const Wire& w) { return !w.rtp.empty() && w.rtp[0].timestamp == 0; }},
      {I3,
       [](const Wire& w) {
         const auto g = report_gains(w);
         return std::any_of(g.begin(), g.end(), [](double gain) { return std::abs(gain - 3.7) < 0.2; });
       }},
      {I4,
       [](const Wire& w) {
         const auto s = unit_steps(w);
         return std::any_of(s.begin(), s.end(), [](int64_t step) { return step == 90 - 270000; });
       }},
      {I5,
       [](const Wire& w) {
         const auto s = unit_steps(w);
         return std::count(s.begin(), s.end(), 0) > 8;
       }},
      {I6, [](const Wire& w) { return !w.rtp.empty() && w.rtp[0].timestamp == 0u - 360000; }},
      {I7, [](const Wire& w) { return has(w.sdp, "a=framerate:0.8") && status_of(w.play) == 200; }},
      {I8,
       [](const Wire& w) {
         auto g = report_gains(w);
         std::sort(g.begin(), g.end());
         return g.size() > 3 && std::abs(g[g.size() / 2] - 0.01) < 0.004;  // the median: a loaded machine adds noise
       }},
  };
  return all;
}

}  // namespace vigie::loadgen
