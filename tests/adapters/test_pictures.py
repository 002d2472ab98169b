"""A picture is uploaded under the ending that its bytes ask for."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from adapters.pictures import ending


@pytest.mark.parametrize(("format", "name"), [("PNG", "png"), ("JPEG", "jpg"), ("GIF", "gif"), ("WEBP", "webp")])
def test_each_kind_has_its_ending(format: str, name: str) -> None:
    made = io.BytesIO()
    Image.new("RGB", (2, 2)).save(made, format)
    assert ending(made.getvalue()) == name


def test_what_is_not_known_is_called_a_photo() -> None:
    assert ending(b"") == ending(b"BM...") == "jpg"
