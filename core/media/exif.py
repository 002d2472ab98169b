"""The one EXIF tag that a picture needs to be shown upright.

Source: TIFF 6.0 section 2 (image file directories), Exif 2.32 section 4.6.4 (tag 0x0112, Orientation).
"""

from __future__ import annotations

from struct import error as StructError
from struct import pack, unpack_from

ORIENTATION = 0x0112
SHORT = 3
MOST_TAGS = 1000  # a directory has a few dozen; a hostile one claims 65,535


def orientation(tiff: bytes) -> int:
    """Read the orientation from a TIFF block: 1 to 8, and 1 (upright) when it is absent or malformed."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = unpack_from(f"{order}I", tiff, 4)
        (count,) = unpack_from(f"{order}H", tiff, directory)
        for number in range(min(count, MOST_TAGS)):
            tag, kind, _, value = unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * number)
            if tag == ORIENTATION:
                return int(value) if kind == SHORT and 1 <= value <= 8 else 1
    except StructError:  # an offset points past the end
        return 1
    return 1


def block(orientation: int) -> bytes:
    """Write the smallest TIFF block that says `orientation` (26 bytes): one directory with one tag."""
    return b"MM\0*" + pack(">IHHHIHHI", 8, 1, ORIENTATION, SHORT, 1, orientation, 0, 0)
