#pragma once
// Talks RTSP with simulated cameras over real sockets and keeps every byte they sent, sorted by kind.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <map>
#include <mutex>
#include <regex>
#include <thread>

#include "loadgen/sim_server.h"

namespace vigie::loadgen {

inline const Credentials kCredentials{"ops", "right"};

// A pattern ready to be searched. Several threads may not make one at a time: std::ctype notes what it has narrowed.
inline const std::regex& compiled(const std::string& pattern) {
  static std::mutex mutex;
  static std::map<std::string, std::regex> known;
  const std::lock_guard lock(mutex);
  return known.try_emplace(pattern, pattern).first->second;
}

// Cameras 0, 1, … with these quirks, served by a thread of their own. A thousand small units a second, a report every 20.
class WireServer {
 public:
  explicit WireServer(std::vector<QuirkSet> quirks) : store_(clips(), synthetic()), loop_(system_clock()) {
    SimOptions options;
    options.cameras = static_cast<uint32_t>(quirks.size());
    options.credentials = kCredentials;
    options.report_interval = 20ms;
    options.pace = {0, 0};
    std::vector<Clip*> playing;
    for (size_t i = 0; i < quirks.size(); ++i) playing.push_back(store_.clip_for(i, quirks[i]).value());
    options.quirks = std::move(quirks);
    server_ = std::make_unique<SimServer>(loop_, options, playing);
    (void)server_->listen();
    int ends[2];
    (void)::pipe(ends);
    stop_.reset(ends[1]);
    stopper_ = std::make_unique<Stopper>(loop_, Fd(ends[0]));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~WireServer() {
    stop_.reset();
    thread_.join();
  }
  uint16_t port() const { return server_->port(); }

 private:
  static SyntheticOptions synthetic() {
    SyntheticOptions options;
    options.fps = 1000;
    options.gop = 10;
    options.bits_per_second = 16e6;
    options.max_payload = 500;
    return options;
  }
  static std::vector<Clip> clips() {
    std::vector<Clip> made;
    made.push_back(make_synthetic_clip(synthetic()));
    return made;
  }
  struct Stopper final : Handler {
    Stopper(Loop& its, Fd end) : loop(its), fd(std::move(end)) { loop.watch(fd.get(), EPOLLIN, this); }
    void on_ready(uint32_t) override { loop.stop(); }
    Loop& loop;
    Fd fd;
  };
  ClipStore store_;
  Loop loop_;
  std::unique_ptr<SimServer> server_;
  Fd stop_;
  std::unique_ptr<Stopper> stopper_;
  std::thread thread_;
};

// What came, in order.
struct Item {
  enum class Kind : uint8_t { answer, request, frame, junk };
  Kind kind = Kind::junk;
  std::string bytes;  // of a frame: without its four bytes
  int channel = -1;
};

class WireClient {
 public:
  explicit WireClient(uint16_t port) : port_(port) { connect(); }

  std::string url(size_t camera) const {
    char name[32];
    std::snprintf(name, sizeof name, "/cam%03zu", camera);
    return "rtsp://127.0.0.1:" + std::to_string(port_) + name;
  }
  // The answer's whole text; empty where none came. Answers a 401, on a new connection where it has to be.
  std::string call(const std::string& method, const std::string& uri, const std::string& headers = {},
                   bool with_agent = true, const std::string& cseq = "CSeq") {
    std::string text;
    for (int attempt = 0; attempt < 4; ++attempt) {
      std::string request = method + " " + uri + " RTSP/1.0\r\n" + cseq + ": " + std::to_string(++cseq_) + "\r\n";
      if (with_agent) request += "User-Agent: test\r\n";
      if (!challenge_.empty()) {
        request += "Authorization: " +
                   answer_challenge(challenge_, method, digest_uri.empty() ? uri : digest_uri, kCredentials, "ab") +
                   "\r\n";
      }
      send(request + headers + "\r\n");
      text = wait_answer();
      if (text.empty() && closed_ && std::exchange(just_refused_, false)) {
        ++closed_after_refusal;
        connect();
        continue;
      }
      if (!with_agent || text.find(" 401") == std::string::npos) {
        just_refused_ = false;
        return text;
      }
      refused.push_back(text);
      just_refused_ = true;
      pick_challenge(text);
    }
    return text;
  }
  // Reads frames until so many came or nothing for a while.
  void collect(size_t frames) {
    for (size_t count = 0; count < frames;) {
      if (!next()) return;
      count += items.back().kind == Item::Kind::frame;
      answer_its_request();
    }
  }
  bool closed() const { return closed_; }

  std::vector<Item> items;
  std::vector<std::string> refused;  // every 401
  int closed_after_refusal = 0;
  std::string digest_uri;  // instead of the request's

 private:
  void connect() {
    fd_.reset(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    closed_ = false;
    in_.clear();
    at_ = 0;
  }
  void send(const std::string& text) { (void)::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL); }
  // The camera's strongest challenge that it takes: it is the last one of them in C3.
  void pick_challenge(const std::string& text) {
    std::vector<std::string> lines;
    const std::regex& line_of = compiled("WWW-Authenticate: ([^\r\n]*[^ \r\n])");
    for (std::sregex_iterator at(text.begin(), text.end(), line_of), end; at != end; ++at) lines.push_back((*at)[1]);
    challenge_.clear();
    for (const std::string& line : lines) {
      if (line.starts_with("Digest")) challenge_ = line;
    }
  }
  std::string wait_answer() {
    // Pictures come all the while: an answer that is not among so many items is none.
    for (int i = 0; i < 6000 && next(); ++i) {
      if (items.back().kind == Item::Kind::answer) return items.back().bytes;
      answer_its_request();
    }
    return {};
  }
  void answer_its_request() {
    if (items.back().kind == Item::Kind::request) send("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
  }
  bool fill() {
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 1500) <= 0) return false;
    char buffer[65536];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got <= 0) closed_ = true;
    if (got > 0) in_.append(buffer, static_cast<size_t>(got));
    return got > 0;
  }
  static bool begins_something(std::string_view text) {
    if (text.starts_with("RTSP/1.0 ") || text.starts_with("OPTIONS ")) return true;
    // RTP or RTCP of version 2, on a channel that is used here.
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    return text.size() >= 5 && text[0] == '$' && (byte(1) < 12 || byte(1) == 200) && byte(4) >> 6 == 2;
  }
  void take(Item::Kind kind, size_t skip, size_t size, int channel) {
    items.push_back({kind, in_.substr(at_ + skip, size - skip), channel});
    at_ += size;
  }
  bool next() {
    for (;;) {
      const std::string_view rest = std::string_view(in_).substr(at_);
      size_t junk = 0;
      while (junk < rest.size() && !begins_something(rest.substr(junk))) ++junk;
      const bool enough = rest.size() - junk >= 12;
      if (junk > 0 && enough) return take(Item::Kind::junk, 0, junk, -1), true;
      if (enough && rest[0] == '$') {
        const size_t size = 4 + size_t{load_be16(reinterpret_cast<const uint8_t*>(rest.data()) + 2)};
        if (rest.size() >= size) return take(Item::Kind::frame, 4, size, static_cast<uint8_t>(rest[1])), true;
      } else if (enough) {
        const size_t head = rest.find("\r\n\r\n");
        std::smatch found;
        const std::string text(rest.substr(0, head));
        const size_t body =
            std::regex_search(text, found, compiled("Content-Length: *([0-9]+)")) ? std::stoul(found[1]) : 0;
        if (head != std::string::npos && rest.size() >= head + 4 + body) {
          const bool answer = rest.starts_with("RTSP/");
          return take(answer ? Item::Kind::answer : Item::Kind::request, 0, head + 4 + body, -1), true;
        }
      }
      in_.erase(0, std::exchange(at_, 0));
      if (!fill()) return false;
    }
  }

  uint16_t port_;
  Fd fd_;
  std::string in_, challenge_;
  int cseq_ = 0;
  size_t at_ = 0;
  bool closed_ = false, just_refused_ = false;
};

inline int status_of(const std::string& answer) { return answer.size() < 12 ? 0 : std::atoi(answer.c_str() + 9); }

// The first group of a pattern, or nothing.
inline std::string found_in(const std::string& text, const char* pattern) {
  std::smatch found;
  return std::regex_search(text, found, compiled(pattern)) ? std::string(found[1]) : std::string();
}

struct RtpFacts {
  uint16_t sequence = 0;
  uint32_t timestamp = 0, ssrc = 0;
  uint8_t first = 0, type = 0;
  bool marker = false;
  size_t item = 0;
  std::string payload;
};

// One whole conversation over TCP.
struct Wire {
  std::string options, describe, sdp, setup, play, get_parameter, set_parameter;
  std::vector<int> setup_statuses;
  int redirects = 0;
  std::vector<Item> items;
  size_t play_item = 0;
  std::vector<std::string> refused;
  std::vector<RtpFacts> rtp;
  std::vector<std::string> rtcp;
  bool closed = false, closed_after_401 = false;
};

inline RtpFacts read_rtp(const std::string& bytes, size_t item) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  RtpFacts facts{load_be16(p + 2),
                 load_be32(p + 4),
                 load_be32(p + 8),
                 p[0],
                 static_cast<uint8_t>(p[1] & 0x7f),
                 (p[1] & 0x80) != 0,
                 item,
                 {}};
  size_t header = 12 + 4 * size_t{p[0] & 0x0fu};
  if (p[0] & 0x10) header += 4 + 4 * size_t{load_be16(p + header + 2)};
  facts.payload = bytes.substr(header, bytes.size() - header - (p[0] & 0x20 ? p[bytes.size() - 1] : 0));
  return facts;
}

inline Wire converse(uint16_t port, size_t camera, size_t frames) {
  WireClient client(port);
  Wire wire;
  std::string uri = client.url(camera);
  wire.options = client.call("OPTIONS", uri);
  wire.describe = client.call("DESCRIBE", uri);
  if (status_of(wire.describe) == 302) {
    ++wire.redirects;
    uri = found_in(wire.describe, "Location: *([^ \r\n]*)");
    wire.describe = client.call("DESCRIBE", uri);
  }
  wire.sdp = wire.describe.substr(std::min(wire.describe.find("\r\n\r\n") + 4, wire.describe.size()));
  const size_t video = wire.sdp.find("m=video");
  const std::string media = video == std::string::npos ? wire.sdp : wire.sdp.substr(video);
  const std::string control = found_in(media, "a=control:([^ \r\n]*)");
  if (control.empty()) return wire;
  std::vector<std::string> targets{control};
  if (!control.starts_with("rtsp://")) {
    const std::string track = control.substr(control.find("track"));
    std::string base = uri;
    if (wire.describe.find("?channel=") != std::string::npos) base += "?channel=1&subtype=0";
    targets = {base + "//" + track, base + "/" + track};
    if (wire.describe.find("?channel=") != std::string::npos) targets.insert(targets.begin(), uri + "/" + track);
  } else {
    targets.push_back(uri + control.substr(control.rfind('/')));
  }
  for (const std::string& target : targets) {
    wire.setup = client.call("SETUP", target, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    wire.setup_statuses.push_back(status_of(wire.setup));
    if (status_of(wire.setup) == 200) break;
  }
  wire.play = client.call("PLAY", uri, "Range: npt=0-\r\nSession: 1\r\n");
  wire.play_item = client.items.empty() ? 0 : client.items.size() - 1;
  client.collect(frames);
  wire.set_parameter = client.call("SET_PARAMETER", uri);
  wire.get_parameter = client.call("GET_PARAMETER", uri);
  wire.closed = client.closed();
  wire.closed_after_401 = client.closed_after_refusal > 0;
  wire.items = client.items;
  wire.refused = client.refused;
  for (size_t i = 0; i < wire.items.size(); ++i) {
    const Item& item = wire.items[i];
    if (item.kind != Item::Kind::frame || item.channel == 200 || item.bytes.size() < 8) continue;
    const auto kind = static_cast<uint8_t>(item.bytes[1]);
    if (kind >= 192 && kind <= 223) {
      wire.rtcp.push_back(item.bytes);
    } else if (item.bytes.size() >= 12) {
      wire.rtp.push_back(read_rtp(item.bytes, i));
    }
  }
  return wire;
}

}  // namespace vigie::loadgen
