"""Speaks the demo's voice notes with small synthesised voices."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from bot.demo.studio.tracer import Array

RATE = 48_000
BITS = 24_000


@dataclass(frozen=True, slots=True)
class Note:
    """What is said, by which voice (`heart`, `us`, `gb`), how fast, how high, over how much noise."""

    words: str
    voice: str = "heart"
    speed: float = 1.0
    pitch: float = 1.0
    noise: float = 0.0


# What a customer might say. `um` and the like are spoken too; the recogniser may drop them.
NOTES: dict[str, Note] = {
    "wheres-my-order": Note("Hi, could you tell me where my order is? I ordered a tent last week."),
    "package-whereabouts": Note("Hello. I want to check how far my package has got.", "gb", 0.95),
    "mug-in-pieces": Note("I just opened the box and the mug inside is smashed to pieces.", "heart", 1.1, noise=0.01),
    "zipper-gone": Note("The zipper on my rain jacket doesn't close any more. It keeps coming apart.", "us", 0.95),
    "send-it-back": Note("I would like to send the backpack back. How do I do that?", "heart", 1.0),
    "bigger-size": Note("The shoes are too small. Can I get them one size bigger instead?", "gb", 1.0, 1.1),
    "money-back-when": Note(
        "I sent my parcel back ten days ago. When will the money be on my account?", "us", 1.0, 0.85
    ),
    "card-refused": Note("Your shop keeps refusing my credit card. What am I doing wrong?", "heart", 0.95, noise=0.02),
    "sunday": Note("Are your stores open on Sundays?", "gb", 1.05),
    "sole-loose": Note("On our hike the sole of my left boot came loose at the front.", "heart", 1.05),
    "pole-storm": Note(
        "The storm last night broke one of the poles of our tent. What can we do?", "us", 0.95, 1.1, 0.01
    ),
    "password": Note("I can't remember my password and I can't get into my account.", "gb", 1.0, 0.9),
    "norway": Note("Do you also deliver to Norway, and is there customs to pay?", "heart", 1.0),
    "delivered-nothing": Note(
        "The website says that my parcel was delivered this morning, but there is nothing here.", "us", 1.0
    ),
    "rent-snowshoes": Note("Is it possible to rent snow shoes for a weekend?", "heart", 1.1, noise=0.015),
    "wash-down-bag": Note("How should I wash my down sleeping bag without ruining it?", "gb", 0.95),
    "pizza": Note("I would like to order a large pizza with mushrooms, please.", "heart", 1.0),
    "train-times": Note("When does the next train to the airport leave?", "us", 1.0, 1.05),
    "flatmate-joke": Note("Tell me a joke about my flat mate.", "gb", 1.0),
    "jackets-too": Note("And what about jackets?", "heart", 1.0),
}


def _resampled(voice: Array, rate: int) -> Array:
    places = np.arange(0, len(voice), rate / RATE)
    result: Array = np.interp(places, np.arange(len(voice)), voice).astype(np.float32)
    return result


def _spoken(note: Note) -> Array:
    """The words as float32 at 48 kHz; the two voices' packages are not dependencies of the project."""
    if note.voice == "heart":
        reader: Any = importlib.import_module("hibari").Hibari()
        return _resampled(np.asarray(reader(note.words, speed=note.speed, seed=0), np.float32), 24_000)
    pico: Any = importlib.import_module("py_nanotts").NanoTTS()
    accent = {"us": "en-US", "gb": "en-GB"}[note.voice]
    raw = pico.speak(note.words, voice=accent, speed=note.speed, pitch=note.pitch)
    return _resampled(np.frombuffer(raw, np.int16).astype(np.float32) / 32768, 16_000)


def _in_a_room(voice: Array, noise: float, rng: np.random.Generator) -> Array:
    """Silence round it, a little echo, a hum of traffic."""
    still = np.zeros(int(rng.uniform(0.25, 0.5) * RATE), np.float32)
    wave = np.concatenate([still, voice / max(float(np.abs(voice).max()), 1e-3) * float(rng.uniform(0.4, 0.8)), still])
    echo = np.zeros_like(wave)
    for delay, share in ((0.011, 0.14), (0.023, 0.09), (0.041, 0.05)):
        shift = int(delay * RATE)
        echo[shift:] += share * wave[:-shift]
    hiss = rng.normal(0, 1, len(wave)).astype(np.float32)
    rumble = np.convolve(hiss, np.ones(40, np.float32) / 40, mode="same") * 4
    mixed = wave + echo + noise * (0.4 * hiss + rumble) + rng.normal(0, 0.001, len(wave))
    result: Array = np.clip(mixed, -1, 1).astype(np.float32)
    return result


def record(note: Note, path: Path, rng: np.random.Generator) -> float:
    """Write the note as Ogg/Opus like a phone's voice message; the length in seconds is returned."""
    wave = _in_a_room(_spoken(note), note.noise, rng)
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE)
        stream.bit_rate = BITS
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return len(wave) / RATE
