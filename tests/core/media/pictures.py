"""Pictures made on the spot, in every format and with every secret that a phone might put into one."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SECRET = b"48.1374N 11.5755E"


def scene(width: int = 40, height: int = 24, mode: str = "RGB") -> Image.Image:
    """A picture whose four corners differ: red, green, blue, and a gradient between them."""
    right = np.linspace(0, 1, width, dtype=np.float32)
    down = np.linspace(0, 255, height, dtype=np.float32)
    planes = ((down[::-1], right[::-1]), (down[::-1], right), (down, right[::-1]))
    return Image.merge("RGB", [Image.fromarray(np.outer(*plane).astype(np.uint8)) for plane in planes]).convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def exif(orientation: int | None = 1) -> bytes:
    """A TIFF block as phones write it: make, orientation, description, GPS position."""
    block = Image.Exif()
    if orientation is not None:
        block[0x0112] = orientation
    block[0x010F] = "Phone"
    block[0x010E] = SECRET.decode()
    block.get_ifd(0x8825)[1] = "N"
    block.get_ifd(0x8825)[2] = (48.0, 8.0, 14.0)
    return block.tobytes()


def xmp() -> bytes:
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"


def talkative_jpeg(orientation: int | None = 1, **options: Any) -> bytes:
    """A JPEG with EXIF, XMP, IPTC, a comment, a thumbnail, an ICC profile, and a film behind its end."""
    plain = saved(
        scene(),
        "JPEG",
        quality=90,
        exif=exif(orientation),
        comment=SECRET,
        xmp=xmp(),
        icc_profile=b"icc" * 50,
        **options,
    )
    iptc = b"Photoshop 3.0\x008BIM" + SECRET
    thumbnail = b"JFXX\0\x13\x01\x01" + SECRET
    extra = b"".join(
        marker + struct.pack(">H", len(body) + 2) + body
        for marker, body in ((b"\xff\xed", iptc), (b"\xff\xe0", thumbnail))
    )
    sof = plain.index(b"\xff\xdb")
    return plain[:sof] + extra + plain[sof:] + b"\0\0\0\x18ftypmp42" + SECRET


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def talkative_png(orientation: int | None = 1, image: Image.Image | None = None, **options: Any) -> bytes:
    """A PNG with tEXt, zTXt, iTXt, tIME, eXIf, a private chunk, and a cropped-away part behind its end."""
    words = PngInfo()
    words.add_text("Location", SECRET.decode())
    words.add_text("Comment", SECRET.decode(), zip=True)
    words.add_itxt("XML:com.adobe.xmp", xmp().decode())
    plain = saved(image or scene(), "PNG", pnginfo=words, exif=exif(orientation), **options)
    end = plain.rindex(b"IEND") - 4
    private = chunk(b"tIME", b"\x07\xea\x0b\x01\x0c\0\0") + chunk(b"caBX", SECRET)
    return plain[:33] + private + plain[33:end] + chunk(b"tEXt", b"Author\0" + SECRET) + plain[end:] + SECRET


def talkative_webp(orientation: int | None = 1, image: Image.Image | None = None, **options: Any) -> bytes:
    """A WebP with EXIF, XMP, an unknown chunk and something behind its end."""
    plain = saved(image or scene(), "WEBP", exif=exif(orientation), xmp=xmp(), **options)
    body = plain[8:] + b"note" + struct.pack("<I", len(SECRET)) + SECRET + b"\0" * (len(SECRET) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body + SECRET


def frames(count: int = 3, mode: str = "RGB") -> list[Image.Image]:
    """An animation: the scene, then plain colours."""
    size = (40, 24)
    return [
        scene(*size).convert(mode),
        *(Image.new(mode, size, color) for color in ("red", "blue", "lime")[: count - 1]),
    ]


def talkative_gif() -> bytes:
    """An animated GIF with a comment, XMP, a plain text block and something behind its end."""
    first, *others = frames()
    plain = saved(first, "GIF", save_all=True, append_images=others, duration=100, loop=0, comment=SECRET)
    words = b"\x21\xff\x0bXMP DataXMP" + xmp() + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    assert plain.endswith(b"\x3b")
    return plain[:-1] + words + b"\x3b" + SECRET


def bomb_png(width: int = 30_000, height: int = 30_000) -> bytes:
    """A small file that unfolds to `width` x `height` grey pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = bytes(width + 1)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def scan_bomb(scans: int = 300) -> bytes:
    """A progressive JPEG whose last refinement is repeated again and again."""
    plain = saved(scene(256, 256), "JPEG", progressive=True)
    last = plain.rindex(b"\xff\xda")
    return plain[:-2] + plain[last:-2] * scans + b"\xff\xd9"


def pixels(raw: bytes, most: int = 100) -> list[np.ndarray[Any, Any]]:
    """The frames as Pillow shows them, unturned, with their transparency."""
    with warnings.catch_warnings(), Image.open(BytesIO(raw)) as image:
        warnings.simplefilter("ignore")  # Pillow's complaints about damaged metadata
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        shown = []
        for number in range(min(count, most)):
            image.seek(number)
            shown.append(np.asarray(image.convert("RGBA")))
        return shown
