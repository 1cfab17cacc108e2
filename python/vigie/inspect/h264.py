"""H.264 as far as `vigie inspect` needs it: NAL units, parameter sets, slice headers, the privacy mark."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

SLICE, IDR, SEI, SPS, PPS, DELIMITER = 1, 5, 6, 7, 8, 9

PRIVACY_UUID = uuid.UUID("8e5b1f6a-27c4-4d0e-a190-3c6fd27751b9").bytes
_MARK_BYTES = 2 + 3 * 8
_USER_DATA_UNREGISTERED = 5
STATES = {2: "masked", 3: "covered"}
# Profiles whose SPS has a chroma format (7.3.2.1.1).
_WITH_CHROMA = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_EMULATION = re.compile(b"\x00\x00\x03")


def nal_type(nal: bytes) -> int:
    """nal_unit_type; 0 of an empty unit."""
    return nal[0] & 0x1F if nal else 0


def split_annexb(data: bytes) -> Iterator[bytes]:
    """The NAL units between start codes, without trailing zeros (B.1)."""
    at = data.find(b"\x00\x00\x01")
    while at >= 0:
        begin = at + 3
        at = data.find(b"\x00\x00\x01", begin)
        nal = data[begin : at if at >= 0 else len(data)].rstrip(b"\x00")
        if nal:
            yield nal


def split_lengths(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """The NAL units of a sample in MP4 or Matroska (ISO 14496-15); a last one that is cut off is left out."""
    at = 0
    while at + length_bytes <= len(data):
        size = int.from_bytes(data[at : at + length_bytes])
        at += length_bytes
        if 0 < size <= len(data) - at:
            yield data[at : at + size]
        at += size


def rbsp_of(nal: bytes) -> bytes:
    """What follows the NAL unit's first byte, without emulation prevention (7.4.1)."""
    # No match overlaps the next: the byte after 00 00 03 is the first that can be a zero again.
    return _EMULATION.sub(b"\x00\x00", nal[1:])


@dataclass(frozen=True, slots=True)
class Mark:
    """One privacy mark. `state` is masked or covered; revisions as the policy counts them, 0: none."""

    state: str
    policy_revision: int
    mask_revision: int
    version_revision: int

    def same_picture(self, other: "Mark") -> bool:
        """Whether both stand for the same masks; a new policy that changes no mask changes `policy_revision` alone."""
        return (self.state, self.mask_revision, self.version_revision) == (
            other.state,
            other.mask_revision,
            other.version_revision,
        )


def marks_of(nal: bytes) -> list[Mark | None]:
    """The privacy marks in an SEI NAL unit, in order; None for one that cannot be read (another layout, or damaged)."""
    if nal_type(nal) != SEI or PRIVACY_UUID not in (data := rbsp_of(nal)):
        return []
    found: list[Mark | None] = []
    at = 0
    # 7.3.2.3.1: messages up to rbsp_trailing_bits.
    while at < len(data) and data[at:].rstrip(b"\x00") != b"\x80":
        kind, at = _sei_number(data, at)
        size, at = _sei_number(data, at)
        payload = data[at : at + size]
        if kind == _USER_DATA_UNREGISTERED and payload.startswith(PRIVACY_UUID):
            found.append(_mark(payload[len(PRIVACY_UUID) :]))
        at += size
    return found


def mark_of_unit(annexb: bytes) -> Mark | None:
    """The first privacy mark in an access unit that can be read; None where there is none."""
    return next((mark for nal in split_annexb(annexb) for mark in marks_of(nal) if mark is not None), None)


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(data) and data[at] == 0xFF:
        value, at = value + 255, at + 1
    return (value + data[at], at + 1) if at < len(data) else (value, at)


def _mark(data: bytes) -> Mark | None:
    if len(data) != _MARK_BYTES or data[0] != 1 or data[1] not in STATES:
        return None
    policy, mask, version = (int.from_bytes(data[at : at + 8]) for at in (2, 10, 18))
    return Mark(STATES[data[1]], policy, mask, version)


class _Bits:
    """Reads an RBSP bit by bit. Raises: EOFError behind its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        if count > self._left:
            raise EOFError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise EOFError
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


@dataclass(frozen=True, slots=True)
class _Sequence:
    frame_num_bits: int
    frames_only: bool
    separate_planes: bool


@dataclass
class Parameters:
    """The parameter sets seen so far, as far as slice headers need them."""

    _sequences: dict[int, _Sequence] = field(default_factory=dict)
    _sequence_of_picture: dict[int, int] = field(default_factory=dict)

    def take(self, nal: bytes) -> None:
        """Keeps an SPS or a PPS; anything else, and what cannot be read, is passed over."""
        try:
            if nal_type(nal) == SPS:
                self._take_sps(rbsp_of(nal))
            elif nal_type(nal) == PPS:
                bits = _Bits(rbsp_of(nal[:16]))
                picture = bits.ue()
                self._sequence_of_picture[picture] = bits.ue()
        except EOFError:
            return

    def _take_sps(self, data: bytes) -> None:
        bits = _Bits(data)
        profile = bits.u(8)
        bits.u(16)
        number = bits.ue()
        separate = False
        if profile in _WITH_CHROMA:
            chroma = bits.ue()
            separate = chroma == 3 and bool(bits.u(1))
            bits.ue()
            bits.ue()
            bits.u(1)
            if bits.u(1):
                for index in range(8 if chroma != 3 else 12):
                    if bits.u(1):
                        _skip_scaling_list(bits, 16 if index < 6 else 64)
        frame_num_bits = bits.ue() + 4
        order = bits.ue()
        if order == 0:
            bits.ue()
        elif order == 1:
            bits.u(1)
            bits.se()
            bits.se()
            for _ in range(min(bits.ue(), 255)):
                bits.se()
        bits.ue()  # max_num_ref_frames
        bits.u(1)
        bits.ue()
        bits.ue()
        self._sequences[number] = _Sequence(frame_num_bits, bool(bits.u(1)), separate)

    def idr_pic_id(self, nal: bytes) -> int | None:
        """Of an IDR slice (7.3.3); None where its parameter sets are missing or it cannot be read."""
        bits = _Bits(rbsp_of(nal[:64]))
        try:
            bits.ue()
            bits.ue()
            sequence = self._sequences.get(self._sequence_of_picture.get(bits.ue(), -1))
            if sequence is None:
                return None
            if sequence.separate_planes:
                bits.u(2)
            bits.u(sequence.frame_num_bits)
            if not sequence.frames_only and bits.u(1):
                bits.u(1)
            return bits.ue()
        except EOFError:
            return None


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def begins_unit(nal: bytes, has_slice: bool) -> bool:
    """Whether a NAL unit is the first of the next access unit; `has_slice`: the current one has slices already.

    By 7.4.1.2.3, but for the two fields of a frame, which count as two, and slices in arbitrary order.
    """
    kind = nal_type(nal)
    if kind in (SLICE, IDR, 2):
        return has_slice and len(nal) > 1 and nal[1] & 0x80 != 0  # first_mb_in_slice 0
    return has_slice and (kind in (SEI, SPS, PPS, DELIMITER) or 14 <= kind <= 18)
