from __future__ import annotations

import subprocess
import sys
from time import process_time

import pytest

from core.media import PIXELS, dimensions, sniff
from core.media.boxes import strip as strip_boxes
from core.values import AttachmentKind, Problem
from tests.core.media import pictures as made

PHOTO, VOICE, OTHER = AttachmentKind.PHOTO, AttachmentKind.VOICE, AttachmentKind.OTHER


def box(name: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return (len(body) + 8).to_bytes(4) + name + body


def track(kind: bytes) -> bytes:
    return box(
        b"trak", box(b"tkhd", bytes(84)), box(b"mdia", box(b"mdhd", bytes(24)), box(b"hdlr", bytes(8), kind, bytes(13)))
    )


def film(brand: bytes, *kinds: bytes, rest: bytes = b"") -> bytes:
    return box(b"ftyp", brand, bytes(4), b"isom") + box(b"moov", box(b"mvhd", bytes(100)), *map(track, kinds), rest)


@pytest.mark.parametrize(
    ("raw", "kind", "mime", "problem"),
    [
        (made.saved(made.scene(), "JPEG"), PHOTO, "image/jpeg", None),
        (made.saved(made.scene(), "PNG"), PHOTO, "image/png", None),
        (made.saved(made.scene(), "GIF"), PHOTO, "image/gif", None),
        (made.saved(made.scene(), "WEBP"), PHOTO, "image/webp", None),
        (made.saved(made.scene(), "BMP"), PHOTO, "image/bmp", None),
        (made.saved(made.scene(), "TIFF"), PHOTO, "image/tiff", Problem.FORMAT),
        (made.saved(made.scene(), "ICO"), PHOTO, "image/x-icon", Problem.FORMAT),
        (made.saved(made.scene(), "JPEG2000"), PHOTO, "image/jp2", Problem.FORMAT),
        (made.saved(made.scene(), "AVIF"), PHOTO, "image/avif", Problem.FORMAT),
        (box(b"ftyp", b"heic", bytes(4), b"mif1heic"), PHOTO, "image/heic", Problem.FORMAT),
        (box(b"ftyp", b"mif1", bytes(4), b"mif1heic"), PHOTO, "image/heic", Problem.FORMAT),
        (box(b"ftyp", b"mif1", bytes(4), b"mif1avif"), PHOTO, "image/avif", Problem.FORMAT),
        (b'<?xml version="1.0"?>\n<!-- a --><svg xmlns="x"/>', PHOTO, "image/svg+xml", Problem.FORMAT),
        (film(b"M4A ", b"soun"), VOICE, "audio/mp4", None),
        (film(b"isom", b"soun"), VOICE, "audio/mp4", None),  # Slack's clip: called video, is none
        (film(b"mp42", b"vide", b"soun"), VOICE, "video/mp4", None),
        (film(b"qt  ", b"vide", b"soun"), VOICE, "video/quicktime", None),
        (film(b"mp42", b"vide"), VOICE, "video/mp4", Problem.SILENT),
        (box(b"ftyp", b"M4A ", bytes(4)), VOICE, "audio/mp4", None),
        (box(b"ftyp", b"mp42", bytes(4)), VOICE, "video/mp4", None),
        (b"caff\0\1", VOICE, "audio/x-caf", Problem.FORMAT),
        (b"RIFF\0\0\0\0AVI LIST", OTHER, "video/x-msvideo", Problem.VIDEO),
        (b"", OTHER, "application/octet-stream", Problem.EMPTY),
        (b"<!DOCTYPE html><html><title>Sign in</title>", OTHER, "text/html", Problem.DOCUMENT),
        (b"\xef\xbb\xbf \r\n<!-- x --><!-- y -->\n<HTML lang=en>", OTHER, "text/html", Problem.DOCUMENT),
        (b"%PDF-1.7\n%\xe2\xe3", OTHER, "application/pdf", Problem.DOCUMENT),
        (b"PK\x03\x04\x14\0", OTHER, "application/zip", Problem.DOCUMENT),
        ("Grüße, Käse".encode(), OTHER, "text/plain", Problem.DOCUMENT),
        (("a" + "я" * 5000).encode(), OTHER, "text/plain", Problem.DOCUMENT),
        (b'{"ok":false,"error":"not_authed"}', OTHER, "text/plain", Problem.DOCUMENT),
        (b"BMW drivers unite", OTHER, "text/plain", Problem.DOCUMENT),
        (b"\x01\x02\x03\x04", OTHER, "application/octet-stream", Problem.FORMAT),
        (bytes(100), OTHER, "application/octet-stream", Problem.FORMAT),
    ],
)
def test_bytes_decide(raw: bytes, kind: AttachmentKind, mime: str, problem: Problem | None) -> None:
    found = sniff(raw)
    assert (found.kind, found.mime, found.problem) == (kind, mime, problem)


def test_the_gateway_s_part_needs_no_library() -> None:
    code = "import sys, core.media; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"PIL", "numpy", "av", "torch"} & set(loaded)


def test_a_page_of_comments_does_not_hold_anybody_up() -> None:
    before = process_time()
    assert sniff(b"<!---->" * 100_000).mime == "text/plain"
    assert sniff(b"<?xml " + b"<!-- -->" * 100_000).mime == "text/plain"
    assert process_time() - before < 1


def test_a_film_loses_its_place_and_nothing_moves() -> None:
    place = box(b"udta", box(b"\xa9xyz", made.SECRET))
    raw = (
        film(b"mp42", b"vide", b"soun", rest=place + box(b"meta", made.SECRET))
        + box(b"uuid", made.SECRET)
        + box(b"mdat", b"sound")
    )
    bare = strip_boxes(raw)
    assert made.SECRET in raw
    assert made.SECRET not in bare
    assert len(bare) == len(raw)
    assert bare.index(b"mdat") == raw.index(b"mdat")
    assert sniff(bare) == sniff(raw)
    assert strip_boxes(bare) == bare


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("size", [(1, 1), (3, 700), (1025, 64)])
def test_dimensions_are_read_from_the_headers(form: str, size: tuple[int, int]) -> None:
    raw = made.saved(made.scene(*size), form)
    assert dimensions(raw, sniff(raw).mime) == size


def test_dimensions_of_the_rarer_headers() -> None:
    clear = made.scene(mode="RGBA")
    clear.putalpha(100)
    for raw in (
        made.saved(made.scene(), "JPEG", progressive=True),
        made.saved(made.scene(), "WEBP", lossless=True),
        made.saved(clear, "WEBP", lossless=True),
        made.saved(clear, "WEBP"),
        made.talkative_webp(),
        made.talkative_jpeg(6),  # as stored, not as shown
    ):
        assert dimensions(raw, sniff(raw).mime) == (40, 24)


def test_a_gif_whose_picture_is_larger_than_its_screen_tells_the_larger_size() -> None:
    raw = made.saved(made.scene(), "GIF")
    small_screen = raw[:6] + b"\x01\0\x01\0" + raw[10:]
    assert dimensions(small_screen, "image/gif") == (40, 24)


def test_a_bomb_is_known_at_the_door() -> None:
    raw = made.bomb_png()
    before = process_time()
    width, height = dimensions(raw, sniff(raw).mime)
    assert width * height > PIXELS
    assert process_time() - before < 0.3  # to unfold it takes longer
