"""Access units of a file, as lists of NAL units."""

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vigie.errors import FileUnreadableError
from vigie.inspect import h264


@dataclass(frozen=True, slots=True)
class FileUnit:
    """One coded picture. `time_s`: seconds as the container says, None in a raw stream. `nals`: empty if not H.264."""

    time_s: float | None
    nals: list[bytes]


def read_units(path: Path) -> tuple[str, Iterator[FileUnit]]:
    """The codec's name and the units of the first video track, in decoding order.

    Raw H.264 (Annex B) is read here; everything else through PyAV: MP4, MPEG-TS, Matroska.
    Raises: FileUnreadableError; the iterator too.
    """
    try:
        with path.open("rb") as stream:
            raw = _is_raw_h264(stream.read(64))
    except OSError as error:
        raise FileUnreadableError(error.strerror or "it cannot be opened", str(path)) from None
    return ("h264", _raw_units(path)) if raw else _container_units(path)


def _is_raw_h264(head: bytes) -> bool:
    """Whether it begins as H.264 does and H.265 does not: the same first byte means something else there."""
    nal = next(h264.split_annexb(head), b"")
    if not nal or not head.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")) or nal[0] & 0x80:
        return False
    kind, referenced = nal[0] & 0x1F, nal[0] & 0x60 != 0
    if kind in (h264.SEI, h264.DELIMITER):
        return not referenced
    return kind == h264.SLICE or (kind in (h264.IDR, h264.SPS, h264.PPS) and referenced)


def _raw_units(path: Path) -> Iterator[FileUnit]:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        nals: list[bytes] = []
        has_slice = False
        for nal in _mapped_nals(data):
            if h264.begins_unit(nal, has_slice):
                yield FileUnit(None, nals)
                nals, has_slice = [], False
            nals.append(nal)
            has_slice = has_slice or h264.nal_type(nal) in (h264.SLICE, 2, h264.IDR)
        if has_slice:
            yield FileUnit(None, nals)


def _mapped_nals(data: mmap.mmap) -> Iterator[bytes]:
    """As h264.split_annexb, without the whole file in memory."""
    at = data.find(b"\x00\x00\x01")
    while at >= 0:
        following = data.find(b"\x00\x00\x01", at + 3)
        nal = data[at + 3 : following if following >= 0 else len(data)].rstrip(b"\x00")
        if nal:
            yield nal
        at = following


def _container_units(path: Path) -> tuple[str, Iterator[FileUnit]]:
    import av  # takes a while to load, and raw streams do not need it

    try:
        container = av.open(str(path), "r")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise FileUnreadableError(f"no recording that can be read ({error})", str(path)) from None
    if not container.streams.video:
        container.close()
        raise FileUnreadableError("it has no video track", str(path))
    stream = container.streams.video[0]
    codec = str(stream.codec_context.name)
    config = bytes(stream.codec_context.extradata or b"")

    def units() -> Iterator[FileUnit]:
        with contextlib.closing(container):
            # ISO 14496-15 5.3.3.1: version 1, and the size of the lengths in the fifth byte.
            lengths = (config[4] & 3) + 1 if len(config) > 6 and config[0] == 1 else 0
            yielded_sets = False
            try:
                for packet in container.demux(stream):
                    data = bytes(packet)
                    if not data:
                        continue
                    time_s = None if packet.pts is None else float(packet.pts * packet.time_base)
                    if codec != "h264":
                        yield FileUnit(time_s, [])
                        continue
                    nals = list(h264.split_lengths(data, lengths) if lengths else h264.split_annexb(data))
                    if not yielded_sets:
                        nals = _parameter_sets(config, bool(lengths)) + nals
                        yielded_sets = True
                    yield FileUnit(time_s, nals)
            except av.FFmpegError as error:
                raise FileUnreadableError(f"it breaks off ({error})", str(path)) from None

    return codec, units()


def _parameter_sets(config: bytes, is_avcc: bool) -> list[bytes]:
    """SPS and PPS of the container's header."""
    if not is_avcc:
        return list(h264.split_annexb(config))
    found: list[bytes] = []
    at = 5
    for mask in (0x1F, 0xFF):
        count = config[at] & mask if at < len(config) else 0
        at += 1
        for _ in range(count):
            size = int.from_bytes(config[at : at + 2])
            found.append(config[at + 2 : at + 2 + size])
            at += 2 + size
    return found
