from typing import Any, Self

class Unit:
    released: bool
    codec: str
    number: int
    pts_90k: int
    capture_time_ns: int
    arrival_time_ns: int
    arrival_mono_ns: int
    clock_quality: str
    privacy: str
    policy_revision: int
    mask_revision: int
    keyframe: bool
    gap: bool
    damaged: bool
    width: int
    height: int
    rtp_timestamp: int
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def release(self) -> None: ...
    def nal_units(self) -> list[tuple[int, int]]: ...

class Subscription:
    def __init__(
        self,
        capsule: object,
        camera: str,
        stream: str,
        from_next_keyframe: bool,
        queue_units: int,
        queue_bytes: int,
    ) -> None: ...
    def next(self, timeout_ms: int) -> Unit | None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...

class FrameLease:
    closed: bool
    width: int
    height: int
    pts_90k: int
    capture_time_ns: int
    arrival_time_ns: int
    clock_quality: str
    privacy: str
    privacy_reason: str
    policy_revision: int
    mask_revision: int
    version_revision: int
    sample_aspect: tuple[int, int]
    full_range: bool
    colour_primaries: int
    colour_transfer: int
    colour_matrix: int
    # numpy arrays of uint8, or memoryviews where there is no numpy: Y, U, V.
    planes: tuple[Any, Any, Any]
    def rgb(self) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def close(self) -> None: ...

class FrameTap:
    def __init__(self, capsule: object, camera: str, stream: str, width: int, fps: float, queue: int) -> None: ...
    def next(self, timeout_ms: int) -> FrameLease | None: ...
    def stats(self) -> tuple[int, int, int, int, int]: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...
