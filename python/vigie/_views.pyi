from typing import Self

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
