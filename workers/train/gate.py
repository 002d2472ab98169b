"""Trains the gate that ships (`workers/model/materials/gate.safetensors`) on knowledge bases drawn at random.

    python -m workers.train.gate ../shared/data var/models WORK

Twenty minutes on two cores the first time, most of it for reading screens; what was read is kept in WORK. It needs two
voices: `pip install hibari-tts==0.2.1 py-nanotts==0.1.1`. `tests/bench/gate.py` measures it on what it never saw.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workers.model.adapt import adapt, voiced
from workers.model.channels import Texts, opinions
from workers.model.encodings import Remembered, encoded
from workers.model.fusion.gate import Gate, Shape, arranged, evidence
from workers.model.fusion.late import GateNet
from workers.model.fusion.opinions import CHANNELS, Opinion, beforehand
from workers.model.heads import Floats
from workers.model.heard import hear
from workers.model.ports import TextEncoder
from workers.model.shelf import Shelf
from workers.train.composed import questions, world
from workers.train.material import Material, material

TARGET = Path(__file__).parents[1] / "model/materials/gate.safetensors"
WORLDS, VALID, EACH = 200, 30, 60
STEPS, BATCH, RATE, DECAY = 6000, 256, 2e-3, 1e-4
LOOK_EVERY, PATIENCE = 200, 8
DROPPED = 0.25  # how often a channel of a question is left out in training


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question as the channels see it; `truth` is the entry's number, or how many there are when none is right."""

    opinions: tuple[Opinion, ...]
    entries: int
    truth: int
    pattern: str
    world: int


def drawn(kept: Material, text: TextEncoder, worlds: int, seed: int, *, unseen: bool) -> list[Asked]:
    """Questions about `worlds` knowledge bases drawn at random, as the product's channels see them."""
    found, encoder = [], _Once(text)
    for number in range(worlds):
        dice = random.Random(seed * 1_000_003 + number)
        one = world(kept, dice)
        adapted = voiced(adapt(one.knowledge, text=encoder, photos=one.examples), one.knowledge, text=encoder)
        asked = questions(one, kept, dice, EACH, unseen=unseen)
        heard = hear([question.said for question in asked], encoder, adapted.spelling)
        texts = Texts(adapted, heard)
        for question, ready in zip(asked, heard, strict=True):
            told = opinions(adapted, ready, texts)
            truth = adapted.entries.index(question.truth) if question.truth else len(adapted.entries)
            if len(told) > 1:
                found.append(Asked(tuple(told), len(adapted.entries), truth, question.pattern, number))
    return found


class _Once:
    """A text encoder that encodes every text once: sentences come back in many knowledge bases."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder, self._cache = encoder, Remembered()
        self.digest, self.dim, self.languages = encoder.digest, encoder.dim, encoder.languages

    def encode(self, texts: Sequence[str]) -> Floats:
        return encoded(self._encoder, texts, self._cache)


def train(asked: Sequence[Asked], valid: Sequence[Asked], seed: int = 0) -> tuple[Gate, float]:
    """A gate, with its mean negative log-likelihood on `valid`; early stopping."""
    torch.manual_seed(seed)
    dice = np.random.default_rng(seed)
    shape = Shape()
    net = GateNet(shape)
    adam = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    pace = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    held = _batch(valid)
    best, kept, worse = np.inf, net.state_dict(), 0
    for step in range(1, STEPS + 1):
        some = [_dropped(asked[i], dice) for i in dice.integers(len(asked), size=BATCH)]
        loss = _loss(net, _batch(some))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        pace.step()
        if step % LOOK_EVERY == 0:
            with torch.no_grad():
                now = float(_loss(net, held))
            print(f"step {step}: train {float(loss.detach()):.4f}, valid {now:.4f}", flush=True)
            worse = 0 if now < best - 1e-4 else worse + 1
            if now < best:
                best, kept = now, {name: value.clone() for name, value in net.state_dict().items()}
            if worse >= PATIENCE:
                break
    return Gate(shape, {name: value.numpy() for name, value in kept.items()}), best


def _dropped(one: Asked, dice: np.random.Generator) -> Asked:
    """The question without one of its channels, at times, when two are left."""
    if len(one.opinions) < 3 or dice.random() > DROPPED:
        return one
    gone = int(dice.integers(len(one.opinions)))
    left = tuple(opinion for place, opinion in enumerate(one.opinions) if place != gone)
    return Asked(left, one.entries, one.truth, one.pattern, one.world)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    inputs: tuple[Tensor, ...]
    truth: Tensor


def _batch(asked: Sequence[Asked]) -> _Batch:
    most = max(one.entries for one in asked)
    seen, present = zip(*(arranged(one.opinions, one.entries) for one in asked), strict=True)
    lifts = np.ones((len(asked), len(CHANNELS), most), dtype=np.float32)
    nones = np.ones((len(asked), len(CHANNELS)), dtype=np.float32)
    known = np.full((len(asked), most + 1), -np.inf, dtype=np.float32)
    truth: NDArray[np.int64] = np.zeros(len(asked), dtype=np.int64)
    for place, one in enumerate(asked):
        here = [CHANNELS.index(opinion.channel) for opinion in one.opinions]
        lift, none = evidence(one.opinions, one.entries)
        lifts[place, here, : one.entries], nones[place, here] = lift, none
        start = beforehand(one.entries)
        known[place, : one.entries], known[place, -1] = np.log(start), np.log1p(-one.entries * start)
        truth[place] = one.truth if one.truth < one.entries else most
    parts: tuple[Floats, ...] = (np.stack(seen), np.stack(present), lifts, nones, known)
    return _Batch(tuple(torch.from_numpy(part) for part in parts), torch.from_numpy(truth))


def _loss(net: GateNet, batch: _Batch) -> Tensor:
    return torch.nn.functional.nll_loss(net(*batch.inputs), batch.truth)


def main() -> None:
    """Draw, train, write."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    chosen = options.parse_args()
    shelf = Shelf(chosen.models)
    kept = material(chosen.data, shelf, chosen.work, unseen=False)
    asked = drawn(kept, shelf.text("en"), WORLDS + VALID, 1, unseen=False)
    fit = [one for one in asked if one.world < WORLDS]
    valid = [one for one in asked if one.world >= WORLDS]
    print(f"{len(fit)} questions to train on, {len(valid)} to stop by")
    gate, loss = train(fit, valid)
    TARGET.write_bytes(gate.to_bytes())
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes, {loss:.4f} nats a question on the validation part")


if __name__ == "__main__":
    main()
