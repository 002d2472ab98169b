from __future__ import annotations

from io import BytesIO
from time import process_time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import Unreadable
from core.media import dimensions, jpeg, orientation, png, sniff, strip, webp
from core.values import Problem
from tests.core.media import pictures as made

TALKATIVE = {
    "image/jpeg": made.talkative_jpeg(),
    "image/png": made.talkative_png(),
    "image/webp": made.talkative_webp(),
    "image/gif": made.talkative_gif(),
}
TURNED = {
    "image/jpeg": made.talkative_jpeg,
    "image/png": made.talkative_png,
    "image/webp": made.talkative_webp,
}
OTHERS = {
    "progressive": (made.talkative_jpeg(6, progressive=True), "image/jpeg"),
    "restarts": (made.talkative_jpeg(3, restart_marker_rows=1), "image/jpeg"),
    "cmyk": (made.saved(made.scene(mode="CMYK"), "JPEG"), "image/jpeg"),
    "grey": (made.saved(made.scene(mode="L"), "JPEG"), "image/jpeg"),
    "palette": (made.talkative_png(image=made.scene(mode="P")), "image/png"),
    "clear": (made.talkative_webp(image=made.scene(mode="RGBA"), lossless=True), "image/webp"),
    "simple": (made.saved(made.scene(), "WEBP"), "image/webp"),
    "apng": (made.saved(made.frames()[0], "PNG", save_all=True, append_images=made.frames()[1:]), "image/png"),
    "film": (made.saved(made.frames()[0], "WEBP", save_all=True, append_images=made.frames()[1:]), "image/webp"),
}


def same(before: bytes, after: bytes) -> bool:
    first, second = made.pixels(before), made.pixels(after)
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("mime", TALKATIVE)
def test_secrets_go_and_pixels_stay(mime: str) -> None:
    # Given a picture that tells where it was taken
    raw = TALKATIVE[mime]
    assert made.SECRET in raw and sniff(raw).mime == mime
    # When it is stripped
    bare = strip(raw, mime)
    # Then no place is left in it, and every pixel is
    assert made.SECRET not in bare
    assert b"Phone" not in bare
    with Image.open(BytesIO(bare)) as image:
        assert not image.getexif()
        assert not image.getexif().get_ifd(0x8825)
    assert same(raw, bare)


@pytest.mark.parametrize("name", OTHERS)
def test_every_kind_of_picture_keeps_its_pixels(name: str) -> None:
    raw, mime = OTHERS[name]
    bare = strip(raw, mime)
    assert made.SECRET not in bare
    assert same(raw, bare)
    assert strip(bare, mime) == bare


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("mime", TURNED)
def test_the_orientation_stays_alone(mime: str, turn: int) -> None:
    raw = TURNED[mime](turn)
    assert orientation(raw, mime) == turn
    bare = strip(raw, mime)
    assert orientation(bare, mime) == turn
    with Image.open(BytesIO(bare)) as image:  # others read it the same way
        assert dict(image.getexif()) == ({} if turn == 1 else {0x0112: turn})
    assert strip(bare, mime) == bare


@pytest.mark.parametrize("mime", TURNED)
@pytest.mark.parametrize("value", [None, 0, 9, 65535])
def test_a_missing_or_impossible_orientation_is_upright(mime: str, value: int | None) -> None:
    raw = TURNED[mime](value)
    assert orientation(raw, mime) == 1
    assert b"Exif" not in strip(raw, mime)


def test_colour_profiles_and_adobe_s_mark_stay() -> None:
    assert b"ICC_PROFILE\0\x01\x01" + b"icc" * 50 in strip(TALKATIVE["image/jpeg"], "image/jpeg")
    assert b"Adobe" in strip(OTHERS["cmyk"][0], "image/jpeg")
    profiled = made.saved(made.scene(), "PNG", icc_profile=b"icc" * 50)
    assert b"iCCP" in strip(profiled, "image/png")
    profiled = made.saved(made.scene(), "WEBP", icc_profile=b"icc" * 50)
    assert b"ICCP" in strip(profiled, "image/webp")


def test_a_jfif_thumbnail_goes() -> None:
    plain = made.saved(made.scene(), "JPEG")
    assert plain[2:4] == b"\xff\xe0"
    thumbnail = b"\x07\x03" + bytes(range(63))
    old = plain[4:20]
    raw = plain[:2] + b"\xff\xe0" + (16 + 63).to_bytes(2) + old[2:-2] + thumbnail + plain[20:]
    bare = strip(raw, "image/jpeg")
    assert bare == plain
    assert same(raw, bare)


def test_the_further_pictures_of_a_phone_go() -> None:
    """An MPO file holds a second JPEG, with a position of its own, behind the first."""
    raw = made.saved(made.scene(), "MPO", save_all=True, append_images=[made.scene()], exif=made.exif())
    assert raw.count(b"\xff\xd8\xff") == 2
    bare = strip(raw, "image/jpeg")
    assert bare.count(b"\xff\xd8\xff") == 1
    assert same(raw, bare)


def test_a_webp_s_size_and_flags_are_right() -> None:
    bare = strip(TALKATIVE["image/webp"], "image/webp")
    assert int.from_bytes(bare[4:8], "little") == len(bare) - 8
    assert bare[12:16] != b"VP8X" or bare[20] & 0x0C == 0
    turned = strip(made.talkative_webp(8), "image/webp")
    assert turned[12:16] == b"VP8X"
    assert turned[20] & 0x0C == 0x08


def test_an_animation_goes_on() -> None:
    for name in ("apng", "film"):
        with Image.open(BytesIO(strip(*OTHERS[name]))) as image:
            assert image.n_frames == 3  # type: ignore[attr-defined]
    bare = strip(TALKATIVE["image/gif"], "image/gif")
    assert b"NETSCAPE2.0" in bare


def test_other_formats_come_back_as_they_are() -> None:
    bitmap = made.saved(made.scene(), "BMP")
    assert strip(bitmap, "image/bmp") is bitmap
    assert strip(b"%PDF-1.7", "application/pdf") == b"%PDF-1.7"


def test_small_pieces_without_end_do_not_hold_anybody_up() -> None:
    """A hostile file consists of millions of tiny blocks; walking them all would take many seconds."""
    hostile = {
        "image/jpeg": b"\xff\xd8" + b"\xff\xfe\0\2" * 2_000_000,
        "image/png": made.talkative_png()[:33] + made.chunk(b"tEXt", b"") * 700_000,
        "image/webp": b"RIFF" + (8_000_004).to_bytes(4, "little") + b"WEBP" + b"note\0\0\0\0" * 1_000_000,
        "image/gif": made.talkative_gif()[:13] + b"!\xff\0" * 2_000_000,
    }
    for mime, raw in hostile.items():
        before = process_time()
        with pytest.raises(Unreadable):
            strip(raw, mime)
        assert process_time() - before < 2


@pytest.mark.parametrize("mime", TALKATIVE)
def test_broken_off_anywhere_nothing_leaks_or_crashes(mime: str) -> None:
    raw = TALKATIVE[mime]
    for length in range(len(raw)):
        try:
            bare = strip(raw[:length], mime)
        except Unreadable as refused:
            assert refused.problem is Problem.DAMAGED
        else:
            assert made.SECRET not in bare


@pytest.mark.parametrize("mime", TALKATIVE)
def test_headers_alone_are_damaged(mime: str) -> None:
    for raw in (b"", TALKATIVE[mime][:14]):
        with pytest.raises(Unreadable) as refused:
            dimensions(raw, mime)
        assert refused.value.problem is Problem.DAMAGED
        with pytest.raises(Unreadable) as refused:
            strip(raw, mime)
        assert refused.value.problem is Problem.DAMAGED


def spans_of_metadata(raw: bytes, mime: str) -> list[tuple[int, int]]:
    """Where there are no compressed pixels: what is broken in those, every decoder reads in its own way."""
    if mime == "image/jpeg":
        start = next(segment.start for segment in jpeg.segments(raw) if segment.marker == jpeg.SOS)
        return [(0, start), (raw.rindex(b"\xff\xd9\0\0\0"), len(raw))]
    pictures = (b"IDAT", b"VP8 ")
    walked = list(png.chunks(raw) if mime == "image/png" else webp.chunks(raw))
    first = next(start for name, start, _ in walked if name in pictures)
    last = max(end for name, _, end in walked if name in pictures)
    return [(0, first), (last, len(raw))]


@st.composite
def mutated(draw: st.DrawFn, anywhere: bool) -> tuple[bytes, str]:
    """A valid picture with bytes overwritten, removed and inserted."""
    mime = draw(st.sampled_from(sorted(TALKATIVE if anywhere else TURNED)))
    raw = TALKATIVE[mime]
    spans = [(0, len(raw))] if anywhere else spans_of_metadata(raw, mime)
    for _ in range(draw(st.integers(1, 3)) if anywhere else 1):
        start, stop = draw(st.sampled_from(spans))
        at = min(draw(st.integers(start, stop - 1)), len(raw))
        gone = min(draw(st.integers(0, 4)), max(0, stop - at))
        raw = raw[:at] + draw(st.binary(max_size=4)) + raw[at + gone :]
    return raw, mime


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(anywhere=False))
def test_damaged_metadata_goes_without_touching_a_pixel(case: tuple[bytes, str]) -> None:
    raw, mime = case
    try:
        bare = strip(raw, mime)
        before = made.pixels(raw, most=1)[0]
    except Exception:  # damaged for us or for Pillow: there is nothing to compare
        return
    assert np.array_equal(before, made.pixels(bare, most=1)[0])


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(anywhere=True))
def test_damage_never_crashes_and_stripping_twice_changes_nothing(case: tuple[bytes, str]) -> None:
    raw, mime = case
    sniff(raw)
    try:
        bare = strip(raw, mime)
    except Unreadable as refused:
        assert refused.problem is Problem.DAMAGED
    else:
        assert len(bare) <= len(raw)
        assert strip(bare, mime) == bare


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=200), st.sampled_from([b"", *(raw[:40] for raw in TALKATIVE.values())]))
def test_noise_never_crashes(noise: bytes, head: bytes) -> None:
    raw = head + noise
    assert sniff(raw).mime
    for mime in (*TALKATIVE, "image/bmp", "audio/mp4"):
        for ask in (strip, dimensions, orientation):
            try:
                ask(raw, mime)  # type: ignore[operator]
            except Unreadable as refused:
                assert refused.problem in (Problem.DAMAGED, Problem.FORMAT)
