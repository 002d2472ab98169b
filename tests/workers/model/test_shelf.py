"""Encoders are loaded when first needed, once, from where the settings say."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.errors import BadInput, Broken
from tests.workers.model import tiny
from workers.model.image import ClipImage
from workers.model.ports import TextEncoder
from workers.model.shelf import Shelf

ROOT = Path(__file__).resolve().parents[3]


def test_missing_models_say_what_to_do(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for take in (
        lambda: shelf.text("en"),
        lambda: shelf.text("de"),
        lambda: shelf.image,
        lambda: shelf.labels,
        lambda: shelf.speech,
        lambda: shelf.language,
    ):
        with pytest.raises(Broken, match="polydesk models prepare"):
            take()


def test_models_of_the_operator_take_their_place(tmp_path: Path) -> None:
    # Given three local folders
    makers = {"text": tiny.bert, "image": tiny.clip, "speech": tiny.whisper}
    for name, make in makers.items():
        make(tmp_path / name)
    shelf = Shelf(
        tmp_path / "none",
        text=str(tmp_path / "text"),
        image=str(tmp_path / "image"),
        speech=str(tmp_path / "speech"),
        device="cpu",
    )
    # Then they are used for every language, for pictures, for voice; no prepared weights are needed
    assert shelf.text("en") is shelf.text("de") is shelf.text("")
    assert shelf.text("en").dim == 24
    assert shelf.languages("en") == shelf.text("en").languages == frozenset()  # nobody said
    assert isinstance(shelf.image, ClipImage)
    assert shelf.labels == ()
    assert shelf.speech.digest.startswith("speech-")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, text=str(tmp_path / "absent"))
    for take in (shelf.text, shelf.languages):
        with pytest.raises(BadInput, match="there is no model folder"):
            take("en")


def test_languages_are_known_without_weights(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.languages("en-GB") == {"en"} and {"de", "ja"} < shelf.languages("de") == shelf.languages("")
    assert Shelf(tmp_path, text="multilingual").languages("en") == shelf.languages("de")


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    tiny.bert(tmp_path)
    with pytest.raises(Broken, match="POLYDESK_DEVICE"):
        Shelf(tmp_path, text=str(tmp_path), device="cuda:7").text("en")


def test_many_threads_get_the_same_one(tmp_path: Path) -> None:
    tiny.bert(tmp_path)
    shelf = Shelf(tmp_path, text=str(tmp_path))
    taken: list[TextEncoder] = []
    threads = [threading.Thread(target=lambda: taken.append(shelf.text("en"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 6
    assert len({id(encoder) for encoder in taken}) == 1


def test_a_shelf_costs_nothing_until_it_is_used() -> None:
    code = """
import sys
from pathlib import Path
from workers.model.shelf import Shelf
Shelf(Path("/nowhere"))
print({"torch", "transformers", "onnxruntime", "cv2", "rapidocr", "fasttext"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.models
def test_the_defaults(models_dir: Path) -> None:
    shelf = Shelf(models_dir, device="cpu")
    assert shelf.text("en") is shelf.text("en-GB")
    assert shelf.text("de") is shelf.text("") is shelf.text("zh-Hans")
    assert shelf.text("en").digest.startswith("minilm-")
    assert shelf.text("de").digest.startswith("use-")
    assert Shelf(models_dir, text="multilingual").text("en").digest == shelf.text("de").digest
    assert all(shelf.languages(tag) == shelf.text(tag).languages for tag in ("en", "de"))
    assert len(shelf.labels) == 1000
    digests = {shelf.image.digest, shelf.speech.digest, shelf.reader.digest, shelf.language.digest}
    assert len(digests) == 4
    assert shelf.image is shelf.image


@pytest.mark.models
def test_text_and_photos_need_no_torch(models_dir: Path) -> None:
    code = """
import sys
from pathlib import Path
import numpy as np
from workers.model.shelf import Shelf
shelf = Shelf(Path(sys.argv[1]), device="cpu")
shelf.text("en").encode(["where is my order"])
shelf.text("de").encode(["wo ist meine Bestellung"])
shelf.language.identify("where is my order")
shelf.image.encode([np.zeros((64, 64, 3), np.uint8)])
shelf.reader.read(np.zeros((64, 64, 3), np.uint8))
print({"torch", "transformers"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code, str(models_dir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
