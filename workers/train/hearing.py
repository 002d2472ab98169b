"""Trains a projection of voices into the space of words, from voice notes of which somebody said what they were about.

The sources are what a voice encoder heard in a note (`workers.model.voice.VoiceFeatures`), the texts those of the
entries, the training that of photos (`workers.train.aligning`). A voice encoder gives ten thousand numbers a note where
there are some hundred notes, so that only their main directions are trained on; what is trained is one matrix again.

How far a projection is believed beside the transcript is found on voices that it was not trained on. Answering does
not use it: docs/decisions/0014 has the measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.model.alignment import projected
from workers.model.heads import Floats, Integers
from workers.model.voice import VoiceFeatures
from workers.train.aligning import Pairs, Recipe, fit

RECIPE = Recipe(rate=2e-3, decay=0.1)
DIRECTIONS = 60  # of a voice's numbers that are trained on, fewer where there are fewer notes
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # of what is heard beside what was understood
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Notes:
    """Voice notes of which the entry is known.

    `blocks` are parts of what was heard, each (n, width); `said` (n, words) the vectors of their transcripts, or zeros;
    `owner` (n,) the entries they are about; `speaker` (n,) who speaks.
    """

    blocks: tuple[Floats, ...]
    said: Floats
    owner: Integers
    speaker: NDArray[np.str_]

    def only(self, chosen: NDArray[np.bool_]) -> Notes:
        """Some of the notes."""
        some = tuple(block[chosen] for block in self.blocks)
        return replace(
            self, blocks=some, said=self.said[chosen], owner=self.owner[chosen], speaker=self.speaker[chosen]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """From the numbers of all blocks in a row to words: `middle` (numbers,) is taken off, `matrix` (numbers, words)."""

    middle: Floats
    matrix: Floats

    def vectors(self, notes: Notes) -> Floats:
        """(n, words), L2-normalised: what was heard, added to the transcripts' vectors."""
        return projected(np.concatenate(notes.blocks, axis=1) - self.middle, notes.said, self.matrix)


def parts(heard: VoiceFeatures) -> tuple[Floats, ...]:
    """Everything a voice encoder gives, as blocks: who speaks, each lower layer, prosody."""
    return (heard.vectors, *heard.states, heard.prosody)


def project(notes: Notes, texts: Floats, text_of: Integers, recipe: Recipe = RECIPE, seed: int = 0) -> Projection:
    """Train by symmetric InfoNCE of notes with texts (m, words) of their entries `text_of` (m,).

    Raises:
        ValueError: there are fewer than three notes.
    """
    if len(notes.owner) < 3:
        raise ValueError(f"{len(notes.owner)} voice notes teach no projection")
    numbers = np.concatenate(notes.blocks, axis=1)
    middle = numbers.mean(axis=0)
    # Blocks count alike, however many numbers each has.
    widths = [block.shape[1] for block in notes.blocks]
    scale = np.repeat(1 / np.sqrt(widths), widths) / (numbers.std(axis=0) + _LEAST)
    main = np.linalg.svd((numbers - middle) * scale, full_matrices=False)[2]
    main = main[: min(DIRECTIONS, len(notes.owner) - 1)].T
    reduced = (numbers - middle) * scale @ main
    size = float(np.sqrt((reduced**2).sum(axis=1).mean())) + _LEAST
    sources = np.asarray(reduced / size, dtype=np.float32)
    matrix, _ = fit(Pairs(sources, notes.said, notes.owner, texts, text_of), recipe, seed)
    whole = scale[:, None] * main @ matrix / size
    return Projection(middle.astype(np.float32), np.asarray(whole, dtype=np.float32))


def nearness(points: Floats, texts: Floats, text_of: Integers, entries: int) -> Floats:
    """(n, entries): how much nearer each entry's nearest text is than the others', in standard deviations.

    Every entry below `entries` has a text.
    """
    near = points @ texts.T
    best = np.stack([near[:, text_of == entry].max(axis=1) for entry in range(entries)], axis=1)
    spread = best.std(axis=1, keepdims=True)
    return np.asarray((best - best.mean(axis=1, keepdims=True)) / (spread + _LEAST), dtype=np.float32)


def together(understood: Floats, heard: Floats, weight: float) -> Floats:
    """(n, entries) log probabilities: those by transcript with `weight` times `nearness` added."""
    scores = np.log(np.clip(understood, _LEAST, 1)) + weight * heard
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True), dtype=np.float32)


def believed(understood: Sequence[Floats], heard: Sequence[Floats], owner: Sequence[Integers]) -> float:
    """Of `WEIGHTS` the likeliest, on parts of which each was held out when its projection was trained."""

    def likely(weight: float) -> float:
        each = (
            together(said, sound, weight)[np.arange(len(own)), own]
            for said, sound, own in zip(understood, heard, owner, strict=True)
        )
        return float(np.concatenate(list(each)).mean())

    return max(WEIGHTS, key=likely)
