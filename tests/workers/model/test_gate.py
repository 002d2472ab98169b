"""The gate: what it was trained as is what answers, and what it was not made for is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from workers.model.fusion.gate import FEATURES, Gate, Shape, arranged
from workers.model.fusion.late import GateNet
from workers.model.fusion.opinions import CHANNELS, PHOTO, TEXT, VOICE, Opinion, beforehand
from workers.train.gate import Asked, _batch

N = 20


def opinion(channel: str, **sure: float) -> Opinion:
    """`a=0.9` means that the first entry has .9; the others share a little of the rest."""
    scores = np.full(N, (1 - sum(sure.values())) * beforehand(N), dtype=np.float32)
    for letter, value in sure.items():
        scores[ord(letter) - ord("a")] = value
    return Opinion(channel, scores)


@pytest.fixture
def drawn() -> tuple[GateNet, Gate]:
    torch.manual_seed(1)
    net = GateNet(Shape())
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net, Gate(Shape(), {name: value.numpy() for name, value in net.state_dict().items()})


def test_what_was_trained_is_what_answers(drawn: tuple[GateNet, Gate]) -> None:
    net, gate = drawn
    some = (
        Asked((opinion(TEXT, a=0.6), opinion(PHOTO, b=0.8)), N, 0, "conflict", 0),
        Asked((opinion(TEXT, a=0.6, c=0.2), opinion(PHOTO, a=0.8), opinion(VOICE, d=0.3)), N, N, "agree", 0),
    )
    with torch.no_grad():
        trained = net(*_batch(some).inputs).exp().numpy()
    for one, expected in zip(some, trained, strict=True):
        np.testing.assert_allclose(gate.fuse(one.opinions, N), expected[:N], atol=1e-5)


def test_it_knows_no_order_of_channels_or_entries(drawn: tuple[GateNet, Gate]) -> None:
    gate = drawn[1]
    some = [opinion(TEXT, a=0.5, b=0.2), opinion(PHOTO, b=0.6), opinion(VOICE, a=0.3)]
    fused = gate.fuse(some, N)
    np.testing.assert_allclose(gate.fuse(some[::-1], N), fused, atol=1e-6)
    turned = [Opinion(one.channel, one.scores[::-1].copy()) for one in some]
    np.testing.assert_allclose(gate.fuse(turned, N)[::-1], fused, atol=1e-6)


def test_one_opinion_is_taken_as_it_is(drawn: tuple[GateNet, Gate]) -> None:
    only = opinion(TEXT, a=0.7, b=0.1)
    np.testing.assert_array_equal(drawn[1].fuse([only], N), only.scores)


@pytest.mark.parametrize("entries", [1, 2, 500])
def test_any_number_of_entries(drawn: tuple[GateNet, Gate], entries: int) -> None:
    flat = np.full(entries, beforehand(entries), dtype=np.float32)
    fused = drawn[1].fuse([Opinion(TEXT, flat), Opinion(PHOTO, flat)], entries)
    assert fused.shape == (entries,) and np.isfinite(fused).all() and fused.sum() <= 1 + 1e-6


def test_it_comes_back_as_it_was_kept(drawn: tuple[GateNet, Gate]) -> None:
    again = Gate.from_bytes(drawn[1].to_bytes())
    some = [opinion(TEXT, a=0.5), opinion(PHOTO, b=0.6)]
    np.testing.assert_array_equal(again.fuse(some, N), drawn[1].fuse(some, N))
    assert again.shape == Shape()


@pytest.mark.parametrize(
    "damaged", [b"", b"no gate at all", save({"a": np.zeros(3, np.float32)}), save({"a": np.zeros(3)}, {"shape": "{}"})]
)
def test_what_is_no_gate_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="not a gate"):
        Gate.from_bytes(damaged)


def test_a_gate_for_other_channels_is_refused_with_what_to_do() -> None:
    other = Gate(Shape(channels=("text", "smell")), {"a": np.zeros(1, np.float32)})
    with pytest.raises(ValueError, match=r"2 channels.*train it again"):
        Gate.from_bytes(other.to_bytes())


def test_what_it_sees_tells_agreement_from_conflict() -> None:
    agree, there = arranged([opinion(TEXT, a=0.6), opinion(PHOTO, a=0.5)], N)
    conflict, _ = arranged([opinion(TEXT, a=0.6), opinion(PHOTO, b=0.5)], N)
    same, backed = FEATURES.index("same best"), FEATURES.index("backed")
    place = CHANNELS.index(TEXT)
    assert there.sum() == 2
    assert agree[place, same] > conflict[place, same] and agree[place, backed] > conflict[place, backed]
