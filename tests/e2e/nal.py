"""NAL units and the stamps of test sources. Standard library alone: scripts of Debian's python3 use it too."""

from dataclasses import dataclass

# user_data_unregistered UUID of the stamp (H.264 D.2.7, H.265 D.3.7).
STAMP_UUID = b"vigie-e2e-stamp!"
START = b"\0\0\0\1"
H264_VCL = frozenset(range(1, 6))
H264_SETS = frozenset({7, 8})
H265_VCL = frozenset(range(32))
H265_SETS = frozenset({32, 33, 34})


@dataclass(frozen=True)
class Stamp:
    """What a test source writes into a unit. `mono_ns`: CLOCK_MONOTONIC when it was handed over."""

    number: int
    mono_ns: int


def split_nals(annexb: bytes) -> list[bytes]:
    """NAL units without start codes, of an Annex B byte stream."""
    found = []
    at = annexb.find(b"\0\0\1")
    while at >= 0:
        begin = at + 3
        at = annexb.find(b"\0\0\1", begin)
        # What follows the last byte other than zero belongs to the next start code (B.1.1: trailing_zero_8bits).
        nal = annexb[begin : at if at >= 0 else len(annexb)].rstrip(b"\0")
        if nal:
            found.append(nal)
    return found


def nal_type(nal: bytes, codec: str) -> int:
    """nal_unit_type. `codec`: h264 or h265."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def is_delimiter(nal: bytes, codec: str) -> bool:
    """Whether it is an access unit delimiter."""
    return nal_type(nal, codec) == (9 if codec == "h264" else 35)


def vcl(nals: list[bytes], codec: str) -> list[bytes]:
    """The coded slices."""
    return [nal for nal in nals if nal_type(nal, codec) in (H264_VCL if codec == "h264" else H265_VCL)]


def parameter_sets(nals: list[bytes], codec: str) -> list[bytes]:
    """The parameter sets."""
    return [nal for nal in nals if nal_type(nal, codec) in (H264_SETS if codec == "h264" else H265_SETS)]


def is_keyframe(nals: list[bytes], codec: str) -> bool:
    """Whether decoding can start here."""
    kinds = {nal_type(nal, codec) for nal in nals}
    return 5 in kinds if codec == "h264" else bool(kinds & set(range(16, 22)))


def split_units(annexb: bytes, codec: str) -> list[list[bytes]]:
    """Access units of a byte stream whose units all begin with a delimiter; the delimiters themselves are left out."""
    units: list[list[bytes]] = []
    for nal in split_nals(annexb):
        if is_delimiter(nal, codec):
            units.append([])
        else:
            units[-1].append(nal)
    return units


def group_units(nals: list[bytes], codec: str) -> list[list[bytes]]:
    """Access units of a stream of NAL units in which a stamp stands before each unit's slices.

    A unit begins with the first NAL unit that is no slice after a slice.
    """
    units: list[list[bytes]] = []
    after_slice = True
    slices = H264_VCL if codec == "h264" else H265_VCL
    for nal in nals:
        is_slice = nal_type(nal, codec) in slices
        if after_slice and not is_slice:
            units.append([])
        units[-1].append(nal)
        after_slice = is_slice
    return units


def stamp_nal(number: int, mono_ns: int, codec: str) -> bytes:
    """A SEI NAL unit with the stamp, in digits, so that no byte needs escaping."""
    payload = STAMP_UUID + b"%012d%020d" % (number, mono_ns)
    header = b"\x06" if codec == "h264" else b"\x4e\x01"
    return header + bytes([5, len(payload)]) + payload + b"\x80"


def with_stamp(nals: list[bytes], number: int, mono_ns: int, codec: str) -> list[bytes]:
    """The unit with a stamp before its first slice."""
    slices = H264_VCL if codec == "h264" else H265_VCL
    first = next(index for index, nal in enumerate(nals) if nal_type(nal, codec) in slices)
    return [*nals[:first], stamp_nal(number, mono_ns, codec), *nals[first:]]


def find_stamp(data: bytes) -> Stamp | None:
    """The stamp in a unit, or None."""
    at = data.find(STAMP_UUID)
    if at < 0:
        return None
    text = data[at + 16 : at + 48]
    return Stamp(int(text[:12]), int(text[12:]))


def annexb(nals: list[bytes]) -> bytes:
    """The unit as Annex B."""
    return b"".join(START + nal for nal in nals)
