"""The demo knowledge base as files: it is whole, its media may be shipped, its cases are fair."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from PIL import Image

from bot.demo import make_media
from bot.demo.studio import lens, mugs, prints, real_photos, shapes, shown_things, speech, stage
from bot.demo.studio.tracer import Camera, Light, Thing, render

DEMO = Path(make_media.__file__).parent
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    # BaseLoader takes every scalar as written, as the format asks.
    loaded = yaml.load((DEMO / "kb.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert isinstance(loaded, dict)
    return loaded


def phrases(entry: dict[str, Any]) -> list[str]:
    return [entry["question"], *entry["variants"]]


def bare(text: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", text.lower()).strip()


def texts(answer: str | dict[str, str]) -> list[str]:
    return [answer] if isinstance(answer, str) else list(answer.values())


def named_media(demo: dict[str, Any]) -> Counter[str]:
    entries = [path for entry in demo["entries"] for path in (*entry.get("photos", []), *entry.get("media", []))]
    cases = [case[kind] for case in demo["cases"] for kind in ("photo", "voice") if kind in case]
    return Counter([*entries, *cases])


def test_it_has_the_promised_size(demo: dict[str, Any]) -> None:
    entries = demo["entries"]
    assert len(entries) >= 40
    assert len({entry["intent"] for entry in entries}) >= 8
    assert sum("photos" in entry for entry in entries) >= 8
    assert all(5 <= len(entry["variants"]) <= 9 for entry in entries)
    assert all(2 <= len(entry.get("photos", ["", ""])) <= 5 for entry in entries)
    assert any(entry.get("escalate") == "true" for entry in entries)
    assert any(isinstance(entry["answer"], dict) for entry in entries)


def test_ids_are_unique_and_well_formed(demo: dict[str, Any]) -> None:
    ids = [entry["id"] for entry in demo["entries"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+", id) and id != "none" for id in ids)


def test_no_phrase_stands_under_two_entries(demo: dict[str, Any]) -> None:
    owners: dict[str, set[str]] = {}
    for entry in demo["entries"]:
        for phrase in phrases(entry):
            owners.setdefault(bare(phrase), set()).add(entry["id"])
    assert {phrase: ids for phrase, ids in owners.items() if len(ids) > 1} == {}


def test_answers_keep_to_the_markdown_subset_and_link_nowhere_real(demo: dict[str, Any]) -> None:
    for entry in demo["entries"]:
        for text in texts(entry["answer"]):
            assert text.strip(), entry["id"]
            assert not re.search(r"^#|^\||!\[|<[a-z]", text, re.MULTILINE), entry["id"]
            for target in re.findall(r"\]\(([^)]*)\)", text):
                assert re.match(r"https://example\.com/|mailto:[a-z]+@example\.com$", target), (entry["id"], target)


def test_every_file_named_is_there_and_every_file_there_is_named(demo: dict[str, Any]) -> None:
    there = {f"{folder}/{file.name}" for folder in ("photos", "voice") for file in (DEMO / folder).iterdir()}
    assert set(named_media(demo)) == there


def test_every_file_has_an_origin() -> None:
    # Given the catalogues of what is drawn, copied from the two collections, spoken
    known = {f"{name}.jpg" for name in (*make_media.DRAWN, *real_photos.PICTURES)}
    known |= {f"{name}.png" for name in shown_things.ENCLOSED} | {f"{name}.ogg" for name in speech.NOTES}
    # Then nothing else is shipped, and nothing has two origins
    assert {file.name for folder in ("photos", "voice") for file in (DEMO / folder).iterdir()} == known
    assert not set(make_media.DRAWN) & set(real_photos.PICTURES)


def test_the_licences_of_copied_photos_travel_along() -> None:
    origins = (DEMO / "MEDIA.md").read_text(encoding="utf-8")
    for words in (
        "public domain",
        "packages-g0ton",
        "MIT License",
        "Copyright (c) 2019 Marcus Klasson",
        "hibari-tts",
        "py-nanotts",
    ):
        assert words in origins
    assert all(name.removeprefix("test-").startswith(("door-", "fresh-")) for name in real_photos.PICTURES)


def test_it_is_small_enough_to_ship() -> None:
    sizes = {
        file: file.stat().st_size for file in DEMO.rglob("*") if "__pycache__" not in file.parts and file.is_file()
    }
    assert sum(sizes.values()) < 6 * MEGABYTE
    assert max(sizes.values()) < 0.2 * MEGABYTE


def test_pictures_open_fit_a_phone_and_carry_no_metadata() -> None:
    for file in (DEMO / "photos").iterdir():
        with Image.open(file) as picture:
            picture.load()
            assert 300 <= max(picture.size) <= 1100, file.name
            assert picture.format == {".jpg": "JPEG", ".png": "PNG"}[file.suffix]
            assert not picture.getexif(), file.name


def test_voice_notes_are_short_mono_opus() -> None:
    for file in (DEMO / "voice").iterdir():
        with av.open(str(file)) as container:
            stream = container.streams.audio[0]
            assert (container.format.name, stream.codec_context.name, stream.channels) == ("ogg", "opus", 1)
            heard = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(stream)])
            assert 1.0 < len(heard) / stream.rate < 10.0, file.name
            assert np.abs(heard).max() > 0.2, f"{file.name} is silent"
        assert file.stat().st_size * 8 / (len(heard) / stream.rate) < 40_000, file.name


def test_cases_cover_text_photo_and_voice(demo: dict[str, Any]) -> None:
    cases = demo["cases"]
    typed = [case for case in cases if "text" in case and "photo" not in case]
    assert len(cases) >= 90
    assert len(typed) >= 40
    assert sum("photo" in case for case in cases) >= 20
    assert sum("voice" in case for case in cases) >= 15
    assert sum("history" in case for case in cases) >= 5
    assert sum(case["expect"] == "none" for case in typed) >= 12
    assert {case["expect"] for case in cases} <= {"none", *(entry["id"] for entry in demo["entries"])}


def test_cases_are_not_copied_from_the_entries(demo: dict[str, Any]) -> None:
    # Given every phrase and example photo that a model may learn from
    learnt = {bare(phrase) for entry in demo["entries"] for phrase in phrases(entry)}
    examples = {path for entry in demo["entries"] for path in entry.get("photos", [])}
    seen = {hashlib.sha256((DEMO / path).read_bytes()).hexdigest() for path in examples}
    # Then no case repeats one
    for case in demo["cases"]:
        assert bare(case.get("text", "")) not in learnt, case
        if "photo" in case:
            assert hashlib.sha256((DEMO / case["photo"]).read_bytes()).hexdigest() not in seen, case
    assert not {bare(note.words) for note in speech.NOTES.values()} & learnt


def test_a_drawing_is_the_same_every_time() -> None:
    def small(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        things = [*mugs.cracked(rng, mugs.Glaze((60, 90, 110), (240, 240, 240)), 0.4), Thing(shapes.ground, stage.OAK)]
        light = render(things, Camera((0.0, -3.0, 2.0), (0.0, 0.0, 0.4)), Light(), (64, 48))
        return lens.develop(light, lens.any_shot(rng), rng).tobytes()

    assert small(3) == small(3)
    assert small(3) != small(4)


def test_a_distance_is_negative_inside_and_grows_outside() -> None:
    box = shapes.box((1.0, 1.0, 1.0))
    inside, face, away = box(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32))
    assert inside < 0
    assert face == pytest.approx(0, abs=1e-6)
    assert away == pytest.approx(2, abs=1e-6)


def test_the_printed_code_can_be_scanned() -> None:
    # The QR code on a return label is a real one.
    import cv2

    code = np.asarray(prints.square_code("https://example.com/returns/RT-1", 300))
    assert cv2.QRCodeDetector().detectAndDecode(code)[0] == "https://example.com/returns/RT-1"
