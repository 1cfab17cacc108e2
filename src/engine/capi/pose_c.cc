#include "capi/handles.h"

using vigie::Code;
using vigie::capi::fail;
using vigie::capi::guarded;
using vigie::capi::take;

static_assert(VIGIE_DOUBT_UNKNOWN == static_cast<int>(vigie::mask::PoseDoubt::unknown));
static_assert(VIGIE_DOUBT_BOUNDS_CHANGED == static_cast<int>(vigie::mask::PoseDoubt::bounds_changed));

extern "C" {

void vigie_pose_init(vigie_pose* pose) {
  *pose = {};
  pose->struct_size = sizeof *pose;
}

uint32_t vigie_engine_push_pose(vigie_engine* engine, const vigie_pose* pose, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !pose) return fail(error, Code::invalid_argument, "engine, pose", "a pointer is NULL");
    const vigie_pose given = take(pose, vigie_pose_init);
    if (!given.camera) return fail(error, Code::invalid_argument, "pose.camera", "it must not be NULL");
    const vigie::mask::Pose native{
        .pan_deg = given.pan_deg,
        .tilt_deg = given.tilt_deg,
        .hfov_deg = given.hfov_deg,
        .at = vigie::WallTime(vigie::Nanos(given.at_ns)),
        .state = given.moving ? vigie::mask::PoseState::moving : vigie::mask::PoseState::idle};
    const vigie::Status status = engine->engine->push_pose(given.camera, native);
    return status.ok() ? uint32_t{VIGIE_OK} : fail(error, status.error());
  });
}

uint32_t vigie_engine_distrust_pose(vigie_engine* engine, const char* camera, uint32_t doubt, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !camera) return fail(error, Code::invalid_argument, "engine, camera", "a pointer is NULL");
    if (doubt < VIGIE_DOUBT_UNKNOWN || doubt > VIGIE_DOUBT_BOUNDS_CHANGED) {
      return fail(error, Code::invalid_argument, "doubt",
                  std::to_string(doubt) + " was given; enum vigie_pose_doubt has 1 to 6");
    }
    const vigie::Status status = engine->engine->distrust_pose(camera, static_cast<vigie::mask::PoseDoubt>(doubt));
    return status.ok() ? uint32_t{VIGIE_OK} : fail(error, status.error());
  });
}

uint32_t vigie_engine_trust_pose(vigie_engine* engine, const char* camera, vigie_error* error) {
  return guarded(error, [&] {
    if (!engine || !camera) return fail(error, Code::invalid_argument, "engine, camera", "a pointer is NULL");
    const vigie::Status status = engine->engine->trust_pose(camera);
    return status.ok() ? uint32_t{VIGIE_OK} : fail(error, status.error());
  });
}

}  // extern "C"
