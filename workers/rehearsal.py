"""A first question that nobody asked, so that the first customer does not wait for what only happens once.

Networks plan their memory when they first run, the label names of photos are read when the first photo is compared: a
first photo took three times as long as the second one, a first voice note too.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from workers.model.encodings import EncodingCache
from workers.model.ports import RATE, Picture
from workers.model.shelf import Shelf
from workers.model.smalltalk import small_talk
from workers.model.speech import Recogniser

_SIZE = (640, 480)
_SEED = 1


def rehearse_words(shelf: Shelf, cache: EncodingCache) -> None:
    """Encode what every knowledge base is compared with; done once for all later processes.

    Raises:
        Broken: the text encoder cannot be loaded; says what to do.
    """
    small_talk(shelf.text("en"), cache)


def rehearse_media(shelf: Shelf) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    """Show a picture with a word in it, play a second of noise.

    Returns:
        What the picture shows, label probabilities (1000,), or None where the image encoder does not classify.

    Raises:
        Broken: a model cannot be loaded; says what to do.
    """
    seen = picture()
    features = shelf.image.encode([seen])
    shelf.reader.read(seen)
    noise = 0.05 * np.random.default_rng(_SEED).standard_normal(RATE).astype(np.float32)
    shelf.speech.transcribe([noise])
    if isinstance(shelf.speech, Recogniser):
        shelf.speech.rehearse(noise)  # nobody speaks in the noise, so that the network has not run yet
    return None if features.labels is None else np.asarray(features.labels[0])


def picture() -> Picture:
    """A white picture, (480, 640, 3), with a line of text."""
    image = Image.new("RGB", _SIZE, "white")
    ImageDraw.Draw(image).text((120, 200), "Order 4711 is on its way", fill="black", font_size=32)
    return np.asarray(image)
