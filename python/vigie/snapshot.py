"""A picture that an engine gives out, as a value: the same in the engine's process and out of it."""

from dataclasses import dataclass, field

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One masked picture as a still, with what can be said for it (L-30).

    `jpeg`: a JFIF image. `capture_time_ns`: Unix time of the picture; with `privacy` "covered" the image is a card, and
    its times are of the picture since which it stands.
    `error_bound_ns`: the true instant, by this machine's clock, is no further from `capture_time_ns`, as far as
    docs/embedding.md says; None where only the host that pushed the picture with its time knows.
    `clock_quality`: none (the time is that of the arrival), reported, suspect.
    `privacy`: clear, masked, covered; `privacy_reason`: why it is covered or clear. Revisions: 0 where there is none.
    """

    jpeg: bytes = field(repr=False)
    width: int
    height: int
    capture_time_ns: int
    arrival_time_ns: int
    error_bound_ns: int | None
    clock_quality: str
    privacy: str
    privacy_reason: str
    policy_revision: int
    mask_revision: int
    version_revision: int
