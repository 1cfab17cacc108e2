// What decoding, the one copy and encoding cost, and what comes of them, beside libx264 as FFmpeg's pipelines run it:
//
//   codec_bench FILE.h264 [--frames N] [--rounds N] [--quality Q] [--cap BPS] [--fps F] [--try NAME=OPTIONS]...
//
// OPTIONS are libavcodec's for libx264, "preset=ultrafast,tune=zerolatency,b=4M,x264-params=…", in place of vigie's
// encoder. All rows take turns within every round, so that what else the machine does hits them alike; times are the
// thread's processor time, the least of the rounds. `ratio` is the first reference's decode + encode over the row's
// decode + copy + encode (the reference's own copy and drawbox are given to it).
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
}
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "clip_input.h"
#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/frame_pool.h"
#include "codec/libav.h"
#include "codec/likeness.h"

namespace {

using namespace vigie;
using bench::read_units;
using bench::stop;

constexpr const char* kReference = "preset=ultrafast,tune=zerolatency,b=4M,g=50";

double now_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

template <class T>
T need(Result<T> result) {
  if (!result) stop(result.error().text());
  return std::move(*result);
}
void need(const Status& status) {
  if (!status) stop(status.error().text());
}

struct Settings {
  std::string file;
  size_t frames = 100;
  size_t rounds = 5;
  int quality = codec::EncoderOptions{}.quality;
  uint32_t cap = 0;
  double fps = 25;
  std::vector<std::pair<std::string, std::string>> tries;  // name, libavcodec's options
};

// One way of encoding, and what it has cost.
struct Row {
  std::string name, options;  // no options: vigie's encoder
  std::vector<double> encode_ms;
  std::vector<std::vector<uint8_t>> coded;  // of the first round
};

// Takes the copies, and the time that they take.
class Copies final : public codec::PictureSink {
 public:
  explicit Copies(codec::FramePool& pool) : pool_(pool) {}
  void on_picture(const codec::DecodedPicture& picture) override {
    const double start = now_ms();
    Ref<Frame> frame = pool_.make(picture.format);
    need(picture.copy_to(*frame));
    copy_ms += now_ms() - start;
    ++count;
    if (keep) frames.push_back(std::move(frame));
  }
  bool keep = false;
  std::vector<Ref<Frame>> frames;
  double copy_ms = 0;
  size_t count = 0;

 private:
  codec::FramePool& pool_;
};

double decode_all(const std::vector<Ref<const AccessUnit>>& units, Copies& copies) {
  const auto decoder = need(codec::Decoder::make(Codec::h264, units[0]->parameter_sets));
  const double start = now_ms();
  for (const auto& unit : units) need(decoder->decode(*unit, 0, copies));
  need(decoder->drain(copies));
  return now_ms() - start - copies.copy_ms;
}

codec::ContextPtr open_reference(const Settings& settings, const FrameFormat& format, const std::string& options) {
  const AVCodec* found = avcodec_find_encoder_by_name("libx264");
  if (!found) stop("no libx264");
  codec::ContextPtr context = codec::make_context(found);
  codec::set_picture_facts(format, *context);
  context->framerate = av_d2q(settings.fps, 1000);
  context->time_base = av_inv_q(context->framerate);
  context->thread_count = 1;
  AVDictionary* dictionary = nullptr;
  av_dict_parse_string(&dictionary, options.c_str(), "=", ",", 0);
  const int opened = avcodec_open2(context.get(), found, &dictionary);
  if (opened < 0 || av_dict_count(dictionary) > 0) stop("libx264 does not take " + options);
  return context;
}

void encode_reference(const Settings& settings, const std::vector<Ref<Frame>>& frames, Row& row, bool keep) {
  const codec::ContextPtr context = open_reference(settings, frames[0]->format, row.options);
  const codec::FramePtr lent(av_frame_alloc());
  const codec::PacketPtr packet(av_packet_alloc());
  const double start = now_ms();
  const auto take = [&] {
    while (avcodec_receive_packet(context.get(), packet.get()) >= 0) {
      if (keep) row.coded.emplace_back(packet->data, packet->data + packet->size);
      av_packet_unref(packet.get());
    }
  };
  int64_t pts = 0;
  for (const auto& frame : frames) {
    need(codec::lend_frame(*frame, *lent));
    lent->pts = pts++;
    if (avcodec_send_frame(context.get(), lent.get()) < 0) stop("libx264 takes no frame");
    take();
  }
  avcodec_send_frame(context.get(), nullptr);
  take();
  row.encode_ms.push_back((now_ms() - start) / static_cast<double>(frames.size()));
}

void encode_ours(const Settings& settings, const std::vector<Ref<Frame>>& frames, Row& row, bool keep) {
  codec::EncoderOptions options;
  options.format = frames[0]->format;
  options.fps = settings.fps;
  options.quality = settings.quality;
  options.bitrate_cap_bps = settings.cap;
  const auto encoder = need(codec::Encoder::make(options));
  const double start = now_ms();
  for (const auto& frame : frames) {
    const codec::EncodedPicture picture = need(encoder->encode(*frame, false));
    if (keep) row.coded.emplace_back(picture.payload.data(), picture.payload.data() + picture.payload.size());
  }
  row.encode_ms.push_back((now_ms() - start) / static_cast<double>(frames.size()));
}

double plane_ssim(const Frame& a, const Frame& b, size_t plane) {
  return codec::plane_ssim(codec::plane_of(a, plane), codec::plane_of(b, plane), codec::FlatWindows::counted).value();
}

struct Likeness {
  double ssim = 0, psnr = 0;  // ssim: all planes by their samples; psnr: luma
};

Likeness compare(const std::vector<Ref<Frame>>& frames, const Row& row, BufferPool& pool) {
  rtp::ParameterSetTracker tracker(Codec::h264);
  std::vector<Ref<const AccessUnit>> units;
  for (const auto& bytes : row.coded)
    units.push_back(need(rtp::make_access_unit(Codec::h264, bytes, {}, tracker, pool)));
  codec::FramePool frame_pool(8 << 20);
  class Against final : public codec::PictureSink {
   public:
    Against(const std::vector<Ref<Frame>>& frames, codec::FramePool& pool) : frames_(frames), pool_(pool) {}
    void on_picture(const codec::DecodedPicture& picture) override {
      const Frame& original = *frames_.at(at_++);
      const Ref<Frame> copy = pool_.make(picture.format);
      need(picture.copy_to(*copy));
      ssim +=
          (4 * plane_ssim(original, *copy, 0) + plane_ssim(original, *copy, 1) + plane_ssim(original, *copy, 2)) / 6;
      for (uint32_t y = 0; y < original.format.height; ++y) {
        for (uint32_t x = 0; x < original.format.width; ++x) {
          const int difference = original.row(0, y)[x] - copy->row(0, y)[x];
          error += difference * difference;
        }
      }
    }
    double ssim = 0, error = 0;

   private:
    const std::vector<Ref<Frame>>& frames_;
    codec::FramePool& pool_;
    size_t at_ = 0;
  } against(frames, frame_pool);
  const auto decoder = need(codec::Decoder::make(Codec::h264, units[0]->parameter_sets));
  for (const auto& unit : units) need(decoder->decode(*unit, 0, against));
  need(decoder->drain(against));
  const double count = static_cast<double>(frames.size());
  const double samples = count * frames[0]->format.width * frames[0]->format.height;
  return {against.ssim / count, 10 * std::log10(255 * 255 * samples / std::max(1.0, against.error))};
}

double least(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      settings.file = word;
      continue;
    }
    if (i + 1 == argc) stop(word + " needs a value");
    const std::string value = argv[++i];
    if (word == "--frames")
      settings.frames = std::stoul(value);
    else if (word == "--rounds")
      settings.rounds = std::max(1UL, std::stoul(value));
    else if (word == "--quality")
      settings.quality = std::stoi(value);
    else if (word == "--cap")
      settings.cap = static_cast<uint32_t>(std::stoul(value));
    else if (word == "--fps")
      settings.fps = std::stod(value);
    else if (word == "--try")
      settings.tries.emplace_back(value.substr(0, value.find('=')), value.substr(value.find('=') + 1));
    else
      stop("no option " + word);
  }
  if (settings.file.empty()) stop("which file?");
  return settings;
}

void print(const Settings& settings, const std::vector<Ref<Frame>>& frames, const std::vector<Row>& rows, double decode,
           double copy, BufferPool& pool) {
  std::printf("%s: %zu frames of %ux%u, %zu rounds; decode %.2f ms, copy %.2f ms a frame\n", settings.file.c_str(),
              frames.size(), frames[0]->format.width, frames[0]->format.height, settings.rounds, decode, copy);
  std::printf("%-28s %9s %7s %7s %8s %8s\n", "encoder", "encode ms", "ratio", "Mbit/s", "SSIM", "PSNR Y");
  const double reference = decode + least(rows[0].encode_ms);
  for (const Row& row : rows) {
    size_t bytes = 0;
    for (const auto& coded : row.coded) bytes += coded.size();
    const double encode = least(row.encode_ms);
    const Likeness likeness = compare(frames, row, pool);
    std::printf("%-28s %9.2f %7.2f %7.2f %8.4f %8.2f\n", row.name.c_str(), encode, reference / (decode + copy + encode),
                static_cast<double>(bytes) * 8 * settings.fps / static_cast<double>(frames.size()) / 1e6, likeness.ssim,
                likeness.psnr);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  BufferPool pool;
  const auto units = read_units(settings.file, Codec::h264, settings.frames, pool);
  codec::FramePool frame_pool(size_t{16} << 20);
  Copies kept(frame_pool);
  kept.keep = true;
  decode_all(units, kept);
  std::vector<Row> rows{{"reference", kReference, {}, {}}, {"vigie", "", {}, {}}};
  for (const auto& [name, options] : settings.tries) rows.push_back({name, options, {}, {}});
  std::vector<double> decode_ms, copy_ms;
  for (size_t round = 0; round < settings.rounds; ++round) {
    Copies copies(frame_pool);
    const double decoded = decode_all(units, copies);
    decode_ms.push_back(decoded / static_cast<double>(copies.count));
    copy_ms.push_back(copies.copy_ms / static_cast<double>(copies.count));
    for (Row& row : rows) {
      if (row.options.empty())
        encode_ours(settings, kept.frames, row, round == 0);
      else
        encode_reference(settings, kept.frames, row, round == 0);
    }
  }
  print(settings, kept.frames, rows, least(decode_ms), least(copy_ms), pool);
  return 0;
}
