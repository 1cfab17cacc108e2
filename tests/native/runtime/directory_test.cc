#include "runtime/directory.h"

#include <gtest/gtest.h>

namespace vigie::runtime {
namespace {

Ref<policy::PolicySnapshot> two_cameras() {
  auto snapshot = make_ref<policy::PolicySnapshot>();
  snapshot->cameras = {{.name = "b"}, {.name = "a"}};
  return snapshot;
}

TEST(Directory, KeepsTheCamerasWhereNeitherTheyNorTheirPipelinesAreOthers) {
  ManualClock clock;
  const auto first = two_cameras();
  const auto before = make_directory(first, {}, 1, nullptr, clock);
  EXPECT_EQ(name_of(before->cameras->by_name[0]), "a");

  auto next = make_ref<policy::PolicySnapshot>();
  next->cameras = first->cameras;
  EXPECT_EQ(make_directory(next, {}, 1, before.get(), clock)->cameras, before->cameras);
  EXPECT_NE(make_directory(next, {}, 2, before.get(), clock)->cameras, before->cameras) << "other pipelines";

  const auto alike = two_cameras();
  const auto after = make_directory(alike, {}, 1, before.get(), clock);
  ASSERT_NE(after->cameras, before->cameras) << "they are of another list, which may outlive the first";
  EXPECT_EQ(after->camera("b")->policy, &alike->cameras[0]);
}

}  // namespace
}  // namespace vigie::runtime
