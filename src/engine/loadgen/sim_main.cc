// vigie-sim: simulated RTSP cameras on one port.
#include <csignal>
#include <cstdio>
#include <cstring>

#include "loadgen/arguments.h"
#include "loadgen/sim_server.h"

namespace vigie::loadgen {
namespace {

constexpr char kHelp[] = R"(vigie-sim: simulated cameras rtsp://HOST:PORT/camNNN

  --host ADDRESS (127.0.0.1)  --port N (0: any)  --cameras N (1)  --first N (0)  --transport tcp|udp|both (both)
content, one of
  --file CLIP (repeatable, cameras take turns): Annex B .h264 .h265 or a row of JPEG images .mjpeg
      --fps N (25)  --timing FILE: "pts dts" lines in 90 kHz ticks  --no-stamp
  --synthetic (default): --codec h264|h265|mjpeg (h264)  --bitrate MBIT (4)  --fps N (25)  --gop N (50)
      --key-ratio N (5)  --jitter SHARE (0.2)  --width N (1920)  --height N (1080)
  --payload BYTES (1400)  --pace-mbit N (100; 0: a unit leaves at once)  --pace-chunk BYTES (32768)
  --user NAME --password TEXT  --auth md5|sha256|both (both)  --sr-seconds N (5)  --session-timeout N (60)
  --idr-on-play  --audio  --seed N (1)  --duration SECONDS (0: for ever)
  --quirk IDS | camNNN:IDS (repeatable): known deviations that all cameras, or one, show: A4,F1
      --random-quirks N: so many more for each camera, by --seed   --list-quirks
  --realtime: where the system allows it, beside programs that compute
  --fault JSON (repeatable)   --control: commands as JSON lines on stdin, ends with stdin
The first line on stdout is {"event":"ready","port":N}; answers to commands follow as JSON lines.
)";

// Commands on stdin, one JSON object a line.
class ControlInput final : public Handler {
 public:
  ControlInput(Loop& loop, SimServer& server) : loop_(loop), server_(server) { loop_.watch(0, EPOLLIN, this); }
  void on_ready(uint32_t) override {
    char buffer[4096];
    const ssize_t got = ::read(0, buffer, sizeof buffer);
    if (got <= 0) return loop_.stop();
    text_.append(buffer, static_cast<size_t>(got));
    for (size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
      execute(text_.substr(0, end));
      text_.erase(0, end + 1);
    }
    if (text_.size() > 1 << 20) loop_.stop();
  }

 private:
  void execute(const std::string& line) {
    const Result<ControlCommand> command = parse_control(line);
    if (!command.ok()) {
      std::fprintf(stderr, "error: %s\n", command.error().text().c_str());
      std::printf("{\"event\":\"error\"}\n");
    } else if (command->verb == ControlCommand::Verb::stop) {
      loop_.stop();
    } else if (command->verb == ControlCommand::Verb::stats) {
      std::printf("%s\n", server_.stats_json(command->per_camera).c_str());
    } else {
      server_.execute(*command);
      std::printf("{\"event\":\"done\"}\n");
    }
    std::fflush(stdout);
  }
  Loop& loop_;
  SimServer& server_;
  std::string text_;
};

Codec read_codec(const std::string& name) {
  if (name == "h264") return Codec::h264;
  if (name == "h265") return Codec::h265;
  if (name == "mjpeg") return Codec::mjpeg;
  Arguments::fail("--codec must be h264, h265 or mjpeg, not '" + name + "'");
}

ClipStore make_clips(Arguments& arguments) {
  std::vector<Clip> clips;
  const double fps = arguments.number("--fps", 25);
  if (fps < 0.1 || fps > 1000) Arguments::fail("--fps must be from 0.1 to 1000");
  const auto payload = static_cast<size_t>(arguments.number("--payload", 1400));
  if (payload < 300 || payload > 60000) Arguments::fail("--payload must be from 300 to 60000 bytes");
  FileOptions file;
  file.fps = fps;
  file.max_payload = payload;
  file.stamp = !arguments.flag("--no-stamp");
  file.timing = arguments.text("--timing", "");
  arguments.flag("--synthetic");
  SyntheticOptions synthetic;
  synthetic.codec = read_codec(arguments.text("--codec", "h264"));
  synthetic.bits_per_second = arguments.number("--bitrate", 4) * 1e6;
  synthetic.fps = fps;
  synthetic.gop = static_cast<uint32_t>(arguments.number("--gop", 50));
  synthetic.key_ratio = arguments.number("--key-ratio", 5);
  synthetic.jitter = arguments.number("--jitter", 0.2);
  synthetic.width = static_cast<uint32_t>(arguments.number("--width", 1920));
  synthetic.height = static_cast<uint32_t>(arguments.number("--height", 1080));
  synthetic.max_payload = payload;
  for (const std::string& path : arguments.texts("--file")) {
    Result<Clip> clip = load_clip(path, file);
    if (!clip.ok()) Arguments::fail(clip.error().text());
    clips.push_back(std::move(clip).value());
  }
  if (!clips.empty()) return ClipStore(std::move(clips), std::nullopt);
  clips.push_back(make_synthetic_clip(synthetic));
  return ClipStore(std::move(clips), synthetic);
}

QuirkPlan read_quirks(Arguments& arguments, const SimOptions& options) {
  QuirkPlan plan;
  for (const std::string& text : arguments.texts("--quirk")) {
    if (const Status added = plan.add(text); !added.ok()) Arguments::fail(added.error().text());
  }
  plan.add_random(static_cast<uint32_t>(arguments.number("--random-quirks", 0)), options.seed);
  for (const uint32_t number : plan.named()) {
    if (number < options.first || number - options.first >= options.cameras) {
      Arguments::fail("--quirk names camera " + std::to_string(number) + ", which is none of the " +
                      std::to_string(options.cameras) + " from " + std::to_string(options.first) + " on");
    }
  }
  return plan;
}

// What each camera plays, and which quirks it has.
std::vector<Clip*> cast(const QuirkPlan& plan, ClipStore& store, SimOptions& options) {
  std::vector<Clip*> clips;
  for (uint32_t i = 0; i < options.cameras; ++i) {
    clips.push_back(&store.plain(i));
    if (plan.empty()) continue;
    const QuirkSet quirks = plan.of(options.first + i, clips[i]->codec, !options.credentials.empty());
    for (const Quirk quirk : quirks.list()) {
      if (needs_credentials(quirk) && options.credentials.empty()) {
        Arguments::fail("quirk " + std::string(quirk_facts(quirk).id) +
                        " is about passwords: give --user and --password");
      }
    }
    const Result<Clip*> clip = store.clip_for(i, quirks);
    if (!clip.ok()) Arguments::fail(clip.error().text());
    clips[i] = *clip;
    options.quirks.push_back(quirks);
  }
  return clips;
}

// {"event":"ready","port":N}, and which camera has which quirks where any has.
void say_ready(const SimServer& server) {
  std::printf("{\"event\":\"ready\",\"port\":%u", server.port());
  const SimOptions& options = server.options();
  const char* before = ",\"quirks\":{";
  for (size_t i = 0; i < options.quirks.size(); ++i) {
    if (options.quirks[i].empty()) continue;
    std::printf("%s\"cam%03zu\":\"%s\"", before, options.first + i, ids_text(options.quirks[i]).c_str());
    before = ",";
  }
  std::printf("%s}\n", *before == ',' && before[1] == '\0' ? "}" : "");
  std::fflush(stdout);
}

Nanos read_seconds(Arguments& arguments, const char* name, double fallback) {
  return Nanos(static_cast<int64_t>(arguments.number(name, fallback) * 1e9));
}

Loop* signalled_loop = nullptr;

int run(int count, char** values) {
  Arguments arguments(count, values);
  if (arguments.flag("--help")) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  if (arguments.flag("--list-quirks")) {
    for (const Emulation& each : emulations()) {
      std::printf("%-4s%.*s\n", std::string(each.id).c_str(), static_cast<int>(each.sentence.size()),
                  each.sentence.data());
    }
    return 0;
  }
  SimOptions options;
  options.host = arguments.text("--host", options.host);
  options.port = static_cast<uint16_t>(arguments.number("--port", 0));
  options.cameras = static_cast<uint32_t>(arguments.number("--cameras", 1));
  options.first = static_cast<uint32_t>(arguments.number("--first", 0));
  options.pace.bits_per_second = arguments.number("--pace-mbit", 100) * 1e6;
  options.pace.chunk_bytes = static_cast<size_t>(arguments.number("--pace-chunk", 32768));
  const std::string transport = arguments.text("--transport", "both");
  options.allow_tcp = transport != "udp";
  options.allow_udp = transport != "tcp";
  options.credentials = {arguments.text("--user", ""), arguments.text("--password", "")};
  const std::string auth = arguments.text("--auth", "both");
  options.offer_md5 = auth != "sha256";
  options.offer_sha256 = auth != "md5";
  options.report_interval = read_seconds(arguments, "--sr-seconds", 5);
  options.session_timeout = read_seconds(arguments, "--session-timeout", 60);
  options.keyframe_on_play = arguments.flag("--idr-on-play");
  options.audio = arguments.flag("--audio");
  options.seed = static_cast<uint64_t>(arguments.number("--seed", 1));
  const Nanos duration = read_seconds(arguments, "--duration", 0);
  const bool control = arguments.flag("--control");
  const bool realtime = arguments.flag("--realtime");
  const std::vector<std::string> faults = arguments.texts("--fault");
  const QuirkPlan plan = read_quirks(arguments, options);
  ClipStore store = make_clips(arguments);
  arguments.finish();

  const std::vector<Clip*> clips = cast(plan, store, options);
  prepare_process();
  Loop loop(system_clock());
  SimServer server(loop, options, clips);
  if (const Status listening = server.listen(); !listening.ok()) Arguments::fail(listening.error().text());
  for (const std::string& text : faults) {
    const Result<ControlCommand> command = parse_control(text);
    if (!command.ok()) Arguments::fail(command.error().text());
    server.execute(*command);
  }
  signalled_loop = &loop;
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { signalled_loop->stop(); });
  say_ready(server);
  std::unique_ptr<ControlInput> input;
  if (control) input = std::make_unique<ControlInput>(loop, server);
  if (duration > 0ns) loop.after(duration, [&] { loop.stop(); });
  loop.run(realtime);
  std::printf("%s\n", server.stats_json(false).c_str());
  return 0;
}

}  // namespace
}  // namespace vigie::loadgen

int main(int count, char** values) { return vigie::loadgen::run(count, values); }
