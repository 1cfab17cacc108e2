// How much of the damage inside pictures the decoder notices (requirement M-4: what it does not, no mask can make good):
//
//   damage_bench FILE.h264|FILE.h265 [--trials N] [--seed N]
//
// Of one picture in each trial, its last slice is cut short, has one to three bits flipped, or is noise behind its first 16
// bytes. `refused` and `flagged`: what a lane takes for damage. `same`: not noticed, and nothing of it is to be seen.
// `unnoticed`: the rest, and the mean share of the luma samples that are off in it. Pictures behind it are not looked at.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "clip_input.h"
#include "codec/decoder.h"
#include "codec/frame_pool.h"

namespace {

using namespace vigie;
using bench::stop;

constexpr size_t kMostPictures = 25;
constexpr size_t kHead = 16;  // bytes of a slice that noise leaves alone

using Units = std::vector<Ref<const AccessUnit>>;
using Random = std::mt19937;

// The first group of pictures, or what is there of it.
Units read_group(const std::string& name, Codec codec, BufferPool& pool) {
  Units units = bench::read_units(name, codec, kMostPictures, pool);
  const auto is_keyframe = [](const Ref<const AccessUnit>& unit) { return unit->keyframe; };
  units.erase(units.begin(), std::ranges::find_if(units, is_keyframe));
  if (!units.empty()) units.erase(std::find_if(units.begin() + 1, units.end(), is_keyframe), units.end());
  if (units.size() < 2) stop(name + " has no two pictures behind a keyframe");
  return units;
}

// Keeps the newest picture.
class Newest final : public codec::PictureSink {
 public:
  explicit Newest(codec::FramePool& pool) : pool_(pool) {}
  void on_picture(const codec::DecodedPicture& picture) override {
    flagged = flagged || picture.corrupt;
    frame = pool_.make(picture.format);
    if (!picture.copy_to(*frame)) frame = nullptr;
  }
  bool flagged = false;
  Ref<Frame> frame;

 private:
  codec::FramePool& pool_;
};

std::unique_ptr<codec::Decoder> decoder_of(const Units& units) {
  auto made = codec::Decoder::make(units.front()->codec, units.front()->parameter_sets);
  if (!made) stop(made.error().text());
  return std::move(*made);
}

double share_off(const Frame& a, const Frame& b) {
  size_t off = 0;
  for (uint32_t y = 0; y < a.format.height; ++y) {
    for (uint32_t x = 0; x < a.format.width; ++x) off += a.row(0, y)[x] != b.row(0, y)[x] ? 1 : 0;
  }
  return static_cast<double>(off) / (static_cast<double>(a.format.width) * a.format.height);
}

// What is done to a slice: its bytes, and how many of them are left.
using Damage = std::function<void(uint8_t* slice, uint32_t& size, Random& random)>;

void cut(uint8_t*, uint32_t& size, Random& random) { size = kHead + random() % (size - kHead); }
void flip(uint8_t* slice, uint32_t& size, Random& random) {
  for (unsigned left = 1 + random() % 3; left > 0; --left) {
    slice[kHead / 2 + random() % (size - kHead / 2)] ^= static_cast<uint8_t>(1U << random() % 8);
  }
}
void noise(uint8_t* slice, uint32_t& size, Random& random) {
  for (size_t i = kHead; i < size; ++i) slice[i] = static_cast<uint8_t>(random());
}

void damage_into(AccessUnit& bad, const AccessUnit& whole, const Damage& damage, Random& random) {
  bad.codec = whole.codec;
  bad.parameter_sets = whole.parameter_sets;
  bad.keyframe = whole.keyframe;
  bad.nals = whole.nals;
  bad.payload = Buffer::make_heap(whole.payload.size());
  bad.payload.append(whole.payload.bytes());
  NalSpan& slice = bad.nals[bad.nals.size() - 1];
  damage(bad.payload.mutable_data() + slice.offset, slice.size, random);
}

// What each unit's decoding shows of an intact clip.
std::vector<Ref<Frame>> decode_all(const Units& units, codec::FramePool& frames) {
  const auto decoder = decoder_of(units);
  Newest newest(frames);
  std::vector<Ref<Frame>> shown;
  for (size_t i = 0; i < units.size(); ++i) {
    (void)decoder->decode(*units[i], i, newest);
    shown.push_back(newest.frame);
  }
  if (newest.flagged) stop("the clip itself is damaged");
  return shown;
}

void try_all(const char* name, const Damage& damage, const Units& units, int trials, unsigned seed) {
  codec::FramePool frames(size_t{256} << 20);
  const std::vector<Ref<Frame>> intact = decode_all(units, frames);
  Random random(seed);
  int done = 0, refused = 0, flagged = 0, same = 0, unnoticed = 0;
  double off = 0;
  while (done < trials) {
    const size_t which = random() % units.size();
    if (units[which]->nals.back().size < 2 * kHead) continue;
    const auto decoder = decoder_of(units);
    Newest before(frames), bad(frames);
    for (size_t i = 0; i < which; ++i) (void)decoder->decode(*units[i], i, before);
    AccessUnit unit;
    damage_into(unit, *units[which], damage, random);
    const bool taken = decoder->decode(unit, which, bad).ok();
    ++done;
    if (!taken || !bad.frame) {
      ++refused;
    } else if (bad.flagged) {
      ++flagged;
    } else if (const double share = share_off(*intact[which], *bad.frame); share == 0) {
      ++same;
    } else {
      ++unnoticed;
      off += share;
    }
  }
  std::printf("%-6s %8d %8d %8d %6d %10d %9.1f%%\n", name, done, refused, flagged, same, unnoticed,
              unnoticed ? 100 * off / unnoticed : 0);
}

}  // namespace

int main(int argc, char** argv) {
  std::string file;
  int trials = 1000;
  unsigned seed = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--trials" && i + 1 < argc) {
      trials = std::max(1, std::atoi(argv[++i]));
    } else if (name == "--seed" && i + 1 < argc) {
      seed = static_cast<unsigned>(std::atoi(argv[++i]));
    } else {
      file = name;
    }
  }
  const bool h265 = file.ends_with(".h265");
  if (!h265 && !file.ends_with(".h264")) stop("damage_bench FILE.h264|FILE.h265 [--trials N] [--seed N]");
  BufferPool pool(size_t{64} << 20);
  const Units units = read_group(file, h265 ? Codec::h265 : Codec::h264, pool);
  std::printf("%zu pictures\n%-6s %8s %8s %8s %6s %10s %10s\n", units.size(), "", "trials", "refused", "flagged",
              "same", "unnoticed", "off there");
  try_all("cut", cut, units, trials, seed);
  try_all("flip", flip, units, trials, seed);
  try_all("noise", noise, units, trials, seed);
}
