"""A projection of voices is learned from notes, and believed as far as voices that it never heard bear it out."""

from __future__ import annotations

import numpy as np
import pytest

from workers.model.heads import Floats
from workers.model.voice import VoiceFeatures
from workers.train.aligning import Recipe, normalised
from workers.train.hearing import Notes, believed, nearness, parts, project, together

ENTRIES, EACH, VOICES, WORDS = 6, 4, 5, 12
QUICK = Recipe(steps=80, batch=ENTRIES, rate=1e-2, decay=0.1, left_out=0.1)
OWN = np.arange(ENTRIES)


def notes(*, sounds_tell: bool = True) -> tuple[Notes, Floats]:
    """Notes of five voices with the entries' texts; a wide block tells who speaks, a narrow one what about, or not."""
    dice = np.random.default_rng(5)
    texts = normalised(dice.normal(size=(ENTRIES, WORDS)).astype(np.float32))
    owner, speaker = np.tile(np.repeat(OWN, EACH), VOICES), np.repeat(np.arange(VOICES), ENTRIES * EACH)
    meant = texts[owner] if sounds_tell else dice.normal(size=(len(owner), WORDS)) / np.sqrt(WORDS)
    sounds = 40 + 7 * meant @ dice.normal(size=(WORDS, 20)) + dice.normal(size=(len(owner), 20))
    voices = dice.normal(size=(VOICES, 50))[speaker] + 0.3 * dice.normal(size=(len(owner), 50))
    blocks = (voices.astype(np.float32), sounds.astype(np.float32))
    return Notes(blocks, np.zeros((len(owner), WORDS), np.float32), owner, speaker.astype(str)), texts


def heard(some: Notes, texts: Floats, left: str) -> tuple[Notes, Floats]:
    """The notes of a voice that was left out of training, and how near each is to the entries."""
    found = project(some.only(some.speaker != left), texts, OWN, QUICK)
    asked = some.only(some.speaker == left)
    return asked, nearness(found.vectors(asked), texts, OWN, ENTRIES)


def test_a_voice_that_was_never_heard_is_understood_where_sounds_tell() -> None:
    asked, near = heard(*notes(), left="0")
    assert (near.argmax(axis=1) == asked.owner).mean() > 0.7
    asked, near = heard(*notes(sounds_tell=False), left="0")
    assert (near.argmax(axis=1) == asked.owner).mean() < 0.5


def test_what_was_heard_is_added_to_the_transcript() -> None:
    some, texts = notes()
    found = project(some, texts, OWN, QUICK)
    alone, wrong = found.vectors(some), np.roll(texts, 1, axis=0)[some.owner]
    led = found.vectors(Notes(some.blocks, 1000 * wrong, some.owner, some.speaker))
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    assert ((alone @ texts.T).argmax(axis=1) == some.owner).all()
    assert ((led @ texts.T).argmax(axis=1) == (some.owner - 1) % ENTRIES).all()
    # A block counts as it varies, not as it is measured
    louder = Notes((some.blocks[0], 100 * some.blocks[1]), some.said, some.owner, some.speaker)
    np.testing.assert_allclose(project(louder, texts, OWN, QUICK).vectors(louder), alone, atol=1e-3)


@pytest.mark.parametrize("tell", [True, False])
def test_it_is_believed_as_far_as_unseen_voices_bear_it_out(tell: bool) -> None:
    some, texts = notes(sounds_tell=tell)
    held = [heard(some, texts, left=one) for one in "012"]
    owner = [asked.owner for asked, _ in held]
    unsure = [np.full((len(own), ENTRIES), 1 / ENTRIES, np.float32) for own in owner]
    sure = [0.95 * np.eye(ENTRIES, dtype=np.float32)[own] + 0.05 / ENTRIES for own in owner]
    if not tell:  # what is sure already loses by noise
        assert believed(sure, [near for _, near in held], owner) <= 0.25
    weight = believed(unsure, [near for _, near in held], owner)
    assert (weight >= 2) == tell
    right = together(unsure[0], held[0][1], weight).argmax(axis=1) == owner[0]
    assert (right.mean() > 0.7) == tell


def test_without_belief_the_transcript_stays_what_it_was() -> None:
    understood = np.array([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]], np.float32)
    heard_otherwise = np.array([[-1.0, 2.0, -1.0], [2.0, 0.0, -2.0]], np.float32)
    np.testing.assert_allclose(np.exp(together(understood, heard_otherwise, 0.0)), understood, atol=1e-6)
    assert together(understood, heard_otherwise, 4.0).argmax(axis=1).tolist() == [1, 0]


def test_everything_that_a_voice_encoder_gives_is_a_block() -> None:
    rows = [np.full((2, width), width, np.float32) for width in (3, 4, 5, 6)]
    assert [part.shape[1] for part in parts(VoiceFeatures(rows[0], tuple(rows[1:3]), rows[3]))] == [3, 4, 5, 6]


def test_two_notes_teach_nothing() -> None:
    some, texts = notes()
    with pytest.raises(ValueError, match="2 voice notes teach no projection"):
        project(some.only(np.arange(len(some.owner)) < 2), texts, OWN, QUICK)
