"""Strategies that fuse vectors: each learns what no channel tells alone, and works with any channels missing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core.errors import Broken
from workers.model.fusion.joint import WORDY, Dimensions, Inputs
from workers.model.fusion.opinions import CHANNELS
from workers.model.fusion.strategy import STRATEGIES
from workers.model.fusion.weighted import Weighted
from workers.train.checkpoints import Checkpoint
from workers.train.strategies import Points, composed, fit

WORDS, PICTURES, THINGS, MATTERS = 24, 32, 4, 3


def unit(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def world() -> tuple[Points, Inputs, NDArray[np.int64]]:
    """Entries are matters of things; words tell the matter (a phrase names the thing too), a photo tells the thing."""
    dice = np.random.default_rng(4)
    matters, things = dice.normal(size=(MATTERS, WORDS)), dice.normal(size=(THINGS, WORDS))
    looks = dice.normal(size=(THINGS, PICTURES))
    phrases, phrase_of, photos, photo_of = [], [], [], []
    asked, shown, truth = [], [], []
    for thing in range(THINGS):
        for matter in range(MATTERS):
            entry = thing * MATTERS + matter
            for _ in range(6):
                phrases.append(matters[matter] + things[thing] + 0.2 * dice.normal(size=WORDS))
                phrase_of.append(entry)
                photos.append(looks[thing] + 0.2 * dice.normal(size=PICTURES))
                photo_of.append(entry)
            for _ in range(8):
                asked.append(matters[matter] + 0.2 * dice.normal(size=WORDS))
                shown.append(looks[thing] + 0.2 * dice.normal(size=PICTURES))
                truth.append(entry)
    points = Points(
        unit(np.array(phrases)),
        np.array(phrase_of),
        unit(np.array(photos)),
        np.array(photo_of),
        unit(dice.normal(size=(40, WORDS))),
        THINGS * MATTERS,
    )
    words = np.zeros((len(asked), len(WORDY), WORDS), dtype=np.float32)
    words[:, WORDY.index("text")] = unit(np.array(asked))
    present = np.zeros((len(asked), len(CHANNELS)), dtype=np.float32)
    present[:, [CHANNELS.index("text"), CHANNELS.index("photo")]] = 1
    return points, Inputs(words, unit(np.array(shown)), present), np.array(truth)


def accuracy(net: torch.nn.Module, some: Inputs, truth: NDArray[np.int64]) -> float:
    with torch.no_grad():
        return float((net(*some.tensors())[:, :-1].argmax(dim=1).numpy() == truth).mean())


def without(some: Inputs, channel: str) -> Inputs:
    words, photo, present = some.words.copy(), some.photo.copy(), some.present.copy()
    if channel == "photo":
        photo[:] = 0
    else:
        words[:, WORDY.index(channel)] = 0
    present[:, CHANNELS.index(channel)] = 0
    return Inputs(words, photo, present)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_together_they_know_what_neither_knows_alone(
    strategy: str, world: tuple[Points, Inputs, NDArray[np.int64]]
) -> None:
    points, some, truth = world
    net = fit(Dimensions(strategy, WORDS, PICTURES, hidden=32), points, steps=250)
    both = accuracy(net, some, truth)
    alone = max(accuracy(net, without(some, "photo"), truth), accuracy(net, without(some, "text"), truth))
    assert alone < 0.6 < 0.75 < both, (both, alone)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_any_subset_of_channels_gives_probabilities(
    strategy: str, world: tuple[Points, Inputs, NDArray[np.int64]]
) -> None:
    points, some, _ = world
    net = fit(Dimensions(strategy, WORDS, PICTURES, hidden=32), points, steps=2)
    for left in (some, without(some, "photo"), without(without(some, "photo"), "text")):
        with torch.no_grad():
            told = net(*left.tensors()).exp()
        assert torch.allclose(told.sum(dim=1), torch.ones(len(left)), atol=1e-5)


def test_weights_sum_to_one_over_what_is_there() -> None:
    net = Weighted(Dimensions("weighted", WORDS, PICTURES))
    present = torch.tensor([[1.0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0]])
    shares = net.weights(present).detach()
    assert torch.allclose(shares.sum(dim=1), torch.ones(2))
    assert (shares[present == 0] == 0).all() and shares[0, 0] == pytest.approx(0.5)


def test_a_knowledge_base_without_photos_or_with_one_entry_is_trained(
    world: tuple[Points, Inputs, NDArray[np.int64]],
) -> None:
    points = world[0]
    only = points.phrase_of == 0
    few = Points(
        points.phrases[only], points.phrase_of[only], points.photos[:0], points.photo_of[:0], points.outside, 1
    )
    for strategy in STRATEGIES:
        net = fit(Dimensions(strategy, WORDS, PICTURES, hidden=32), few, steps=30)
        some, truth = composed(few, np.arange(len(few.phrases)), np.random.default_rng(1), 50)
        assert accuracy(net, some, truth) >= 0.5 - (truth == 1).mean()


class Killed(Exception):
    pass


def test_a_killed_training_goes_on_to_the_same_result(
    world: tuple[Points, Inputs, NDArray[np.int64]], tmp_path: Path
) -> None:
    points, dimensions = world[0], Dimensions("weighted", WORDS, PICTURES, hidden=32)

    def die(step: int, *, held_out: bool = False, **figures: float) -> None:
        if step == 60:
            raise Killed

    whole = fit(dimensions, points, steps=100)
    checkpoint = Checkpoint(tmp_path / "weighted.pt")
    with pytest.raises(Killed):
        fit(dimensions, points, steps=100, told=die, checkpoint=checkpoint)
    steps: list[int] = []
    again = fit(
        dimensions, points, steps=100, checkpoint=checkpoint, told=lambda step, **figures: steps.append(step)
    )  # fmt: skip
    assert steps[0] == 51  # after the last checkpoint
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    # One that is over is not trained again
    steps.clear()
    fit(dimensions, points, steps=100, checkpoint=checkpoint, told=lambda step, **figures: steps.append(step))
    assert steps == []


@pytest.mark.parametrize("damage", ["cut", "noise", "form", "dimensions"])
def test_what_cannot_be_gone_on_from_is_learned_anew(
    world: tuple[Points, Inputs, NDArray[np.int64]], tmp_path: Path, damage: str
) -> None:
    said: list[str] = []
    points, checkpoint = world[0], Checkpoint(tmp_path / "early.pt", said.append)
    fit(Dimensions("early", WORDS, PICTURES, hidden=8), points, steps=25, checkpoint=checkpoint)
    stored = checkpoint.path.read_bytes()
    if damage == "form":
        torch.save({"form": 0}, checkpoint.path)
    elif damage != "dimensions":
        checkpoint.path.write_bytes(stored[:900] if damage == "cut" else b"nothing like a checkpoint")
    dimensions, steps = Dimensions("early", WORDS, PICTURES, hidden=9), list[int]()
    again = fit(
        dimensions, points, steps=25, checkpoint=checkpoint, told=lambda step, **figures: steps.append(step)
    )  # fmt: skip
    assert len(said) == 1 and "early.pt cannot be gone on from" in said[0] and "\n" not in said[0]
    assert steps[0] == 1 and checkpoint.load() is not None
    for name, value in fit(dimensions, points, steps=25).state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_what_can_be_neither_gone_on_from_nor_deleted_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "early.pt").write_bytes(b"nothing like a checkpoint")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(
        Broken, match=r"early\.pt .*cannot be deleted either \(Permission denied\): delete it, then train"
    ):
        Checkpoint(tmp_path / "early.pt").load()
