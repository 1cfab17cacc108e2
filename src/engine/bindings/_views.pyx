# cython: language_level=3
"""Leases on published access units: read-only memory of the engine, given back by release. Over vigie.h only."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo
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

cdef uint32_t TIMED_OUT = 104
# A wait is cut into pieces so that Ctrl-C reaches the main thread.
cdef int32_t SLICE_MS = 200

CODECS = {1: "H264", 2: "H265", 3: "JPEG"}
PRIVACY = {1: "clear", 2: "masked", 3: "covered"}
CLOCKS = {0: "none", 1: "reported", 2: "suspect"}


cdef object raised(uint32_t code, vigie_error* error):
    return make_error(code, error.where.decode("utf-8", "replace"), error.text.decode("utf-8", "replace"))


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
        camera_utf8 = camera.encode()
        stream_utf8 = stream.encode()
        if b"\0" in camera_utf8 or b"\0" in stream_utf8:
            raise make_error(101, "camera" if b"\0" in camera_utf8 else "stream", "the name holds a zero byte")
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
        cdef vigie_unit* taken = NULL
        cdef vigie_error error
        cdef uint32_t code
        cdef int32_t wait
        cdef Unit unit
        error.struct_size = sizeof(vigie_error)
        if self.subscription == NULL:
            raise make_error(103, "subscription", "it was never opened")
        while True:
            wait = SLICE_MS if timeout_ms < 0 or timeout_ms > SLICE_MS else <int32_t>timeout_ms
            with nogil:
                code = vigie_subscription_next(self.subscription, wait, &taken, &error)
            if code == 0:
                break
            if code != TIMED_OUT:
                raise raised(code, &error)
            if timeout_ms >= 0:
                timeout_ms -= wait
                if timeout_ms <= 0:
                    return None
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
