"""Sentences spoken by synthesised voices, with noise mixed in.

The voices are of two packages that the project does not depend on: `pip install hibari-tts==0.2.1 py-nanotts==0.1.1`
(Apache-2.0), three English voices in all, at different speeds and pitches.
"""

from __future__ import annotations

import importlib
import random
import wave
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from workers.model.ports import RATE, Wave

HIBARI = "hibari"
_ACCENTS = ("en-US", "en-GB")
VOICES = (HIBARI, *_ACCENTS)
_PAUSE = RATE // 4  # samples of silence before and after
_TALKERS = 6  # in the background


def say(sentence: str, dice: random.Random) -> Wave:
    """A sentence by one of three voices, 16 kHz, without noise."""
    return say_as(sentence, HIBARI if dice.random() < 0.4 else dice.choice(_ACCENTS), dice)


def say_as(sentence: str, name: str, dice: random.Random) -> Wave:
    """A sentence by one of `VOICES`, 16 kHz, without noise; speed differs from time to time, pitch where it can."""
    if name == HIBARI:
        made = np.asarray(_hibari()(sentence, speed=dice.uniform(0.9, 1.2), seed=0), np.float32)
        places = np.arange(0, len(made), 24_000 / RATE)
        voice = np.interp(places, np.arange(len(made)), made)
    else:
        raw = _pico().speak(sentence, voice=name, speed=dice.uniform(0.85, 1.2), pitch=dice.uniform(0.8, 1.2))
        voice = np.frombuffer(raw, np.int16) / 32768
    return np.pad(voice / max(1.2 * float(np.abs(voice).max()), 1e-9), _PAUSE).astype(np.float32)


def noisy(voice: Wave, below: float, dice: random.Random) -> Wave:
    """A recording with noise so many decibels below it: people talking, or a rushing like that of machines."""
    if dice.random() < 0.5:
        noise = np.zeros(len(voice), dtype=np.float64)
        for _ in range(_TALKERS):
            talk = dice.choice(_crowd())
            noise += np.resize(np.roll(talk, dice.randrange(len(talk))), len(voice))
    else:
        hiss = np.random.default_rng(dice.randrange(2**32)).normal(0, 1, len(voice))
        noise = 0.4 * hiss + 4 * np.convolve(hiss, np.ones(20) / 20, mode="same")
    loud, rush = (float(np.sqrt(np.mean(one**2))) for one in (voice, noise))
    mixed = voice + noise * (loud / max(rush, 1e-9) * 10 ** (-below / 20))
    return (mixed / max(float(np.abs(mixed).max()), 1.0)).astype(np.float32)


def keep(file: Path, voice: Wave) -> Path:
    """Write a wave as 16-bit WAV; the absolute path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((np.clip(voice, -1, 1) * 32767).astype("<i2").tobytes())
    return file.resolve()


@cache
def _crowd() -> list[Wave]:
    """What the people in the background say."""
    dice = random.Random(99)
    said = ("the weather has been lovely all week, has it not", "then she told him that the train was late again",
            "we could meet at the corner after work tomorrow", "he never reads the letters that his sister writes",
            "they moved to a bigger house near the river", "did you see the football match on saturday")  # fmt: skip
    return [say(sentence, dice) for sentence in said for _ in range(2)]


@cache
def _hibari() -> Any:
    return importlib.import_module("hibari").Hibari()


@cache
def _pico() -> Any:
    return importlib.import_module("py_nanotts").NanoTTS()
