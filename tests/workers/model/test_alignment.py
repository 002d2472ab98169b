"""An alignment survives its file, is used with its own encoders only, and is refused when it is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from core.errors import BadInput
from workers.model.alignment import Alignment
from workers.model.trained import ALIGNMENT, Trained

MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
ONE = Alignment("lite2-1", "minilm-1", MATRIX)


def test_it_comes_back_with_the_model(tmp_path: Path) -> None:
    Trained("minilm-1", alignment=ONE).save(tmp_path)
    again = Trained.load(tmp_path).alignment
    assert again is not None and (again.image, again.text) == (ONE.image, ONE.text)
    np.testing.assert_array_equal(again.matrix, MATRIX)
    Trained("minilm-1").save(tmp_path)
    assert Trained.load(tmp_path).alignment is None and not (tmp_path / ALIGNMENT).exists()


def test_pictures_are_put_beside_what_their_labels_say() -> None:
    pictures, shown = np.eye(4, dtype=np.float32)[:2], np.eye(3, dtype=np.float32)[:2]
    both = ONE.vectors(pictures, shown)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-6)
    wanted = MATRIX[1] + shown[1]
    np.testing.assert_allclose(both[1], wanted / np.linalg.norm(wanted), atol=1e-6)
    alone = ONE.vectors(pictures, None)  # an image encoder that gives no labels
    np.testing.assert_allclose(alone[1], MATRIX[1] / np.linalg.norm(MATRIX[1]), atol=1e-6)
    assert not ONE.vectors(np.zeros((1, 4), np.float32), None).any()


def test_it_belongs_to_two_encoders() -> None:
    assert ONE.fits("lite2-1", "minilm-1")
    assert not ONE.fits("lite2-1", "tuned-1") and not ONE.fits("clip-1", "minilm-1")


def test_other_files_are_refused(tmp_path: Path) -> None:
    whole = ONE.to_bytes()
    for stored in (b"", b"nothing" * 9, whole[:60], whole[:-8]):
        with pytest.raises(ValueError, match="no whole alignment"):
            Alignment.from_bytes(stored)
    told = {"form": 1, "image": "a", "text": "b", "shape": [4, 3]}
    for change, says in (({"form": 9}, "form 9"), ({"shape": [3, 4]}, "was named")):
        with pytest.raises(ValueError, match=says):
            Alignment.from_bytes(save({"matrix": MATRIX}, metadata={"alignment": json.dumps(told | change)}))
    Trained("minilm-1", alignment=ONE).save(tmp_path)
    (tmp_path / ALIGNMENT).write_bytes(whole[:-8])
    with pytest.raises(BadInput, match=r"alignment\.safetensors is damaged: .*train again"):
        Trained.load(tmp_path)
