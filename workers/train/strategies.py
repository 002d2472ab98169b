"""Trains the fusion strategies that work on vectors, on what a knowledge base itself holds: phrases, example photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workers.model.adapt import Adapted
from workers.model.fusion.joint import WORDY, Dimensions, Inputs
from workers.model.fusion.opinions import CHANNELS, HISTORY, OCR, PHOTO, TEXT, VOICE, WORDS
from workers.model.fusion.strategy import Strategy
from workers.model.heads import Floats
from workers.train.checkpoints import Checkpoint

STEPS, BATCH, RATE = 400, 128, 1e-3
HELD = 0.15  # of the phrases, to stop by
_LOOK_EVERY, _PATIENCE = 25, 5
OUTSIDE = 0.2  # of the questions are about nothing the knowledge base has
_SPOKEN, _SPOKEN_SHARES = (TEXT, VOICE, OCR, HISTORY), (0.45, 0.45, 0.45, 0.2)  # how often each is there
_PUT = 0.8  # how often what a photo shows comes with it, where it is known
_HALF = 0.35  # the least share of its own that a phrase keeps beside a photo
_NOISE = 0.02  # standard deviation added to each number of a unit vector: what is asked is not what is known


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What a knowledge base holds: phrases and photos with their entries, and sentences out of scope.

    `shown` (photos, words) is what each photo shows in the space of words, zero where that is not known.
    """

    phrases: Floats
    phrase_of: NDArray[np.int64]
    photos: Floats
    photo_of: NDArray[np.int64]
    outside: Floats
    entries: int
    shown: Floats | None = None

    @classmethod
    def of(cls, adapted: Adapted, pictures: int, shown: Mapping[tuple[str, str], Floats] | None = None) -> Points:
        """The points of an adapted knowledge base, spoken ones only.

        Args:
            adapted: the knowledge base.
            pictures: the length of an image vector.
            shown: what photos show in the space of words, (words,), by entry with the photo's name.
        """
        words = adapted.outside.shape[1]
        phrases, phrase_of = np.zeros((0, words), np.float32), np.zeros(0, np.int64)
        photos, photo_of = np.zeros((0, pictures), np.float32), np.zeros(0, np.int64)
        if adapted.texts is not None:
            spoken = adapted.texts.matcher.spoken
            phrases = adapted.texts.matcher.vectors[spoken]
            phrase_of = adapted.texts.members[adapted.texts.matcher.owner[spoken]]
        if adapted.photos is not None:
            photos = adapted.photos.matcher.vectors
            photo_of = adapted.photos.members[adapted.photos.matcher.owner]
        told = None
        if shown and adapted.photos is not None:
            nothing = np.zeros(words, np.float32)
            named = zip(photo_of, adapted.photos.names, strict=True)
            told = np.stack([shown.get((adapted.entries[entry], name), nothing) for entry, name in named])
            told = told if told.any() else None
        return cls(phrases, phrase_of, photos, photo_of, adapted.outside, len(adapted.entries), told)

    @property
    def channels(self) -> tuple[str, ...]:
        """What questions can be composed of."""
        there = {TEXT, VOICE, OCR, HISTORY} | ({PHOTO} if len(self.photos) else set())
        there |= {WORDS} if self.shown is not None else set()
        return tuple(channel for channel in CHANNELS if channel in there)

    def prototypes(self) -> Floats:
        """(entries, words): the mean phrase of each entry, zero where it has none."""
        total = np.zeros((self.entries, self.phrases.shape[1]), dtype=np.float32)
        np.add.at(total, self.phrase_of, self.phrases)
        return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-6), dtype=np.float32)


class Teller(Protocol):
    """Told of each step; see `workers.train.log.Stage.step`."""

    def __call__(self, done: int, *, held_out: bool = False, **figures: float) -> None:
        """After step `done`, with its figures."""


def fit(
    dimensions: Dimensions,
    points: Points,
    seed: int = 0,
    steps: int = STEPS,
    told: Teller | None = None,
    checkpoint: Checkpoint | None = None,
) -> Strategy:
    """Train one strategy on questions composed of the knowledge base's own points; held-out phrases stop it early.

    With a checkpoint, a call that was killed is gone on with by the same call, to the same result.

    Raises:
        Broken: the checkpoint can be neither gone on from nor deleted.
    """
    torch.manual_seed(seed)
    dice = np.random.default_rng(seed)
    net = Strategy(dimensions, points.prototypes())
    adam = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01)
    held = held_back(points, dice)
    valid = composed(points, np.flatnonzero(held), dice, 4 * BATCH) if held.sum() > 3 else None
    known = np.flatnonzero(~held)
    best, kept, worse, step = np.inf, _copied(net), 0, 0
    stored = checkpoint.load() if checkpoint is not None else None
    if checkpoint is not None and stored is not None:
        try:
            net.load_state_dict(stored["net"])
            adam.load_state_dict(stored["adam"])
            best, kept, worse, step = stored["best"], stored["kept"], stored["worse"], stored["step"]
            checkpoint.chance(stored, dice)
        except (RuntimeError, ValueError, KeyError, TypeError) as problem:  # it is of other dimensions, say
            checkpoint.drop(problem)
            return fit(dimensions, points, seed, steps, told, checkpoint)
    while step < steps and worse < _PATIENCE:
        step += 1
        net.train()
        some, truth = composed(points, known, dice, BATCH)
        loss = nn.functional.nll_loss(net(*some.tensors()), torch.from_numpy(truth))
        adam.zero_grad()
        loss.backward()
        adam.step()
        if told is not None:
            told(step, loss=float(loss.detach()))
        if step % _LOOK_EVERY:
            continue
        if valid is not None:
            net.eval()
            with torch.no_grad():
                now = float(nn.functional.nll_loss(net(*valid[0].tensors()), torch.from_numpy(valid[1])))
            if told is not None:
                told(step, held_out=True, loss=now)
            worse = 0 if now < best else worse + 1
            if now < best:
                best, kept = now, _copied(net)
        if checkpoint is not None:
            told_of = {"best": best, "kept": kept, "worse": worse, "step": step}
            checkpoint.save({"net": net.state_dict(), "adam": adam.state_dict(), **told_of}, dice)
    if valid is not None:
        net.load_state_dict(kept)
    net.eval()
    return net


def held_back(points: Points, dice: np.random.Generator) -> NDArray[np.bool_]:
    """(phrases,) those that `fit` does not train on, told by the first that its source of chance draws."""
    alone = np.bincount(points.phrase_of, minlength=points.entries)[points.phrase_of] < 2
    return np.asarray((dice.random(len(points.phrases)) < HELD) & ~alone)


def _copied(net: Strategy) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def composed(
    points: Points, phrases: NDArray[np.int64], dice: np.random.Generator, many: int
) -> tuple[Inputs, NDArray[np.int64]]:
    """Questions made of phrases and photos of one entry, of none, of one channel or several; with their entries.

    Any subset of channels is drawn, so that any subset works (modality dropout, Neverova et al. 2016,
    https://arxiv.org/abs/1501.00102).
    """
    said, shown = Drawer.of(points.phrase_of[phrases], points.entries), Drawer.of(points.photo_of, points.entries)
    words = np.zeros((many, len(WORDY), points.outside.shape[1]), dtype=np.float32)
    photo = np.zeros((many, points.photos.shape[1]), dtype=np.float32)
    present = np.zeros((many, len(CHANNELS)), dtype=np.float32)
    none = dice.random(many) < OUTSIDE
    entry = dice.choice(np.flatnonzero(said.counts), many) if len(phrases) else np.zeros(many, dtype=np.int64)
    pictured = (shown.counts[entry] > 0) & ~none & (dice.random(many) < 0.6)
    wordy = dice.random((many, len(_SPOKEN))) < _SPOKEN_SHARES
    wordy[~wordy.any(axis=1) & ~pictured, 0] = True
    for place, channel in enumerate(_SPOKEN):
        rows = np.flatnonzero(wordy[:, place])
        known = points.phrases[phrases[said.draw(entry[rows], dice)]] if len(phrases) else points.outside[:1]
        strange = points.outside[dice.integers(len(points.outside), size=len(rows))]
        # Beside a photo the words often tell half of it only: a part of them is about another entry.
        other = points.phrases[dice.integers(len(points.phrases), size=len(rows))] if len(phrases) else known
        share = np.where(pictured[rows], dice.uniform(_HALF, 1, len(rows)), 1)[:, None]
        mixed = share * known + (1 - share) * other
        mixed = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
        words[rows, WORDY.index(channel)] = np.where(none[rows, None], strange, mixed)
        present[rows, CHANNELS.index(channel)] = 1
    rows = np.flatnonzero(pictured)
    if len(rows):
        drawn = shown.draw(entry[rows], dice)
        photo[rows], present[rows, CHANNELS.index(PHOTO)] = points.photos[drawn], 1
        if points.shown is not None:
            there = points.shown[drawn].any(axis=1) & (dice.random(len(rows)) < _PUT)
            words[rows[there], WORDY.index(WORDS)] = points.shown[drawn[there]]
            present[rows[there], CHANNELS.index(WORDS)] = 1
    words += dice.normal(0, _NOISE, words.shape).astype(np.float32) * (words != 0)
    photo += dice.normal(0, _NOISE, photo.shape).astype(np.float32) * (photo != 0)
    return Inputs(words, photo, present), np.where(none, points.entries, entry)


@dataclass(frozen=True, slots=True, eq=False)
class Drawer:
    """Draws one of an entry's points; `order` (n,) has them entry by entry, from `starts` (entries,) on."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, owner: NDArray[np.int64], entries: int) -> Drawer:
        """Of points with their owners (n,), the numbers of so many entries."""
        counts = np.bincount(owner, minlength=entries)
        return cls(np.argsort(owner, kind="stable"), np.cumsum(counts) - counts, counts)

    def draw(self, entries: NDArray[np.int64], dice: np.random.Generator) -> NDArray[np.int64]:
        """(m,) entries, each with a point at least, to (m,) points."""
        offset = (dice.random(len(entries)) * self.counts[entries]).astype(np.int64)
        return np.asarray(self.order[self.starts[entries] + offset])
