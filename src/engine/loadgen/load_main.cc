// vigie-load: simulated viewers that check what they get.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "loadgen/arguments.h"
#include "loadgen/viewer.h"

namespace vigie::loadgen {
namespace {

constexpr char kHelp[] = R"(vigie-load: viewers that check continuity and measure latency

  --url-template URL: {n} or {n:03d} becomes the camera's number; the host must be a numeric address
  --cameras N (1)  --first N (0)  --viewers K (1; of each camera)  --transport tcp|udp (tcp)
  --user NAME --password TEXT  --ramp SECONDS (1)  --warm-up SECONDS (2)  --duration SECONDS (10)
  --ready-timeout SECONDS (30; how long to wait until every viewer has a picture)
  --keep-alive SECONDS (25)  --retry SECONDS (1)  --stalled SHARE (0)  --churn SECONDS (0: none; mean time between
  reconnects of one viewer)  --any-camera: do not check whose picture it is  --realtime: where the system allows it, so
  that a latency is not the wait for a processor
stderr: progress as JSON lines; stdout: the result as one JSON object.
)";

struct LoadOptions {
  std::string url_template;
  uint32_t cameras = 1, first = 0, viewers = 1;
  bool udp = false, any_camera = false;
  Credentials credentials;
  double ramp = 1, warm_up = 2, duration = 10, ready_timeout = 30, keep_alive = 25, retry = 1, stalled = 0, churn = 0;
};

Nanos seconds(double value) { return Nanos(static_cast<int64_t>(value * 1e9)); }

std::string fill_template(const std::string& text, uint32_t number) {
  const size_t begin = text.find("{n"), end = text.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return text;
  const std::string format = text.substr(begin + 2, end - begin - 2);  // "" or ":03d"
  std::string digits = std::to_string(number);
  if (format.starts_with(":0")) {
    const size_t width = static_cast<size_t>(std::strtoul(format.c_str() + 2, nullptr, 10));
    while (digits.size() < width && width <= 20) digits.insert(digits.begin(), '0');
  }
  return text.substr(0, begin) + digits + text.substr(end + 1);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto in_seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
}

nlohmann::json summary(const LatencyHistogram& histogram) {
  const auto ms = [](auto ns) { return static_cast<double>(ns) / 1e6; };
  return {{"count", histogram.count()},
          {"min", ms(histogram.min())},
          {"mean", ms(histogram.mean())},
          {"p50", ms(histogram.quantile(0.5))},
          {"p90", ms(histogram.quantile(0.9))},
          {"p99", ms(histogram.quantile(0.99))},
          {"p999", ms(histogram.quantile(0.999))},
          {"max", ms(histogram.max())},
          {"negative", histogram.negatives()}};
}

// The run: ramp, until everybody has a picture, warm-up, window, result.
class LoadRun {
 public:
  LoadRun(Loop& loop, LoadOptions options) : loop_(loop), options_(std::move(options)), shared_(loop) {
    const uint32_t total = options_.cameras * options_.viewers;
    double stalled_due = 0;
    for (uint32_t i = 0; i < total; ++i) {
      // First one viewer of every camera, then the second ones: as the ramp goes, load spreads.
      ViewerOptions viewer;
      const uint32_t number = options_.first + i % options_.cameras;
      viewer.url = fill_template(options_.url_template, number);
      viewer.camera = options_.any_camera ? -1 : static_cast<int64_t>(number);
      viewer.udp = options_.udp;
      viewer.credentials = options_.credentials;
      viewer.keep_alive = seconds(options_.keep_alive);
      viewer.retry_delay = seconds(options_.retry);
      stalled_due += options_.stalled;
      if (stalled_due >= 1 - 1e-9) {
        stalled_due -= 1;
        viewer.stalled = true;
      }
      viewers_.push_back(std::make_unique<Viewer>(shared_, viewer));
    }
  }

  void start() {
    started_ = loop_.now();
    for (size_t i = 0; i < viewers_.size(); ++i) {
      const double at = options_.ramp * static_cast<double>(i) / static_cast<double>(viewers_.size());
      loop_.after(seconds(at), [this, i] {
        viewers_[i]->start();
        churn(i);
      });
    }
    wait_until_ready();
    progress();
  }

  void finish() {
    if (finished_) return;
    finished_ = true;
    const double window = std::chrono::duration<double>(loop_.now() - window_began_).count();
    CheckCounts counts = shared_.finished;
    uint64_t playing = 0, with_picture = 0, stalled = 0;
    for (const auto& viewer : viewers_) {
      counts.add(viewer->counts());
      playing += viewer->playing();
      with_picture += viewer->has_picture();
      stalled += viewer->options().stalled;
    }
    say("window-end");
    const nlohmann::json result{{"viewers", viewers_.size()},
                                {"stalled_viewers", stalled},
                                {"playing", playing},
                                {"with_picture", with_picture},
                                {"all_ready", all_ready_},
                                {"ramp_to_all_pictures_s", ready_after_s_},
                                {"window_s", shared_.measuring ? window : 0},
                                {"cpu_cores", window > 0 ? (cpu_seconds() - window_cpu_) / window : 0},
                                {"units", counts.units},
                                {"keyframes", counts.keyframes},
                                {"stamped_units", counts.stamped_units},
                                {"packets", counts.packets},
                                {"bytes", counts.bytes},
                                {"mbit_per_s", window > 0 ? static_cast<double>(counts.bytes) * 8 / window / 1e6 : 0},
                                {"missing_units", counts.missing_units},
                                {"repeated_units", counts.repeated_units},
                                {"out_of_order_units", counts.out_of_order_units},
                                {"damaged_units", counts.damaged_units},
                                {"wrong_camera_units", counts.wrong_camera_units},
                                {"lost_packets", counts.lost_packets},
                                {"reordered_packets", counts.reordered_packets},
                                {"repeated_packets", counts.repeated_packets},
                                {"timestamps_not_following", counts.timestamps_not_following},
                                {"units_without_marker", counts.units_without_marker},
                                {"ssrc_changes", counts.sequence_restarts},
                                {"began_without_keyframe", shared_.began_without_keyframe},
                                {"connects", shared_.connects},
                                {"failures", shared_.failures},
                                {"disconnects", shared_.disconnects},
                                {"last_failure", shared_.last_failure},
                                {"latency_ms", summary(shared_.latency)},
                                {"first_picture_ms", summary(shared_.first_picture)},
                                {"connect_to_picture_ms", summary(shared_.connect_to_picture)},
                                {"live_edge_lag_ms", summary(shared_.live_edge)}};
    std::printf("%s\n", result.dump().c_str());
    std::fflush(stdout);
    loop_.stop();
  }

 private:
  void churn(size_t index) {
    if (options_.churn <= 0) return;
    loop_.after(seconds(options_.churn * 2 * random_.unit()), [this, index] {
      viewers_[index]->reconnect();
      churn(index);
    });
  }

  bool everybody_ready() const {
    for (const auto& viewer : viewers_) {
      if (viewer->options().stalled ? !viewer->playing() : !viewer->has_picture()) return false;
    }
    return true;
  }

  void wait_until_ready() {
    const double elapsed = std::chrono::duration<double>(loop_.now() - started_).count();
    all_ready_ = elapsed >= options_.ramp && everybody_ready();
    if (!all_ready_ && elapsed < options_.ramp + options_.ready_timeout) {
      loop_.after(20ms, [this] { wait_until_ready(); });
      return;
    }
    ready_after_s_ = elapsed;
    say("warm-up");
    loop_.after(seconds(options_.warm_up), [this] { begin_window(); });
  }

  void begin_window() {
    for (const auto& viewer : viewers_) viewer->clear_counts();
    shared_.finished = CheckCounts();
    shared_.latency.clear();
    shared_.measuring = true;
    shared_.disconnects = shared_.failures = 0;
    window_began_ = loop_.now();
    window_cpu_ = cpu_seconds();
    say("window-begin");
    loop_.after(seconds(options_.duration), [this] { finish(); });
  }

  void progress() {
    if (finished_) return;
    say("progress");
    loop_.after(1s, [this] { progress(); });
  }

  void say(const char* event) {
    uint64_t playing = 0, with_picture = 0, units = 0;
    for (const auto& viewer : viewers_) {
      playing += viewer->playing();
      with_picture += viewer->has_picture();
      units += viewer->counts().units;
    }
    const nlohmann::json line{
        {"event", event},     {"seconds", std::chrono::duration<double>(loop_.now() - started_).count()},
        {"playing", playing}, {"with_picture", with_picture},
        {"units", units},     {"last_failure", shared_.last_failure}};
    std::fprintf(stderr, "%s\n", line.dump().c_str());
  }

  Loop& loop_;
  LoadOptions options_;
  ViewerShared shared_;
  std::vector<std::unique_ptr<Viewer>> viewers_;
  FastRandom random_{1};
  MonoTime started_{}, window_began_{};
  double ready_after_s_ = 0, window_cpu_ = 0;
  bool all_ready_ = false, finished_ = false;
};

LoadRun* signalled_run = nullptr;
volatile std::sig_atomic_t interrupted = 0;

void watch_interrupt(Loop& loop) {
  if (interrupted) return signalled_run->finish();
  loop.after(100ms, [&loop] { watch_interrupt(loop); });
}

int run(int count, char** values) {
  Arguments arguments(count, values);
  if (arguments.flag("--help")) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  LoadOptions options;
  options.url_template = arguments.text("--url-template", "");
  if (options.url_template.empty())
    Arguments::fail("--url-template is needed, such as rtsp://127.0.0.1:8554/cam{n:03d}");
  options.cameras = static_cast<uint32_t>(arguments.number("--cameras", 1));
  options.first = static_cast<uint32_t>(arguments.number("--first", 0));
  options.viewers = static_cast<uint32_t>(arguments.number("--viewers", 1));
  if (options.cameras == 0 || options.viewers == 0) Arguments::fail("--cameras and --viewers must be at least 1");
  const std::string transport = arguments.text("--transport", "tcp");
  if (transport != "tcp" && transport != "udp") Arguments::fail("--transport must be tcp or udp");
  options.udp = transport == "udp";
  options.any_camera = arguments.flag("--any-camera");
  options.credentials = {arguments.text("--user", ""), arguments.text("--password", "")};
  options.ramp = arguments.number("--ramp", options.ramp);
  options.warm_up = arguments.number("--warm-up", options.warm_up);
  options.duration = arguments.number("--duration", options.duration);
  options.ready_timeout = arguments.number("--ready-timeout", options.ready_timeout);
  options.keep_alive = arguments.number("--keep-alive", options.keep_alive);
  options.retry = arguments.number("--retry", options.retry);
  options.stalled = arguments.number("--stalled", options.stalled);
  options.churn = arguments.number("--churn", options.churn);
  const bool realtime = arguments.flag("--realtime");
  arguments.finish();

  prepare_process();
  Loop loop(system_clock());
  LoadRun load(loop, options);
  signalled_run = &load;
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { interrupted = 1; });
  load.start();
  watch_interrupt(loop);
  loop.run(realtime);
  return 0;
}

}  // namespace
}  // namespace vigie::loadgen

int main(int count, char** values) { return vigie::loadgen::run(count, values); }
