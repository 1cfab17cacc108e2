"""A host of the C interface, through ctypes: where pictures leave by it. Written from include/vigie/vigie.h alone."""

import ctypes
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vigie

_Pointer = ctypes.c_void_p


class _SubscribeOptions(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("start", ctypes.c_uint32),
        ("camera", ctypes.c_char_p),
        ("stream", ctypes.c_char_p),
        ("queue_units", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("queue_bytes", ctypes.c_uint64),
    )


class _TapOptions(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("width", ctypes.c_uint32),
        ("camera", ctypes.c_char_p),
        ("stream", ctypes.c_char_p),
        ("fps", ctypes.c_double),
        ("queue_frames", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class _Data(ctypes.Structure):
    """How `vigie_unit_info` and `vigie_snapshot_info` begin; a library fills no more than `struct_size` says."""

    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("codec_or_privacy", ctypes.c_uint32),
        ("data", _Pointer),
        ("size", ctypes.c_size_t),
    )


class _FrameInfo(ctypes.Structure):
    """How `vigie_frame_info` begins."""

    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("privacy", ctypes.c_uint32),
        ("planes", _Pointer * 3),
        ("strides", ctypes.c_uint32 * 3),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("clock_quality", ctypes.c_uint32),
    )


def _library() -> Any:
    return ctypes.CDLL(str(Path(vigie.__file__).parent / "libvigie_engine.so"))


class CHost:
    """Takes pictures of an engine of this process by functions of the C interface. PermissionError: it was refused."""

    def __init__(self, engine: vigie.Engine, wait_ms: int = 10_000) -> None:
        self._wait_ms = wait_ms
        self._lib = _library()
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = _Pointer, (ctypes.py_object, ctypes.c_char_p)
        name = ctypes.pythonapi.PyCapsule_GetName
        name.restype, name.argtypes = ctypes.c_char_p, (ctypes.py_object,)
        self._capsule = engine._native.capsule()
        self._engine = _Pointer(get(self._capsule, name(self._capsule)))

    def units(self, camera: str, stream: str) -> Generator[bytes]:
        """Those of a subscription, until it is closed."""
        options, handle = _SubscribeOptions(), _Pointer()
        options.struct_size = ctypes.sizeof(options)
        options.camera, options.stream = camera.encode(), stream.encode()
        options.queue_units, options.queue_bytes = 256, 32 << 20
        self._check(self._lib.vigie_engine_subscribe(self._engine, ctypes.byref(options), ctypes.byref(handle), None))
        try:
            while True:
                unit, info = _Pointer(), _Data()
                info.struct_size = ctypes.sizeof(info)
                self._check(self._lib.vigie_subscription_next(handle, self._wait_ms, ctypes.byref(unit), None))
                self._check(self._lib.vigie_unit_get_info(unit, ctypes.byref(info), None))
                data = ctypes.string_at(info.data, info.size)
                self._lib.vigie_unit_release(unit)
                yield data
        finally:
            self._lib.vigie_subscription_free(handle)

    def chroma(self, camera: str, stream: str) -> Generator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """U and V of a tap's frames, copied, until it is closed."""
        options, handle = _TapOptions(), _Pointer()
        options.struct_size = ctypes.sizeof(options)
        options.camera, options.stream, options.queue_frames = camera.encode(), stream.encode(), 2
        self._check(self._lib.vigie_engine_tap(self._engine, ctypes.byref(options), ctypes.byref(handle), None))
        try:
            while True:
                frame, info = _Pointer(), _FrameInfo()
                info.struct_size = ctypes.sizeof(info)
                self._check(self._lib.vigie_tap_next(handle, self._wait_ms, ctypes.byref(frame), None))
                self._check(self._lib.vigie_frame_get_info(frame, ctypes.byref(info), None))
                planes = []
                for plane in (1, 2):
                    data = ctypes.string_at(info.planes[plane], info.strides[plane] * (info.height // 2))
                    rows = np.frombuffer(data, np.uint8).reshape(info.height // 2, info.strides[plane])
                    planes.append(rows[:, : info.width // 2])
                self._lib.vigie_frame_release(frame)
                yield planes[0], planes[1]
        finally:
            self._lib.vigie_tap_free(handle)

    def snapshot(self, camera: str, stream: str) -> bytes:
        """One JPEG image."""
        handle, info = _Pointer(), _Data()
        info.struct_size = ctypes.sizeof(info)
        take = self._lib.vigie_engine_snapshot
        self._check(take(self._engine, camera.encode(), stream.encode(), self._wait_ms, ctypes.byref(handle), None))
        self._check(self._lib.vigie_snapshot_get_info(handle, ctypes.byref(info), None))
        data = ctypes.string_at(info.data, info.size)
        self._lib.vigie_snapshot_release(handle)
        return data

    def _check(self, code: int) -> None:
        if code != 0:
            self._lib.vigie_code_name.restype = ctypes.c_char_p
            raise PermissionError(self._lib.vigie_code_name(code).decode())
