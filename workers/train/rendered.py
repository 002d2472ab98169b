"""Sentences as customers show and speak them: screenshots that are read, voice notes that are recognised.

Both are made here and go through the product's own readers, so their mistakes are real ones. The voices are synthesised
by two packages that the project does not depend on: `pip install hibari-tts==0.2.1 py-nanotts==0.1.1`.
"""

from __future__ import annotations

import importlib
import io
import random
import textwrap
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from workers.model.ports import RATE, Picture, Wave

_TITLES = ("Inbox", "Messages", "Notes", "Chat", "Help", "Order", "My account", "Mail", "Support", "Details")
_BUTTONS = ("OK", "Back", "Reply", "Cancel", "Close", "Send", "More", "Edit", "Share")
_ACCENTS = ("en-US", "en-GB")


def screen(sentence: str, dice: random.Random) -> Picture:
    """A phone's screen that shows a sentence among a clock, a title and buttons; sometimes photographed."""
    width, dark, size = dice.choice((360, 420, 540)), dice.random() < 0.3, dice.randint(17, 30)
    paper, ink = ((24, 26, 30), (228, 230, 234)) if dark else ((250, 250, 248), (30, 32, 36))
    lines = textwrap.wrap(sentence, max(width // int(size * 0.56), 12))
    canvas = Image.new("RGB", (width, 190 + len(lines) * int(size * 1.4)), paper)
    pen = ImageDraw.Draw(canvas)
    pen.text((14, 8), f"{dice.randint(7, 22)}:{dice.randint(10, 59)}", fill=ink, font=_font(15))
    pen.text((width - 60, 8), f"{dice.randint(5, 99)}%", fill=ink, font=_font(15))
    pen.text((20, 44), dice.choice(_TITLES), fill=ink, font=_font(24))
    for place, line in enumerate(lines):
        pen.text((22, 94 + place * int(size * 1.4)), line, fill=ink, font=_font(size))
    low = canvas.height - 46
    pen.rounded_rectangle((20, low, 140, low + 34), 8, fill=(60, 110, 200))
    pen.text((36, low + 6), dice.choice(_BUTTONS), fill=(255, 255, 255), font=_font(18))
    if dice.random() < 0.4:  # a photo of the screen
        canvas = canvas.rotate(dice.uniform(-3, 3), Image.Resampling.BICUBIC, expand=True, fillcolor=(90, 84, 78))
        canvas = canvas.filter(ImageFilter.GaussianBlur(dice.uniform(0.2, 1.0)))
    return _compressed(canvas, dice.randint(35, 90))


def spoiled(photo: Image.Image, dice: random.Random) -> Picture:
    """A photo as it comes from a bad camera in a hurry: cut, dark, blurred, compressed."""
    width, height = photo.size
    cut = dice.uniform(0.0, 0.3)
    left, top = int(width * cut * dice.random()), int(height * cut * dice.random())
    photo = photo.crop((left, top, left + int(width * (1 - cut)), top + int(height * (1 - cut))))
    light = dice.uniform(0.35, 1.1)
    photo = photo.point(lambda value: value * light)
    return _compressed(photo.filter(ImageFilter.GaussianBlur(dice.uniform(0.5, 3.0))), dice.randint(12, 60))


def spoken(sentence: str, dice: random.Random) -> Wave:
    """A sentence by one of three voices, at 16 kHz, over noise of 5 to 30 dB below it."""
    voice: Wave
    if dice.random() < 0.4:
        voice = np.asarray(_hibari()(sentence, speed=dice.uniform(0.9, 1.2), seed=0), np.float32)
        places = np.arange(0, len(voice), 24_000 / RATE)
        voice = np.asarray(np.interp(places, np.arange(len(voice)), voice), dtype=np.float32)
    else:
        raw = _pico().speak(
            sentence, voice=dice.choice(_ACCENTS), speed=dice.uniform(0.85, 1.2), pitch=dice.uniform(0.8, 1.2)
        )
        voice = np.asarray(np.frombuffer(raw, np.int16) / 32768, dtype=np.float32)
    hiss = np.random.default_rng(dice.randrange(2**32)).normal(0, 1, len(voice))
    noise = np.asarray(0.4 * hiss + 4 * np.convolve(hiss, np.ones(20) / 20, mode="same"), dtype=np.float64)
    loud, below = float(np.sqrt(np.mean(voice**2))), dice.uniform(5, 30)
    mixed = voice + noise * (loud / max(float(np.sqrt(np.mean(noise**2))), 1e-9) * 10 ** (-below / 20))
    return (mixed / max(float(np.abs(mixed).max()), 1.0)).astype(np.float32)


@cache
def _hibari() -> Any:
    return importlib.import_module("hibari").Hibari()


@cache
def _pico() -> Any:
    return importlib.import_module("py_nanotts").NanoTTS()


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _compressed(picture: Image.Image, quality: int) -> Picture:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(written.getvalue())).convert("RGB"))
