"""From the planes of a frame to RGB, for hosts that look at pictures as arrays. Needs numpy."""

from functools import cache
from typing import Any

from vigie.errors import CodecUnsupportedError

__all__ = ["rgb_from_yuv"]

# Kr and Kb of each matrix that has them (ITU-T H.273 table 4).
_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 B/G
    6: (0.299, 0.114),  # BT.601
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
}
_UNSPECIFIED = 2
_HD_ROWS = 720
# Tables hold 1/32 of a level: the largest sum still fits 16 bits.
_FRACTION_BITS = 5


@cache
def _tables(matrix: int, full_range: bool) -> tuple[Any, ...]:
    """What each value of Y, of V for red, of U and of V for green, and of U for blue adds, in int16."""
    import numpy as np

    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    level = np.arange(256, dtype=np.float64)
    luma = level if full_range else (level - 16) * 255 / 219
    chroma = (level - 128) * (1 if full_range else 255 / 224)
    parts = (
        luma + 0.5,  # what is cut off later rounds
        chroma * 2 * (1 - red),
        chroma * -2 * blue * (1 - blue) / green,
        chroma * -2 * red * (1 - red) / green,
        chroma * 2 * (1 - blue),
    )
    return tuple(np.rint(part * (1 << _FRACTION_BITS)).astype(np.int16) for part in parts)


def rgb_from_yuv(y: Any, u: Any, v: Any, *, matrix: int, full_range: bool) -> Any:
    """The picture as a new array of gamma-coded R'G'B', as the camera meant it.

    Parameters: the planes of a 4:2:0 picture of even sides; `matrix`: code point of H.264 E.2.1 (2, not said: BT.709
    from 720 rows on, else BT.601); `full_range`: samples use 0..255.
    Shape: (height, width, 3) of uint8.
    Accuracy: each level within 1 of the exact formula (ITU-T H.273 8.3) on the same samples. Each chroma sample is used
    for its four pixels as it is: edges of colour are as sharp, and as coarse, as the camera sent them. Primaries and
    transfer are left as they are.
    Raises: CodecUnsupportedError for a matrix that is not of Kr and Kb.
    """
    import numpy as np

    rows, columns = y.shape
    if matrix == _UNSPECIFIED:
        matrix = 1 if rows >= _HD_ROWS else 6
    if matrix not in _WEIGHTS:
        known = ", ".join(map(str, sorted(_WEIGHTS)))
        raise CodecUnsupportedError(f"colour matrix {matrix}; {known} and 2 (not said) are known", "rgb")
    of_y, v_red, u_green, v_green, u_blue = _tables(matrix, full_range)
    luma = of_y[y].reshape(rows // 2, 2, columns // 2, 2)
    out = np.empty((rows, columns, 3), np.uint8)
    quads = out.reshape(rows // 2, 2, columns // 2, 2, 3)
    for channel, chroma in enumerate((v_red[v], u_green[u] + v_green[v], u_blue[u])):
        level = luma + chroma[:, None, :, None]
        level >>= _FRACTION_BITS
        quads[..., channel] = level.clip(0, 255, out=level)
    return out
