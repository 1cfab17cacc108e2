/* vigie: the C interface of the video stream engine.
 *
 *   vigie_engine_create -> vigie_engine_apply (policy snapshot, JSON) -> push / subscribe / tap / events / stats
 *                       -> vigie_engine_close -> vigie_engine_free
 *
 * Errors: every call that can fail returns 0 (VIGIE_OK) or a code of enum vigie_code, and fills `error` when that is
 * not NULL. Nothing is written to the outputs on failure.
 * Threads: every function may be called from any thread, several at once; handles of one kind are independent.
 * fork(): handles belong to the process that made the engine; another process gets VIGIE_ERROR_WRONG_PROCESS.
 * Growth: each struct begins with `struct_size`, set by the caller to sizeof it (vigie_*_init does). A library newer
 * than the caller leaves fields beyond that size alone and takes their defaults; new fields come at the end only.
 * Text is UTF-8 and 0-terminated. Lengths are bytes.
 */
#ifndef VIGIE_VIGIE_H
#define VIGIE_VIGIE_H

#include <stddef.h>
#include <stdint.h>

#include "vigie/vigie_errors.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VIGIE_EXPORT __attribute__((visibility("default")))
#else
#define VIGIE_EXPORT
#endif

/* Raised when a function or struct changes in a way old callers cannot use; additions do not raise it. */
#define VIGIE_ABI_VERSION 1u

typedef struct vigie_engine vigie_engine;
typedef struct vigie_subscription vigie_subscription;
typedef struct vigie_unit vigie_unit;
typedef struct vigie_tap vigie_tap;
typedef struct vigie_frame vigie_frame;
typedef struct vigie_snapshot vigie_snapshot;
typedef struct vigie_event vigie_event;

/* What failed, in words: `where` names the object or field, `text` says what was found, why, what would be right. */
typedef struct vigie_error {
  uint32_t struct_size;
  uint32_t code;
  char where[240];
  char text[768];
} vigie_error;

VIGIE_EXPORT uint32_t vigie_abi_version(void);
/* "0.1.0"; static. */
VIGIE_EXPORT const char* vigie_version(void);
/* The table's name for a code ("policy_field"); static; "unknown" for a number outside the table. */
VIGIE_EXPORT const char* vigie_code_name(uint32_t code);

/* ---- engine ------------------------------------------------------------------------------------------------------ */

typedef struct vigie_engine_options {
  uint32_t struct_size;
  uint32_t shards;     /* I/O threads, 1..256; default 1 */
  const int32_t* cpus; /* shard i is pinned to cpus[i % cpu_count]; NULL: not pinned; read during create only */
  uint32_t cpu_count;
  uint32_t event_capacity; /* events kept for a host that does not pull; default 4096 */
  uint32_t codec_workers;  /* threads that mask pictures, 0..256; default 0: one for every processor */
  uint32_t realtime_io;    /* 1: I/O threads in real time (where allowed) while pictures are masked; default 0 */
  /* codes masked pictures: "vigie" (the engine's own), "libx264" … as libavcodec has them; read during create only;
   * default NULL: the first that is there, which is the engine's own */
  const char* mask_encoder;
} vigie_engine_options;
VIGIE_EXPORT void vigie_engine_options_init(vigie_engine_options* options);

/* Starts an engine that does nothing until a policy is applied. `abi_version` is the caller's VIGIE_ABI_VERSION;
 * `options` may be NULL. */
VIGIE_EXPORT uint32_t vigie_engine_create(uint32_t abi_version, const vigie_engine_options* options,
                                          vigie_engine** engine, vigie_error* error);
/* Stops everything: sources, sessions, subscriptions and taps (their next() answers VIGIE_ERROR_CLOSED). Units and frames
 * already taken stay valid. A second call does nothing. */
VIGIE_EXPORT uint32_t vigie_engine_close(vigie_engine* engine, vigie_error* error);
/* Closes if need be and frees the handle; NULL is allowed. Other handles stay valid. */
VIGIE_EXPORT void vigie_engine_free(vigie_engine* engine);

/* Any revision will do, in vigie_engine_apply. */
#define VIGIE_ANY_REVISION UINT64_MAX

/* Applies a whole policy snapshot (JSON, see python/vigie/schema/policy_snapshot.json). When it returns VIGIE_OK the
 * snapshot is in force: rights that it takes away have ended. One with an error changes nothing and names the field.
 * `expect_revision`: refuse unless this is the revision now in force (0 = none yet), or VIGIE_ANY_REVISION.
 * `revision` (may be NULL) receives the applied one. */
VIGIE_EXPORT uint32_t vigie_engine_apply(vigie_engine* engine, const char* json, size_t length,
                                         uint64_t expect_revision, uint64_t* revision, vigie_error* error);

/* The engine's figures as JSON text; free it with vigie_text_free. */
VIGIE_EXPORT uint32_t vigie_engine_stats(vigie_engine* engine, char** json, size_t* length, vigie_error* error);
VIGIE_EXPORT void vigie_text_free(char* text);

/* What one stream's device has shown of itself, as JSON text (docs/statistics.md), for whoever looks after it; free it
 * with vigie_text_free. `stream` NULL: the camera's first. Holds no credential. */
VIGIE_EXPORT uint32_t vigie_engine_source_report(vigie_engine* engine, const char* camera, const char* stream,
                                                 char** json, size_t* length, vigie_error* error);
/* Keeps the packets of an RTSP stream from now on for the report, up to `max_bytes` of them, without anything that shows
 * a picture. For a probe of one camera: it takes memory for each packet. A camera without a privacy decision answers
 * VIGIE_ERROR_WITHHELD. */
VIGIE_EXPORT uint32_t vigie_engine_record_source(vigie_engine* engine, const char* camera, const char* stream,
                                                 uint64_t max_bytes, vigie_error* error);

/* ---- pictures in ------------------------------------------------------------------------------------------------- */

enum vigie_codec { VIGIE_CODEC_H264 = 1, VIGIE_CODEC_H265 = 2, VIGIE_CODEC_MJPEG = 3 };

enum vigie_push_flags {
  VIGIE_PUSH_HAS_PTS = 1,          /* pts_90k is valid; else the time of the call counts */
  VIGIE_PUSH_HAS_CAPTURE_TIME = 2, /* capture_time_ns is valid */
  VIGIE_PUSH_GAP = 4,              /* something is missing before this unit */
  VIGIE_PUSH_LENGTH_PREFIXED = 8   /* NAL units behind 4-byte big-endian lengths instead of start codes */
};

/* One coded picture of a stream whose url is "push:". The bytes are copied. */
typedef struct vigie_push {
  uint32_t struct_size;
  uint32_t codec; /* enum vigie_codec */
  const char* camera;
  const char* stream;  /* NULL: the camera's first */
  const uint8_t* data; /* Annex B (or see flags); MJPEG: one JPEG image */
  size_t size;
  uint32_t flags; /* enum vigie_push_flags */
  uint32_t reserved;
  int64_t pts_90k;         /* 1/90000 s; any origin, forward */
  int64_t capture_time_ns; /* since 1970-01-01 UTC */
} vigie_push;
VIGIE_EXPORT void vigie_push_init(vigie_push* push);
VIGIE_EXPORT uint32_t vigie_engine_push(vigie_engine* engine, const vigie_push* push, vigie_error* error);

/* ---- pictures out ------------------------------------------------------------------------------------------------ */

enum vigie_start { VIGIE_START_LAST_KEYFRAME = 0, VIGIE_START_NEXT_KEYFRAME = 1 };

typedef struct vigie_subscribe_options {
  uint32_t struct_size;
  uint32_t start; /* enum vigie_start */
  const char* camera;
  const char* stream;   /* NULL: the camera's first */
  uint32_t queue_units; /* units kept for a host that is slow, 1..65536; default 256 */
  uint32_t reserved;
  uint64_t queue_bytes; /* likewise in payload bytes; default 32 MiB */
} vigie_subscribe_options;
VIGIE_EXPORT void vigie_subscribe_options_init(vigie_subscribe_options* options);

/* Subscribes to the published units of a stream; a stream pulled on demand starts. A camera without a privacy decision
 * answers VIGIE_ERROR_WITHHELD. */
VIGIE_EXPORT uint32_t vigie_engine_subscribe(vigie_engine* engine, const vigie_subscribe_options* options,
                                             vigie_subscription** subscription, vigie_error* error);
/* The next unit, waiting up to `timeout_ms` (0: not at all, negative: for ever). The unit is a lease: release it.
 * VIGIE_ERROR_TIMED_OUT: nothing yet; VIGIE_ERROR_CLOSED, _WITHHELD, …: none will come any more. */
VIGIE_EXPORT uint32_t vigie_subscription_next(vigie_subscription* subscription, int32_t timeout_ms, vigie_unit** unit,
                                              vigie_error* error);
/* A descriptor that polls readable while next() would not wait; owned by the subscription. */
VIGIE_EXPORT int vigie_subscription_fd(vigie_subscription* subscription);
/* Ends it; a next() that waits in another thread answers VIGIE_ERROR_CLOSED. */
VIGIE_EXPORT void vigie_subscription_close(vigie_subscription* subscription);
/* Closes if need be and frees; no call may be running in it. NULL is allowed. */
VIGIE_EXPORT void vigie_subscription_free(vigie_subscription* subscription);

enum vigie_privacy {
  VIGIE_PRIVACY_CLEAR = 1,
  VIGIE_PRIVACY_MASKED = 2,
  VIGIE_PRIVACY_COVERED = 3,
  VIGIE_PRIVACY_MASKED_AT_SOURCE = 4
};
enum vigie_clock_quality { VIGIE_CLOCK_NONE = 0, VIGIE_CLOCK_REPORTED = 1, VIGIE_CLOCK_SUSPECT = 2 };

typedef struct vigie_unit_info {
  uint32_t struct_size;
  uint32_t codec;
  const uint8_t* data; /* Annex B with 4-byte start codes, or one JPEG; valid until release; read-only */
  size_t size;
  uint64_t number;          /* counts up by one per unit of the stream; a jump = units dropped for this subscription */
  int64_t pts_90k;          /* strictly increasing, across reconnections of the camera too */
  int64_t capture_time_ns;  /* since 1970 UTC: the camera's clock, or arrival when clock_quality is NONE */
  int64_t arrival_time_ns;  /* since 1970 UTC: when the last packet came in */
  int64_t arrival_mono_ns;  /* the same instant on CLOCK_MONOTONIC */
  uint32_t clock_quality;   /* enum vigie_clock_quality */
  uint32_t privacy;         /* enum vigie_privacy */
  uint64_t policy_revision; /* of the decision that let it out */
  uint64_t mask_revision;   /* 0: no mask set */
  uint8_t keyframe;         /* decoding can start here */
  uint8_t gap;              /* something is, or may be, missing before this unit */
  uint8_t damaged;          /* parts of this unit are missing */
  uint8_t reserved;
  uint32_t width, height; /* pixels, from the parameter sets; 0: unknown */
  uint32_t rtp_timestamp; /* the camera's */
  uint32_t nal_count;
} vigie_unit_info;
VIGIE_EXPORT void vigie_unit_info_init(vigie_unit_info* info);
VIGIE_EXPORT uint32_t vigie_unit_get_info(const vigie_unit* unit, vigie_unit_info* info, vigie_error* error);
/* Where NAL unit `index` lies in the unit's data, start code not counted. */
VIGIE_EXPORT uint32_t vigie_unit_get_nal(const vigie_unit* unit, uint32_t index, size_t* offset, size_t* size,
                                         vigie_error* error);
/* Gives the lease back; any thread, also after the engine was closed. NULL is allowed. */
VIGIE_EXPORT void vigie_unit_release(vigie_unit* unit);

/* ---- decoded pictures out ---------------------------------------------------------------------------------------- */

typedef struct vigie_tap_options {
  uint32_t struct_size;
  uint32_t width; /* of the frames in pixels, rounded to even; 0, or more than there are: as the camera sends them */
  const char* camera;
  const char* stream; /* NULL: the camera's first */
  double fps;         /* frames a second at most, 0..1000; 0: all */
  uint32_t
      queue_frames; /* frames kept for a host that is slow, 1..64; a new one takes the oldest one's place; default 2 */
  uint32_t reserved;
} vigie_tap_options;
VIGIE_EXPORT void vigie_tap_options_init(vigie_tap_options* options);

/* Taps the decoded frames of a stream, masked as its units are. A stream pulled on demand starts; pictures are decoded,
 * not coded, where nobody else wants them. A camera without a privacy decision answers VIGIE_ERROR_WITHHELD. */
VIGIE_EXPORT uint32_t vigie_engine_tap(vigie_engine* engine, const vigie_tap_options* options, vigie_tap** tap,
                                       vigie_error* error);
/* The next frame, waiting as vigie_subscription_next does; scaled on this thread. The frame is a lease: release it.
 * At most VIGIE_TAP_LEASES frames of a tap can be held: then VIGIE_ERROR_LIMIT_EXCEEDED. */
#define VIGIE_TAP_LEASES 8u
VIGIE_EXPORT uint32_t vigie_tap_next(vigie_tap* tap, int32_t timeout_ms, vigie_frame** frame, vigie_error* error);
/* A descriptor that polls readable while next() would not wait; owned by the tap. */
VIGIE_EXPORT int vigie_tap_fd(vigie_tap* tap);
/* Ends it; a next() that waits in another thread answers VIGIE_ERROR_CLOSED. */
VIGIE_EXPORT void vigie_tap_close(vigie_tap* tap);
/* Closes if need be and frees; no call may be running in it. Its frames stay valid. NULL is allowed. */
VIGIE_EXPORT void vigie_tap_free(vigie_tap* tap);

typedef struct vigie_tap_stats {
  uint32_t struct_size;
  uint32_t frames_leased;  /* held now */
  uint64_t frames_offered; /* that the rate let through: taken, dropped, or waiting */
  uint64_t frames_taken;
  uint64_t frames_dropped; /* the host was slow, or the masks changed before they were taken */
  uint64_t frames_thinned; /* beyond the rate asked for */
} vigie_tap_stats;
VIGIE_EXPORT void vigie_tap_stats_init(vigie_tap_stats* stats);
VIGIE_EXPORT uint32_t vigie_tap_get_stats(const vigie_tap* tap, vigie_tap_stats* stats, vigie_error* error);

/* 8 bits a sample, 4:2:0: plane 0 is Y (height rows of width), 1 is U and 2 is V (height/2 rows of width/2). */
typedef struct vigie_frame_info {
  uint32_t struct_size;
  uint32_t privacy;         /* enum vigie_privacy */
  const uint8_t* planes[3]; /* first rows; valid until release; read-only */
  uint32_t strides[3];      /* bytes from row to row */
  uint32_t width, height;   /* pixels, both even */
  uint32_t clock_quality;   /* enum vigie_clock_quality */
  int64_t pts_90k;
  int64_t capture_time_ns;  /* since 1970 UTC: the camera's clock, or arrival when clock_quality is NONE */
  int64_t arrival_time_ns;  /* since 1970 UTC; of a card (covered) all times are of the picture since which it stands */
  uint64_t policy_revision; /* of the decision that let it out */
  uint64_t mask_revision;   /* 0: no mask set */
  uint64_t version_revision;                                /* of the further set of "camera@version"; 0: none */
  uint32_t sar_width, sar_height;                           /* shape of a sample; 0: not said */
  uint8_t full_range;                                       /* samples use 0..255 */
  uint8_t colour_primaries, colour_transfer, colour_matrix; /* code points of H.264 E.2.1; 2: not said */
  uint32_t reserved;
  const char* privacy_reason; /* why it is covered or clear; valid until release */
} vigie_frame_info;
VIGIE_EXPORT void vigie_frame_info_init(vigie_frame_info* info);
VIGIE_EXPORT uint32_t vigie_frame_get_info(const vigie_frame* frame, vigie_frame_info* info, vigie_error* error);
/* Gives the lease back; any thread, also after tap and engine were closed. NULL is allowed. */
VIGIE_EXPORT void vigie_frame_release(vigie_frame* frame);

/* The newest picture that may be shown, as JPEG; waits up to `timeout_ms` (0 or more) for it. A covered camera gives its
 * card, with privacy COVERED. `stream` NULL: the camera's first. Release it. VIGIE_ERROR_TIMED_OUT: no picture came. */
VIGIE_EXPORT uint32_t vigie_engine_snapshot(vigie_engine* engine, const char* camera, const char* stream,
                                            int32_t timeout_ms, vigie_snapshot** snapshot, vigie_error* error);

/* No bound can be told for a capture time. */
#define VIGIE_NO_BOUND (-1)

typedef struct vigie_snapshot_info {
  uint32_t struct_size;
  uint32_t privacy;    /* enum vigie_privacy */
  const uint8_t* data; /* a JFIF image; valid until release; read-only */
  size_t size;
  int64_t capture_time_ns; /* as of a frame */
  int64_t arrival_time_ns;
  int64_t
      error_bound_ns; /* capture_time_ns is off by no more, by this machine's clock, as far as docs/embedding.md says;
                             VIGIE_NO_BOUND where only who pushed the picture knows */
  uint64_t policy_revision;
  uint64_t mask_revision;
  uint64_t version_revision;
  uint32_t width, height; /* pixels */
  uint32_t clock_quality; /* enum vigie_clock_quality */
  uint32_t reserved;
  const char* privacy_reason; /* why it is covered or clear; valid until release */
} vigie_snapshot_info;
VIGIE_EXPORT void vigie_snapshot_info_init(vigie_snapshot_info* info);
VIGIE_EXPORT uint32_t vigie_snapshot_get_info(const vigie_snapshot* snapshot, vigie_snapshot_info* info,
                                              vigie_error* error);
VIGIE_EXPORT void vigie_snapshot_release(vigie_snapshot* snapshot);

/* ---- where domes look -------------------------------------------------------------------------------------------- */

/* One report of a dome, for all streams of the camera. Degrees; pan to the right and tilt up, in the dome's own axes. */
typedef struct vigie_pose {
  uint32_t struct_size;
  uint32_t moving; /* 0: it stands still; also 1 when that is not known */
  const char* camera;
  double pan_deg, tilt_deg;
  double hfov_deg; /* field of view of the whole width of the picture */
  int64_t
      at_ns; /* since 1970 UTC, by the clock that stamps the pictures: when it was there; not before the last one's */
} vigie_pose;
VIGIE_EXPORT void vigie_pose_init(vigie_pose* pose);
VIGIE_EXPORT uint32_t vigie_engine_push_pose(vigie_engine* engine, const vigie_pose* pose, vigie_error* error);

enum vigie_pose_doubt {
  VIGIE_DOUBT_UNKNOWN = 1, /* it does not know where it looks */
  VIGIE_DOUBT_REBOOT = 2,
  VIGIE_DOUBT_HOMING = 3,
  VIGIE_DOUBT_E_FLIP = 4,
  VIGIE_DOUBT_DIGITAL_ZOOM = 5,
  VIGIE_DOUBT_BOUNDS_CHANGED = 6
};
/* The dome's poses are not to be believed (enum vigie_pose_doubt says why): world masks hide the whole picture until
 * vigie_engine_trust_pose, which says that a calibration check has passed: poses pushed after it count. */
VIGIE_EXPORT uint32_t vigie_engine_distrust_pose(vigie_engine* engine, const char* camera, uint32_t doubt,
                                                 vigie_error* error);
VIGIE_EXPORT uint32_t vigie_engine_trust_pose(vigie_engine* engine, const char* camera, vigie_error* error);

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct vigie_event_info {
  uint32_t struct_size;
  uint32_t code;      /* 0: nothing failed */
  uint64_t seq;       /* a hole: events were lost because nobody pulled */
  int64_t time_ns;    /* since 1970 UTC */
  const char* kind;   /* "stream_state", …; all texts valid until release */
  const char* object; /* "camera/stream", "listener NAME", "viewer N camera/stream" */
  const char* state;  /* the new state where the kind has one, else "" */
  const char* text;
  uint32_t merged; /* equal events folded into this one */
  uint32_t reserved;
  const char* facts; /* of viewer_opened, viewer_playing, viewer_closed: a JSON object; else "" */
} vigie_event_info;
VIGIE_EXPORT void vigie_event_info_init(vigie_event_info* info);

/* The next event, waiting as vigie_subscription_next does. Release it. */
VIGIE_EXPORT uint32_t vigie_engine_next_event(vigie_engine* engine, int32_t timeout_ms, vigie_event** event,
                                              vigie_error* error);
/* A descriptor that polls readable while an event waits; owned by the engine. */
VIGIE_EXPORT int vigie_engine_event_fd(vigie_engine* engine);
VIGIE_EXPORT uint32_t vigie_event_get_info(const vigie_event* event, vigie_event_info* info, vigie_error* error);
VIGIE_EXPORT void vigie_event_release(vigie_event* event);

/* ---- knocked cameras --------------------------------------------------------------------------------------------- */

/* Size of a still, in bytes. */
#define VIGIE_SCENE_REFERENCE_BYTES 30612
/* The still of the view that a stream's masks belong to (`stream` NULL: the camera's first), as learned or as the policy
 * brought it. `masks.scene_reference` of the policy carries it back, in Base64. It shows nothing of what is hidden.
 * `reference` has room for VIGIE_SCENE_REFERENCE_BYTES. Errors: NOT_FOUND, also before there is one; WITHHELD. */
VIGIE_EXPORT uint32_t vigie_engine_scene_reference(vigie_engine* engine, const char* camera, const char* stream,
                                                   uint8_t* reference, vigie_error* error);

#ifdef __cplusplus
}
#endif
#endif
