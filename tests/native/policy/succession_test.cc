#include <gtest/gtest.h>

#include <functional>

#include "policy/snapshot.h"

namespace vigie::policy {
namespace {

MaskSetPolicy set(uint64_t revision, double size) {
  return {.revision = revision,
          .regions = {{.name = "flat-3", .points = {{0, 0}, {size, 0}, {size, size}, {0, size}}}}};
}

// Of `other`, first, nothing changes; the second is the one that the cases change.
Ref<PolicySnapshot> town() {
  auto snapshot = make_ref<PolicySnapshot>();
  for (const char* name : {"other", "place"}) {
    snapshot->cameras.edit().push_back({.name = name,
                                        .privacy = Privacy::masked,
                                        .masks = set(5, 0.5),
                                        .versions = {{"police", set(3, 0.2)}},
                                        .dome = DomePolicy{},
                                        .streams = {{.name = "main", .kind = SourceKind::push}}});
  }
  return snapshot;
}

TEST(Succession, Table) {
  const struct {
    const char* name;
    std::function<void(CameraPolicy&)> change;
    const char *where, *says;  // null: it may follow
  } kCases[] = {
      {"the same", [](CameraPolicy&) {}, nullptr, nullptr},
      {"the same by a greater number", [](CameraPolicy& c) { c.masks->revision = 9; }, nullptr, nullptr},
      {"another reason by the same number", [](CameraPolicy& c) { c.masks->reason = "x"; }, nullptr, nullptr},
      {"a number that goes back", [](CameraPolicy& c) { c.masks->revision = 4; }, "/cameras/1/masks/revision",
       "4 was given, and 5 is in force; right would be a greater number"},
      {"larger", [](CameraPolicy& c) { c.masks = set(6, 0.6); }, nullptr, nullptr},
      {"larger by the same number", [](CameraPolicy& c) { c.masks = set(5, 0.6); }, "/cameras/1/masks/revision",
       "5 is in force with other regions"},
      {"another colour by the same number", [](CameraPolicy& c) { c.masks->regions[0].fill_rgb = 0; },
       "/cameras/1/masks/revision", "with other regions"},
      {"smaller without a word", [](CameraPolicy& c) { c.masks = set(6, 0.4); }, "/cameras/1/masks/removal_reason",
       "part of the region \"flat-3\" of revision 5 would be shown; right would be who agreed"},
      {"smaller with a blank reason",
       [](CameraPolicy& c) {
         c.masks = set(6, 0.4);
         c.masks->removal_reason = "  ";
       },
       "/cameras/1/masks/removal_reason", "missing"},
      {"smaller with a reason",
       [](CameraPolicy& c) {
         c.masks = set(6, 0.4);
         c.masks->removal_reason = "the owner agreed";
       },
       nullptr, nullptr},
      {"smaller with a reason by the same number",
       [](CameraPolicy& c) {
         c.masks = set(5, 0.4);
         c.masks->removal_reason = "the owner agreed";
       },
       "/cameras/1/masks/revision", "greater number"},
      {"no set any more: covered", [](CameraPolicy& c) { c.masks.reset(); }, nullptr, nullptr},
      {"clear, which has its own reason",
       [](CameraPolicy& c) {
         c.masks.reset();
         c.privacy = Privacy::clear;
         c.privacy_reason = "the house is gone";
       },
       nullptr, nullptr},
      {"a version smaller", [](CameraPolicy& c) { c.versions[0].masks = set(4, 0.1); },
       "/cameras/1/versions/0/masks/removal_reason", "flat-3"},
      {"a version by the same number", [](CameraPolicy& c) { c.versions[0].masks = set(3, 0.3); },
       "/cameras/1/versions/0/masks/revision", "3 was given, and 3"},
      {"a version behind a new one",
       [](CameraPolicy& c) {
         c.versions.insert(c.versions.begin(), {"fire", set(1, 0.1)});
         c.versions[1].masks = set(4, 0.1);
       },
       "/cameras/1/versions/1/masks/removal_reason", "flat-3"},
      {"a version gone", [](CameraPolicy& c) { c.versions.clear(); }, nullptr, nullptr},
      {"a dome trusted more, without world regions", [](CameraPolicy& c) { c.dome->zoom_error = 0; }, nullptr, nullptr},
  };
  for (const auto& test_case : kCases) {
    SCOPED_TRACE(test_case.name);
    const auto before = town(), after = town();
    test_case.change(after->cameras.edit()[1]);
    const Status status = check_succession(before.get(), *after);
    if (!test_case.where) {
      EXPECT_TRUE(status.ok()) << status.error().text();
      continue;
    }
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::policy_field);
    EXPECT_EQ(status.error().where, test_case.where);
    EXPECT_NE(status.error().what.find(test_case.says), std::string::npos) << status.error().what;
  }
}

TEST(Succession, ADomeTrustedMoreNeedsAReasonWhereRegionsAreInTheWorld) {
  const std::function<void(DomePolicy&)> kLess[] = {
      [](DomePolicy& dome) { dome.calibration_error = 0.4; }, [](DomePolicy& dome) { dome.zoom_error = 0.01; },
      [](DomePolicy& dome) { dome.max_speed = 31; },          [](DomePolicy& dome) { dome.max_age_moving = 301ms; },
      [](DomePolicy& dome) { dome.max_age_idle = 3s; },       [](DomePolicy& dome) { dome.mount_roll = 1; },
      [](DomePolicy& dome) { dome.mount_tilt = -1; },
  };
  for (const auto& change : kLess) {
    const auto before = town(), after = town();
    before->cameras.edit()[1].masks->regions[0].space = after->cameras.edit()[1].masks->regions[0].space =
        MaskSpace::world;
    change(*after->cameras.edit()[1].dome);
    const Status status = check_succession(before.get(), *after);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().where, "/cameras/1/masks/removal_reason");
    after->cameras.edit()[1].masks->removal_reason = "measured anew";
    EXPECT_TRUE(check_succession(before.get(), *after).ok());
  }
}

TEST(Succession, AnythingMayComeFirst) {
  EXPECT_TRUE(check_succession(nullptr, *town()).ok());
  const auto empty = make_ref<PolicySnapshot>();
  EXPECT_TRUE(check_succession(empty.get(), *town()).ok());
  EXPECT_TRUE(check_succession(town().get(), *empty).ok());
}

}  // namespace
}  // namespace vigie::policy
