/* vigie.h is C: this file would not compile were it not. */
#include <stddef.h>

#include "vigie/vigie.h"

/* Offsets that hosts of version 1 were built with; a struct may grow at its end only. */
_Static_assert(offsetof(vigie_error, text) == 248, "vigie_error");
_Static_assert(offsetof(vigie_engine_options, event_capacity) == 20, "vigie_engine_options");
_Static_assert(offsetof(vigie_engine_options, codec_workers) == 24, "vigie_engine_options");
_Static_assert(offsetof(vigie_engine_options, mask_encoder) == 32, "vigie_engine_options");
_Static_assert(offsetof(vigie_push, capture_time_ns) == 56, "vigie_push");
_Static_assert(offsetof(vigie_subscribe_options, queue_bytes) == 32, "vigie_subscribe_options");
_Static_assert(offsetof(vigie_unit_info, nal_count) == 104, "vigie_unit_info");
_Static_assert(offsetof(vigie_tap_options, queue_frames) == 32, "vigie_tap_options");
_Static_assert(offsetof(vigie_tap_stats, frames_thinned) == 32, "vigie_tap_stats");
_Static_assert(offsetof(vigie_frame_info, privacy_reason) == 120, "vigie_frame_info");
_Static_assert(offsetof(vigie_snapshot_info, privacy_reason) == 88, "vigie_snapshot_info");
_Static_assert(offsetof(vigie_pose, at_ns) == 40, "vigie_pose");
_Static_assert(offsetof(vigie_event_info, merged) == 56, "vigie_event_info");

uint32_t abi_version_seen_from_c(void);
uint32_t abi_version_seen_from_c(void) { return VIGIE_ABI_VERSION; }
