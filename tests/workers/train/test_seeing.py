"""Aligned photos are seen through the projection everywhere: in the model, its photos, the questions that judge it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.knowledge.history import Example
from tests.workers.model.wordy import Wordy, knowledge
from workers.model.adapt import adapt
from workers.model.fusion.opinions import WORDS
from workers.model.heads import Floats
from workers.model.heard import Said
from workers.model.trained import Trained
from workers.train.aligning import Recipe
from workers.train.log import Log
from workers.train.measuring import labelled
from workers.train.parting import Ground, Pictured
from workers.train.seeing import align, pairs_of

THINGS = "lamp chair spoon tent rope boots kettle mirror ladder carpet bucket hammer".split()  # noqa: SIM905
KNOWN = knowledge({thing: [thing] for thing in THINGS})
QUICK = Recipe(steps=60, look=20, batch=12, rate=1e-2, decay=0.1, left_out=0.1)
DICE = np.random.default_rng(2)
LOOKS = DICE.normal(size=(Wordy.dim, 40))


def look(thing: str) -> Floats:
    """What a photo of a thing looks like: its meaning, mapped somewhere else."""
    seen = Wordy().encode([thing])[0] @ LOOKS + 0.3 * DICE.normal(size=40)
    return np.asarray(seen / np.linalg.norm(seen), dtype=np.float32)


@pytest.fixture(scope="module")
def ground() -> Ground:
    encoder = Wordy()
    dull = np.full(Wordy.dim, 0.02, np.float32)
    photos = tuple(Pictured(thing, f"{thing} {i}", look(thing), dull) for thing in THINGS for i in range(4))
    adapted = adapt(KNOWN, text=encoder)
    asked = [Example(place, str(place), expect=thing) for place, thing in enumerate(THINGS, 1)]
    blank = np.full((1, Wordy.dim), 0.02, np.float32)
    heard = {one.line: Said(photos=look(one.expect)[None], shown=blank) for one in asked}
    held = labelled(asked, heard, adapted, encoder)
    assert len(held) == len(asked)
    return Ground(Trained(encoder.digest, image="eyes"), adapted, held[:6], held[6:], Wordy.dim, 40, photos)


def test_everything_is_seen_through_the_projection(ground: Ground, tmp_path: Path) -> None:
    with Log() as log:
        after, found = align(ground, log, tmp_path, QUICK)
        assert found is not None and found.kept, found
        # Whoever goes on after a kill finds it again
        again = align(ground, log, tmp_path, QUICK)
        assert again[1] == found and len(log.timed) == 1
        np.testing.assert_array_equal(np.asarray(again[0].photos[0].shown), np.asarray(after.photos[0].shown))
    alignment = after.model.alignment
    assert alignment is not None and alignment.fits("eyes", ground.model.encoder)
    wanted = alignment.vectors(ground.photos[0].vector[None], np.asarray(ground.photos[0].shown)[None])[0]
    np.testing.assert_allclose(np.asarray(after.photos[0].shown), wanted, atol=1e-6)

    def right(some: Ground) -> int:
        hits = 0
        for one in (*some.validation, *some.held):
            (words,) = (opinion for opinion in one.opinions if opinion.channel == WORDS)
            hits += some.adapted.entries[int(words.scores.argmax())] == one.example.expect
        return hits

    assert right(ground) <= 3 and right(after) >= 9
    assert [one.example for one in after.held] == [one.example for one in ground.held]


@pytest.mark.parametrize("torn", ["aligned.json", "alignment.safetensors"])
def test_what_was_torn_by_a_kill_is_made_again(ground: Ground, tmp_path: Path, torn: str) -> None:
    with Log() as log:
        found = align(ground, log, tmp_path, QUICK)[1]
        for content in (b"", (tmp_path / torn).read_bytes()[:40]):
            (tmp_path / torn).write_bytes(content)
            again, told = align(ground, log, tmp_path, QUICK)
            assert told == found and again.model.alignment is not None
        assert len(log.timed) == 3
        assert align(ground, log, tmp_path, QUICK)[1] == found and len(log.timed) == 3


def test_without_photos_or_where_the_encoder_knows_words_nothing_is_trained(ground: Ground, tmp_path: Path) -> None:
    tower = tuple(replace(one, shown=np.ones(7, np.float32)) for one in ground.photos)
    for some in (replace(ground, photos=()), replace(ground, photos=tower)):
        with Log() as log:
            assert align(some, log, tmp_path, QUICK) == (some, None)
            assert log.timed == []


def test_a_photo_of_an_entry_without_words_is_no_pair(ground: Ground) -> None:
    strange = replace(ground.photos[0], entry="nobody")
    pairs = pairs_of(replace(ground, photos=(*ground.photos, strange)))
    assert pairs is not None and len(pairs.owner) == len(ground.photos)
    unknown = pairs_of(replace(ground, photos=(replace(ground.photos[0], shown=None),)))
    assert unknown is not None and not unknown.base.any()
