# cython: language_level=3
"""Leases on published access units and frames: read-only memory of the engine, given back. Over vigie.h only."""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_FillInfo
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from vigie.errors import make_error

cdef extern from "vigie/vigie.h" nogil:
    ctypedef struct vigie_engine
    ctypedef struct vigie_subscription
    ctypedef struct vigie_unit
    ctypedef struct vigie_error:
        uint32_t struct_size
        uint32_t code
        char where[240]
        char text[768]
    ctypedef struct vigie_subscribe_options:
        uint32_t struct_size
        uint32_t start
        const char* camera
        const char* stream
        uint32_t queue_units
        uint64_t queue_bytes
    ctypedef struct vigie_unit_info:
        uint32_t struct_size
        uint32_t codec
        const uint8_t* data
        size_t size
        uint64_t number
        int64_t pts_90k
        int64_t capture_time_ns
        int64_t arrival_time_ns
        int64_t arrival_mono_ns
        uint32_t clock_quality
        uint32_t privacy
        uint64_t policy_revision
        uint64_t mask_revision
        uint8_t keyframe
        uint8_t gap
        uint8_t damaged
        uint32_t width
        uint32_t height
        uint32_t rtp_timestamp
        uint32_t nal_count
    void vigie_subscribe_options_init(vigie_subscribe_options* options)
    uint32_t vigie_engine_subscribe(vigie_engine* engine, const vigie_subscribe_options* options,
                                    vigie_subscription** subscription, vigie_error* error)
    uint32_t vigie_subscription_next(vigie_subscription* subscription, int32_t timeout_ms, vigie_unit** unit,
                                     vigie_error* error)
    int vigie_subscription_fd(vigie_subscription* subscription)
    void vigie_subscription_close(vigie_subscription* subscription)
    void vigie_subscription_free(vigie_subscription* subscription)
    void vigie_unit_info_init(vigie_unit_info* info)
    uint32_t vigie_unit_get_info(const vigie_unit* unit, vigie_unit_info* info, vigie_error* error)
    uint32_t vigie_unit_get_nal(const vigie_unit* unit, uint32_t index, size_t* offset, size_t* size,
                                vigie_error* error)
    void vigie_unit_release(vigie_unit* unit)
    ctypedef struct vigie_tap
    ctypedef struct vigie_frame
    ctypedef struct vigie_tap_options:
        uint32_t struct_size
        uint32_t width
        const char* camera
        const char* stream
        double fps
        uint32_t queue_frames
    ctypedef struct vigie_tap_stats:
        uint32_t struct_size
        uint32_t frames_leased
        uint64_t frames_offered
        uint64_t frames_taken
        uint64_t frames_dropped
        uint64_t frames_thinned
    ctypedef struct vigie_frame_info:
        uint32_t struct_size
        uint32_t privacy
        const uint8_t* planes[3]
        uint32_t strides[3]
        uint32_t width
        uint32_t height
        uint32_t clock_quality
        int64_t pts_90k
        int64_t capture_time_ns
        int64_t arrival_time_ns
        uint64_t policy_revision
        uint64_t mask_revision
        uint64_t version_revision
        uint32_t sar_width
        uint32_t sar_height
        uint8_t full_range
        uint8_t colour_primaries
        uint8_t colour_transfer
        uint8_t colour_matrix
        const char* privacy_reason
    void vigie_tap_options_init(vigie_tap_options* options)
    uint32_t vigie_engine_tap(vigie_engine* engine, const vigie_tap_options* options, vigie_tap** tap,
                              vigie_error* error)
    uint32_t vigie_tap_next(vigie_tap* tap, int32_t timeout_ms, vigie_frame** frame, vigie_error* error)
    int vigie_tap_fd(vigie_tap* tap)
    void vigie_tap_close(vigie_tap* tap)
    void vigie_tap_free(vigie_tap* tap)
    void vigie_tap_stats_init(vigie_tap_stats* stats)
    uint32_t vigie_tap_get_stats(const vigie_tap* tap, vigie_tap_stats* stats, vigie_error* error)
    void vigie_frame_info_init(vigie_frame_info* info)
    uint32_t vigie_frame_get_info(const vigie_frame* frame, vigie_frame_info* info, vigie_error* error)
    void vigie_frame_release(vigie_frame* frame)

cdef uint32_t TIMED_OUT = 104
# A wait is cut into pieces so that Ctrl-C reaches the main thread.
cdef int32_t SLICE_MS = 200

CODECS = {1: "H264", 2: "H265", 3: "JPEG"}
PRIVACY = {1: "clear", 2: "masked", 3: "covered", 4: "masked_at_source"}
CLOCKS = {0: "none", 1: "reported", 2: "suspect"}


cdef object raised(uint32_t code, vigie_error* error):
    return make_error(code, error.where.decode("utf-8", "replace"), error.text.decode("utf-8", "replace"))


ctypedef uint32_t (*take_function)(void* queue, int32_t wait_ms, void** taken, vigie_error* error) noexcept nogil


cdef uint32_t take_unit(void* queue, int32_t wait_ms, void** taken, vigie_error* error) noexcept nogil:
    return vigie_subscription_next(<vigie_subscription*>queue, wait_ms, <vigie_unit**>taken, error)


cdef uint32_t take_frame(void* queue, int32_t wait_ms, void** taken, vigie_error* error) noexcept nogil:
    return vigie_tap_next(<vigie_tap*>queue, wait_ms, <vigie_frame**>taken, error)


cdef void* wait_for(take_function take, void* queue, str where, int64_t timeout_ms) except? NULL:
    """What a queue gives next; NULL when the time is over; negative waits for ever."""
    cdef void* taken = NULL
    cdef vigie_error error
    cdef uint32_t code
    cdef int32_t wait
    error.struct_size = sizeof(vigie_error)
    if queue == NULL:
        raise make_error(103, where, "it was never opened")
    while True:
        wait = SLICE_MS if timeout_ms < 0 or timeout_ms > SLICE_MS else <int32_t>timeout_ms
        with nogil:
            code = take(queue, wait, &taken, &error)
        if code == 0:
            return taken
        if code != TIMED_OUT:
            raise raised(code, &error)
        if timeout_ms >= 0:
            timeout_ms -= wait
            if timeout_ms <= 0:
                return NULL


cdef bytes name_utf8(str where, str name):
    encoded = name.encode()
    if b"\0" in encoded:
        raise make_error(101, where, "the name holds a zero byte")
    return encoded


cdef class Unit:
    """One published access unit, as a lease.

    `memoryview(unit)`, `bytes(unit)` and numpy's `frombuffer` see the engine's own memory, read-only: Annex B with 4-byte
    start codes, or one JPEG image. `release()` gives it back, and raises BufferError while a view lives; leaving a
    `with` block gives it back with the last view instead.
    """

    cdef vigie_unit* unit
    cdef vigie_unit_info info
    cdef Py_ssize_t views
    cdef bint leaving

    def __cinit__(self):
        self.unit = NULL
        self.views = 0
        self.leaving = False

    def __dealloc__(self):
        vigie_unit_release(self.unit)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        if self.unit == NULL or self.leaving:
            raise make_error(103, "unit", "the lease was given back")
        if flags & PyBUF_WRITABLE:
            raise BufferError("the picture is read-only: other consumers share its memory")
        PyBuffer_FillInfo(buffer, self, <void*>self.info.data, <Py_ssize_t>self.info.size, 1, flags)
        self.views += 1

    def __releasebuffer__(self, Py_buffer* buffer):
        self.views -= 1
        if self.leaving and self.views == 0:
            self.give_back()

    cdef void give_back(self):
        vigie_unit_release(self.unit)
        self.unit = NULL

    def release(self):
        """Gives the lease back. Raises BufferError while a view of its memory lives."""
        if self.views:
            raise BufferError(f"{self.views} view(s) of this unit still live: drop them first, or use a with block")
        self.give_back()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.leaving = True
        if self.views == 0:
            self.give_back()

    def __len__(self):
        return self.info.size

    def __repr__(self):
        return (f"<vigie.Unit {self.number} {self.codec} {'keyframe ' if self.keyframe else ''}"
                f"{self.info.size} bytes pts {self.pts_90k}{'' if self.unit != NULL else ' released'}>")

    def nal_units(self):
        """(offset, size) of every NAL unit in the data, start codes not counted."""
        cdef size_t offset, size
        cdef vigie_error error
        error.struct_size = sizeof(vigie_error)
        if self.unit == NULL:
            raise make_error(103, "unit", "the lease was given back")
        out = []
        for index in range(self.info.nal_count):
            code = vigie_unit_get_nal(self.unit, index, &offset, &size, &error)
            if code:
                raise raised(code, &error)
            out.append((offset, size))
        return out

    @property
    def released(self):
        return self.unit == NULL or self.leaving
    @property
    def codec(self):
        return CODECS[self.info.codec]
    @property
    def number(self):
        return self.info.number
    @property
    def pts_90k(self):
        return self.info.pts_90k
    @property
    def capture_time_ns(self):
        return self.info.capture_time_ns
    @property
    def arrival_time_ns(self):
        return self.info.arrival_time_ns
    @property
    def arrival_mono_ns(self):
        return self.info.arrival_mono_ns
    @property
    def clock_quality(self):
        return CLOCKS[self.info.clock_quality]
    @property
    def privacy(self):
        return PRIVACY[self.info.privacy]
    @property
    def policy_revision(self):
        return self.info.policy_revision
    @property
    def mask_revision(self):
        return self.info.mask_revision
    @property
    def keyframe(self):
        return bool(self.info.keyframe)
    @property
    def gap(self):
        return bool(self.info.gap)
    @property
    def damaged(self):
        return bool(self.info.damaged)
    @property
    def width(self):
        return self.info.width
    @property
    def height(self):
        return self.info.height
    @property
    def rtp_timestamp(self):
        return self.info.rtp_timestamp


cdef class Subscription:
    """A cursor on one stream's published units; see vigie.Engine.subscribe."""

    cdef vigie_subscription* subscription
    cdef object engine  # keeps the engine's handle alive

    def __cinit__(self):
        self.subscription = NULL

    def __init__(self, capsule, str camera, str stream, bint from_next_keyframe, uint32_t queue_units,
                 uint64_t queue_bytes):
        cdef vigie_engine* handle = <vigie_engine*>PyCapsule_GetPointer(capsule, "vigie.engine")
        cdef vigie_subscribe_options options
        cdef vigie_error error
        cdef uint32_t code
        error.struct_size = sizeof(vigie_error)
        vigie_subscribe_options_init(&options)
        camera_utf8 = name_utf8("camera", camera)
        stream_utf8 = name_utf8("stream", stream)
        options.camera = camera_utf8
        options.stream = stream_utf8
        options.start = 1 if from_next_keyframe else 0
        options.queue_units = queue_units
        options.queue_bytes = queue_bytes
        with nogil:
            code = vigie_engine_subscribe(handle, &options, &self.subscription, &error)
        if code:
            raise raised(code, &error)
        self.engine = capsule

    def __dealloc__(self):
        vigie_subscription_free(self.subscription)

    def next(self, int64_t timeout_ms):
        """The next Unit, or None when the time is over; negative waits for ever."""
        cdef vigie_unit* taken = <vigie_unit*>wait_for(take_unit, self.subscription, "subscription", timeout_ms)
        cdef vigie_error error
        cdef Unit unit
        if taken == NULL:
            return None
        error.struct_size = sizeof(vigie_error)
        unit = Unit()
        unit.unit = taken
        vigie_unit_info_init(&unit.info)
        code = vigie_unit_get_info(taken, &unit.info, &error)
        if code:
            raise raised(code, &error)
        return unit

    def fileno(self):
        return vigie_subscription_fd(self.subscription)

    def close(self):
        """Ends it; a next() that waits in another thread raises ClosedError."""
        with nogil:
            vigie_subscription_close(self.subscription)


cdef class FrameLease
cdef char* BYTES = b"B"


cdef class Plane:
    """One plane of a FrameLease, for the buffer protocol: rows x columns of uint8, read-only, the engine's own memory."""

    cdef FrameLease lease
    cdef const uint8_t* data
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t strides[2]

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        if self.lease.frame == NULL or self.lease.leaving:
            raise make_error(103, "frame", "the lease was given back")
        if flags & PyBUF_WRITABLE:
            raise BufferError("the picture is read-only: other consumers share its memory")
        if (flags & PyBUF_STRIDES) != PyBUF_STRIDES:
            raise BufferError("rows lie apart: ask for a buffer with strides")
        buffer.obj = self
        buffer.buf = <void*>self.data
        buffer.len = self.shape[0] * self.shape[1]
        buffer.itemsize = 1
        buffer.readonly = 1
        buffer.ndim = 2
        buffer.format = BYTES if flags & PyBUF_FORMAT else NULL
        buffer.shape = self.shape
        buffer.strides = self.strides
        buffer.suboffsets = NULL
        buffer.internal = NULL
        self.lease.views += 1

    def __releasebuffer__(self, Py_buffer* buffer):
        self.lease.drop_view()


cdef class FrameLease:
    """One decoded, masked frame, as a lease: 8 bits a sample, 4:2:0.

    `planes` are Y, U and V as read-only numpy arrays (memoryviews without numpy) over the engine's own memory. `close()`
    gives it back, and raises BufferError while a view lives; leaving a `with` block gives it back with the last view
    instead.
    """

    cdef vigie_frame* frame
    cdef vigie_frame_info info
    cdef str reason
    cdef Py_ssize_t views
    cdef bint leaving

    def __cinit__(self):
        self.frame = NULL
        self.views = 0
        self.leaving = False

    def __dealloc__(self):
        vigie_frame_release(self.frame)

    cdef void drop_view(self):
        self.views -= 1
        if self.leaving and self.views == 0:
            self.give_back()

    cdef void give_back(self):
        vigie_frame_release(self.frame)
        self.frame = NULL

    cdef Plane plane(self, int index):
        cdef Plane plane = Plane()
        cdef int by = 1 if index == 0 else 2
        plane.lease = self
        plane.data = self.info.planes[index]
        plane.shape[0] = self.info.height // by
        plane.shape[1] = self.info.width // by
        plane.strides[0] = self.info.strides[index]
        plane.strides[1] = 1
        return plane

    @property
    def planes(self):
        if self.frame == NULL or self.leaving:
            raise make_error(103, "frame", "the lease was given back")
        try:
            from numpy import asarray as view
        except ImportError:
            view = memoryview
        return view(self.plane(0)), view(self.plane(1)), view(self.plane(2))

    def rgb(self):
        """The picture as a new (height, width, 3) uint8 array, R first; see vigie.colour.rgb_from_yuv."""
        from vigie.colour import rgb_from_yuv

        return rgb_from_yuv(*self.planes, matrix=self.colour_matrix, full_range=self.full_range)

    def close(self):
        """Gives the lease back. Raises BufferError while a view of its memory lives."""
        if self.views:
            raise BufferError(f"{self.views} view(s) of this frame still live: drop them first, or use a with block")
        self.give_back()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.leaving = True
        if self.views == 0:
            self.give_back()

    def __repr__(self):
        return (f"<vigie.FrameLease {self.width}x{self.height} {self.privacy} pts {self.pts_90k}"
                f"{'' if self.frame != NULL else ' closed'}>")

    @property
    def closed(self):
        return self.frame == NULL or self.leaving
    @property
    def width(self):
        return self.info.width
    @property
    def height(self):
        return self.info.height
    @property
    def pts_90k(self):
        return self.info.pts_90k
    @property
    def capture_time_ns(self):
        return self.info.capture_time_ns
    @property
    def arrival_time_ns(self):
        return self.info.arrival_time_ns
    @property
    def clock_quality(self):
        return CLOCKS[self.info.clock_quality]
    @property
    def privacy(self):
        return PRIVACY[self.info.privacy]
    @property
    def privacy_reason(self):
        return self.reason
    @property
    def policy_revision(self):
        return self.info.policy_revision
    @property
    def mask_revision(self):
        return self.info.mask_revision
    @property
    def version_revision(self):
        return self.info.version_revision
    @property
    def sample_aspect(self):
        return self.info.sar_width, self.info.sar_height
    @property
    def full_range(self):
        return bool(self.info.full_range)
    @property
    def colour_primaries(self):
        return self.info.colour_primaries
    @property
    def colour_transfer(self):
        return self.info.colour_transfer
    @property
    def colour_matrix(self):
        return self.info.colour_matrix


cdef class FrameTap:
    """Decoded frames of one stream; see vigie.Engine.tap_frames."""

    cdef vigie_tap* tap
    cdef object engine  # keeps the engine's handle alive

    def __cinit__(self):
        self.tap = NULL

    def __init__(self, capsule, str camera, str stream, uint32_t width, double fps, uint32_t queue):
        cdef vigie_engine* handle = <vigie_engine*>PyCapsule_GetPointer(capsule, "vigie.engine")
        cdef vigie_tap_options options
        cdef vigie_error error
        cdef uint32_t code
        error.struct_size = sizeof(vigie_error)
        vigie_tap_options_init(&options)
        camera_utf8 = name_utf8("camera", camera)
        stream_utf8 = name_utf8("stream", stream)
        options.camera = camera_utf8
        options.stream = stream_utf8
        options.width = width
        options.fps = fps
        options.queue_frames = queue
        with nogil:
            code = vigie_engine_tap(handle, &options, &self.tap, &error)
        if code:
            raise raised(code, &error)
        self.engine = capsule

    def __dealloc__(self):
        vigie_tap_free(self.tap)

    def next(self, int64_t timeout_ms):
        """The next FrameLease, or None when the time is over; negative waits for ever."""
        cdef vigie_frame* taken = <vigie_frame*>wait_for(take_frame, self.tap, "tap", timeout_ms)
        cdef vigie_error error
        cdef FrameLease lease
        if taken == NULL:
            return None
        error.struct_size = sizeof(vigie_error)
        lease = FrameLease()
        lease.frame = taken
        vigie_frame_info_init(&lease.info)
        code = vigie_frame_get_info(taken, &lease.info, &error)
        if code:
            raise raised(code, &error)
        lease.reason = lease.info.privacy_reason.decode("utf-8", "replace")
        return lease

    def stats(self):
        """(leased, offered, taken, dropped, thinned), in frames."""
        cdef vigie_tap_stats stats
        cdef vigie_error error
        error.struct_size = sizeof(vigie_error)
        vigie_tap_stats_init(&stats)
        code = vigie_tap_get_stats(self.tap, &stats, &error)
        if code:
            raise raised(code, &error)
        return (stats.frames_leased, stats.frames_offered, stats.frames_taken, stats.frames_dropped,
                stats.frames_thinned)

    def fileno(self):
        return vigie_tap_fd(self.tap)

    def close(self):
        """Ends it; a next() that waits in another thread raises ClosedError."""
        with nogil:
            vigie_tap_close(self.tap)
