from __future__ import annotations

import io
import struct
import zlib
from time import monotonic, process_time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import Unreadable
from core.media import strip
from core.values import Problem
from tests.core.media import pictures as made
from workers.media import images


def refused(raw: bytes, **options: object) -> Problem:
    with pytest.raises(Unreadable) as problem:
        images.decode(raw, **options)  # type: ignore[arg-type]
    return problem.value.problem


def near(picture: np.ndarray, expected: np.ndarray, far: float = 6.0) -> bool:
    return picture.shape == expected.shape and float(np.abs(picture.astype(int) - expected.astype(int)).mean()) < far


SCENE = np.asarray(made.scene())


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 95}),
        ("GIF", {}),
        ("BMP", {}),
    ],
)
def test_every_format_becomes_rgb(form: str, options: dict[str, object]) -> None:
    picture = images.decode(made.saved(made.scene(), form, **options))
    assert picture.dtype == np.uint8
    assert picture.flags.writeable and picture.flags.c_contiguous
    assert near(picture, SCENE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA"])
def test_every_mode_of_a_png_becomes_rgb(mode: str) -> None:
    source = made.scene(mode="RGBA" if mode == "PA" else mode).convert("P" if mode == "PA" else mode)
    assert near(images.decode(made.saved(source, "PNG")), np.asarray(source.convert("RGB")))


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}])
def test_a_cmyk_jpeg_has_its_colours(options: dict[str, object]) -> None:
    raw = made.saved(made.scene(mode="CMYK"), "JPEG", quality=95, **options)
    assert near(images.decode(raw), SCENE)


def test_a_grey_jpeg_is_grey() -> None:
    picture = images.decode(made.saved(made.scene(mode="L"), "JPEG", quality=95))
    assert near(picture, np.asarray(made.scene(mode="L").convert("RGB")))


def sixteen_bits(values: np.ndarray, kind: int, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits a channel: kind 0 grey, 2 RGB, 4 grey with transparency, 6 RGB with transparency."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + made.chunk(b"IHDR", header)
        + extra
        + made.chunk(b"IDAT", zlib.compress(rows))
        + made.chunk(b"IEND", b"")
    )


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 40 * 24).reshape(24, 40).astype(np.uint16)
    grey = np.repeat((ramp >> 8)[..., None], 3, axis=2)
    assert near(images.decode(sixteen_bits(ramp, 0)), grey, far=1.0)
    assert near(images.decode(sixteen_bits(np.repeat(ramp[..., None], 3, axis=2), 2)), grey, far=1.0)
    half = np.stack([ramp, np.full_like(ramp, 32768)], axis=-1)
    assert near(images.decode(sixteen_bits(half, 4)), (grey + 255) // 2, far=2.0)
    clear = np.concatenate([np.repeat(ramp[..., None], 3, axis=2), np.zeros_like(ramp)[..., None]], axis=-1)
    assert near(images.decode(sixteen_bits(clear, 6)), np.full((24, 40, 3), 255), far=0.1)


@pytest.mark.parametrize("size", [(40, 24), (4000, 2400)])
def test_transparency_lies_over_white(size: tuple[int, int]) -> None:
    """Also where the picture is made smaller: a clear pixel's hidden colour must not bleed into its neighbours."""
    source = Image.new("RGBA", size, (0, 0, 0, 0))
    source.paste((255, 0, 0, 255), (0, 0, size[0] // 2, size[1]))
    for raw in (made.saved(source, "PNG"), made.saved(source, "WEBP", lossless=True)):
        picture = images.decode(raw, side=40)
        assert picture.shape == (24, 40, 3)
        assert near(picture[:, :18], np.full((24, 18, 3), (255, 0, 0)), far=1.0)
        assert near(picture[:, 22:], np.full((24, 18, 3), 255), far=1.0)


def test_a_transparent_palette_lies_over_white() -> None:
    source = made.scene(mode="P")
    source.paste(7, (0, 0, 20, 24))
    for form in ("PNG", "GIF"):
        picture = images.decode(made.saved(source, form, transparency=7))
        assert (picture[:, :20] == 255).all()
        assert not (picture[:, 20:] == 255).all()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_pictures_stand_upright(form: str, turn: int) -> None:
    # Given a picture that was stored turned, as EXIF says
    raw = getattr(made, f"talkative_{form}")(turn)
    # When it is decoded, before or after it was stripped
    picture = images.decode(raw)
    # Then its first row and column are the visual top and left (Exif 2.32, tag 0x0112)
    with Image.open(io.BytesIO(raw)) as image:
        stored = np.asarray(image.convert("RGB"))
    upright = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.transpose(1, 0, 2), 6: np.rot90(stored, -1), 7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored),
    }[turn]  # fmt: skip
    assert np.array_equal(picture, upright)
    assert np.array_equal(images.decode(strip(raw, f"image/{form}")), picture)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_shows_its_first_frame(form: str) -> None:
    first, *others = made.frames()
    options = {"lossless": True} if form == "WEBP" else {}
    raw = made.saved(first, form, save_all=True, append_images=others, **options)
    assert near(images.decode(raw), SCENE)


def test_the_further_pictures_of_a_phone_are_not_looked_at() -> None:
    raw = made.saved(made.scene(), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 24), "red")], quality=95)
    assert near(images.decode(raw), SCENE)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((4000, 3000), 1280, (960, 1280)),
        ((3000, 4000), 1280, (1280, 960)),
        ((1281, 721), 1280, (720, 1280)),
        ((640, 480), 1280, (480, 640)),
        ((3001, 1), 100, (1, 100)),
        ((1, 3001), 100, (100, 1)),
        ((5000, 4999), 7, (7, 7)),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_the_longer_side_decides(form: str, size: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    picture = images.decode(made.saved(made.scene(*size), form), side=side)
    assert picture.shape == (*expected, 3)
    reference = made.scene(*size).resize((expected[1], expected[0]), Image.Resampling.BICUBIC)
    assert near(picture, np.asarray(reference), far=8.0)


def test_names_do_not_matter(tmp_path: object) -> None:
    """A PNG named .jpg: there is no way to pass a name, the bytes decide."""
    raw = made.saved(made.scene(), "PNG")
    (tmp_path / "photo.jpg").write_bytes(raw)  # type: ignore[operator]
    assert np.array_equal(images.decode((tmp_path / "photo.jpg").read_bytes()), SCENE)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", Problem.EMPTY),
        (b"<!DOCTYPE html><title>Sign in to Slack</title>", Problem.DOCUMENT),
        (b"%PDF-1.7", Problem.DOCUMENT),
        (b"\x00" * 50, Problem.FORMAT),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Problem.FORMAT),
        (made.saved(made.scene(), "TIFF"), Problem.FORMAT),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", Problem.VIDEO),
        (b"OggS\0\2" + bytes(30), Problem.FORMAT),
        (b"\xff\xd8\xff\xe0" + bytes(100), Problem.DAMAGED),
        (b"\x89PNG\r\n\x1a\n", Problem.DAMAGED),
        (
            made.saved(made.scene(), "PNG").replace(struct.pack(">II", 40, 24), struct.pack(">II", 0, 24)),
            Problem.DAMAGED,
        ),
    ],
)
def test_what_is_no_picture_is_named(raw: bytes, problem: Problem) -> None:
    assert refused(raw) is problem


def test_bombs_are_refused_before_they_unfold() -> None:
    # Given 900 megapixels in a file of a few megabytes
    raw = made.bomb_png()
    assert len(raw) < 5_000_000
    # When they are decoded, Then nothing is
    before = process_time()
    assert refused(raw) is Problem.TOO_LARGE
    assert process_time() - before < 0.2
    # A picture with few enough pixels may still need too much memory
    assert refused(made.bomb_png(12_000, 12_000)) is Problem.TOO_LARGE
    assert refused(made.saved(Image.new("RGB", (6000, 6000)), "WEBP", lossless=True, method=0)) is Problem.TOO_LARGE
    assert refused(made.saved(Image.new("P", (9500, 9500)), "GIF")) is Problem.TOO_LARGE
    assert refused(made.saved(made.scene(), "PNG"), limits=images.Limits(size=100)) is Problem.TOO_LARGE


def test_a_200_megapixel_jpeg_is_only_read_in_part() -> None:
    raw = made.saved(Image.new("L", (16320, 12240), 200), "JPEG")
    assert images.decode(raw, side=64).shape == (48, 64, 3)
    progressive = made.saved(Image.new("L", (16320, 12240), 200), "JPEG", progressive=True)
    assert refused(progressive) is Problem.TOO_LARGE


def test_a_jpeg_that_goes_over_its_pixels_again_and_again_is_refused() -> None:
    assert images.decode(made.scan_bomb(20)).shape == (256, 256, 3)
    assert refused(made.scan_bomb()) is Problem.TOO_LARGE


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
def test_a_picture_that_takes_too_long_is_given_up(form: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (2500, 2500, 3), dtype=np.uint8)
    raw = made.saved(Image.fromarray(noise[..., 0] if form == "GIF" else noise), form)
    before = monotonic()
    assert refused(raw, limits=images.Limits(seconds=0.01)) is Problem.TOO_LARGE
    assert monotonic() - before < 3.0


WHOLE = {
    form: made.saved(made.scene(160, 120), form, **options)
    for form, options in (
        ("JPEG", {"quality": 90}),
        ("PNG", {}),
        ("WEBP", {"quality": 90}),
        ("GIF", {}),
        ("BMP", {}),
    )
}
WHOLE["progressive"] = made.saved(made.scene(160, 120), "JPEG", progressive=True)


@pytest.mark.parametrize("form", WHOLE)
def test_broken_off_anywhere_it_is_damaged(form: str) -> None:
    raw = WHOLE[form]
    last = len(raw) - (24 if form == "PNG" else 3)  # PNG ends with a checksum and an empty chunk: no pixel is missing
    for length in [*range(8, 200, 7), *range(200, last, max(1, len(raw) // 60)), last]:
        problem = refused(raw[:length])
        assert problem in ({Problem.DAMAGED, Problem.FORMAT} if length < 26 else {Problem.DAMAGED}), length


@settings(max_examples=400, deadline=3000, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damage_gives_a_picture_or_a_problem(data: st.DataObject) -> None:
    raw = bytearray(WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        picture = images.decode(bytes(raw), side=64, limits=images.Limits(pixels=2_000_000))
    except Unreadable:
        return
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert max(picture.shape) <= 64
