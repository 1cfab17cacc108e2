#include <gtest/gtest.h>

#include <set>

#include "codec/coded_clip.h"
#include "codec/h264_continuity.h"

namespace vigie::codec {
namespace {

ClipOptions options(const char* x264, int pictures = 40) {
  ClipOptions made;
  made.width = 64;
  made.height = 64;
  made.pictures = pictures;
  made.options = std::string("x264-params=") + x264;
  return made;
}

// Which units do not follow when those of `lost` never come.
std::set<size_t> breaks(const std::vector<Ref<const AccessUnit>>& units, const std::set<size_t>& lost) {
  H264Continuity continuity;
  std::set<size_t> found;
  for (size_t i = 0; i < units.size(); ++i) {
    if (!lost.contains(i) && !continuity.follows(*units[i])) found.insert(i);
  }
  return found;
}

TEST(H264Continuity, SeesALostReferencePicture) {
  const auto units = make_clip(options("bframes=0:keyint=20:min-keyint=20:scenecut=0"));
  using Set = std::set<size_t>;
  EXPECT_EQ(breaks(units, {}), Set{});  // over the wrap of frame_num, and over an IDR picture
  EXPECT_EQ(breaks(units, {3}), Set{4});
  EXPECT_EQ(breaks(units, {3, 4, 5, 25}), (Set{6, 26}));
  EXPECT_EQ(breaks(units, {17, 18, 19}), Set{});  // nothing after the IDR picture refers to them
  EXPECT_EQ(breaks(units, {0}), Set{1});          // joined in the middle
}

TEST(H264Continuity, MissesNothingThatNobodyRefersTo) {
  ClipOptions with_b = options("bframes=2:b-adapt=0:b-pyramid=none:keyint=100:scenecut=0");
  with_b.tune = [](auto&) {};
  const auto units = make_clip(with_b);
  std::set<size_t> unused;
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i]->nal(units[i]->nals.size() - 1)[0] >> 5 == 0) unused.insert(i);
  }
  ASSERT_GT(unused.size(), 10U);
  EXPECT_TRUE(breaks(units, {}).empty());
  EXPECT_TRUE(breaks(units, unused).empty());
  EXPECT_EQ(breaks(units, {3}).size(), unused.contains(3) ? 0U : 1U);
}

TEST(H264Continuity, BelievesTheSpsThatGapsAreMeant) {
  const auto units = make_clip(options("bframes=0:keyint=100", 4));
  auto sets = make_ref<ParameterSets>();
  sets->sps = units[0]->parameter_sets->sps;
  sets->picture = units[0]->parameter_sets->picture;
  for (const bool meant : {false, true}) {
    sets->picture.frame_num_gaps_allowed = meant;
    H264Continuity continuity;
    for (const size_t i : {0, 1, 3}) {
      AccessUnit unit;
      unit.payload = units[i]->payload;
      unit.nals = units[i]->nals;
      unit.parameter_sets = sets;
      EXPECT_EQ(continuity.follows(unit), meant || i != 3);
    }
  }
}

// A camera may send several SPS, and so does whoever makes noise of one: the check goes on by the one that is used.
TEST(H264Continuity, FollowsTheSpsThatAPictureRefersTo) {
  const auto units = make_clip(options("bframes=0:keyint=100", 4));
  auto sets = make_ref<ParameterSets>();
  sets->sps = {{0x67, 1, 2, 3}, units[0]->parameter_sets->sps.at(0)};
  const auto follows = [&](size_t last) {
    H264Continuity continuity;
    bool followed = false;
    for (const size_t i : {size_t{0}, size_t{1}, last}) {
      AccessUnit unit;
      unit.payload = units[i]->payload;
      unit.nals = units[i]->nals;
      unit.parameter_sets = sets;
      followed = continuity.follows(unit);
    }
    return followed;
  };
  EXPECT_FALSE(follows(2));  // nothing is known of its SPS
  sets->pps_facts = {{7, PictureFacts{}}, {0, units[0]->parameter_sets->picture}};
  EXPECT_TRUE(follows(2));
  EXPECT_FALSE(follows(3));
}

TEST(H264Continuity, AUnitWithoutASliceDoesNotFollow) {
  const auto units = make_clip(options("bframes=0:keyint=100", 2));
  AccessUnit empty;
  empty.payload = units[0]->payload;
  empty.nals.push_back(units[0]->nals[0]);
  empty.parameter_sets = units[0]->parameter_sets;
  H264Continuity continuity;
  EXPECT_TRUE(continuity.follows(*units[0]));
  EXPECT_FALSE(continuity.follows(empty));
  EXPECT_FALSE(continuity.follows(*units[1]));
  continuity.reset();
  EXPECT_TRUE(continuity.follows(*units[0]));
}

}  // namespace
}  // namespace vigie::codec
