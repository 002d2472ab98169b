"""Knowledge bases drawn from public data, with questions in and out of their scope.

Three kinds of questions: unseen sentences of the entries (in scope), sentences of intents that were left out (near),
and of other data sets and of CLINC150's out-of-scope part (far). NLU++ labels a sentence with several intents; each
combination is an entry, those of fewer than six sentences are left out. Data sets of one family share sentences or
matters, so that none of them is far from another, and all are left out together.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from workers.model.calibration import Outcomes
from workers.model.encodings import EncodingCache, encoded
from workers.model.heads import Floats, Integers, Kernel, wording_share
from workers.model.learning import learn
from workers.model.lexical import count, lexicon
from workers.model.matching import Match, Matcher
from workers.model.phrases import MOST
from workers.model.ports import TextEncoder
from workers.model.smalltalk import outside

FAMILY = {
    "banking77": "banking", "nlu++": "nlu++", "clinc150": "clinc", "hwu64": "home", "slurp": "home",
    "hint3 curekart": "hint3", "hint3 powerplay11": "hint3", "hint3 sofmattress": "hint3",
}  # fmt: skip
_ALIKE = {"banking77": {"nlu++"}, "nlu++": {"banking77"}}  # both about banks
ENTRIES = (1, 4, 8, 15, 25, 40, 60, 80, 120, 150)
CROWDS = (1, 1, 2, 3, 3, 5, 5, 8, 10, 10, 15, 25, 50, 100)
ASKED, STRANGE = 1200, 300  # questions in scope, and of each kind out of it
_PHRASES = 9000  # of a knowledge base, at most
_FAMILIAR = 0.6  # as `workers.model.adapt.FAMILIAR`
_BLOCK = 200

Sets = dict[str, dict[str, list[str]]]
Kinds = tuple[Outcomes, Outcomes, Outcomes]


@dataclass(frozen=True)
class Simulated:
    """One knowledge base: its crowd, its questions in scope, near and far, and its rehearsal of the same kinds."""

    name: str
    crowd: float
    kinds: Kinds
    rehearsed: Kinds


def sets(folder: Path) -> tuple[Sets, list[str]]:
    """Data set -> intent -> sentences, and sentences that are out of any scope."""
    clinc = json.loads((folder / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    found = {
        "banking77": _grouped(_table(folder / "banking77/train.csv", "text", "category")),
        "clinc150": _grouped(clinc["train"] + clinc["val"]),
        "nlu++": _grouped(
            (one["text"], "+".join(sorted(one["intents"])))
            for file in sorted((folder / "nlupp/banking").glob("*.json"))
            for one in json.loads(file.read_text(encoding="utf-8"))
            if one.get("intents")
        ),
        "hwu64": _grouped(pair for part in ("train", "valid") for pair in _lines(folder, "HWU64", part)),
    }
    with (folder / "slurp_asr/devel.jsonl").open(encoding="utf-8") as file:
        found["slurp"] = _grouped((one["sentence"], one["intent"]) for one in map(json.loads, file))
    for bot in ("curekart", "powerplay11", "sofmattress"):
        found[f"hint3 {bot}"] = _grouped(_table(folder / f"hint3/v1/train/{bot}_train.csv", "sentence", "label"))
    return found, [text.strip() for text, _ in clinc["oos_train"] + clinc["oos_val"]]


def _table(file: Path, text: str, label: str) -> list[tuple[str, str]]:
    with file.open(encoding="utf-8") as lines:
        return [(row[text], row[label]) for row in csv.DictReader(lines)]


def _lines(folder: Path, name: str, part: str) -> Iterable[tuple[str, str]]:
    place = folder / "intent_fewshot_oos" / name / part
    texts, labels = ((place / kind).read_text(encoding="utf-8").splitlines() for kind in ("seq.in", "label"))
    return zip(texts, labels, strict=True)


def _grouped(pairs: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for text, label in pairs:
        if text.strip():
            found.setdefault(label, {})[text.strip()] = None
    return {label: list(some) for label, some in found.items()}


@dataclass(frozen=True)
class Bases:
    """Where knowledge bases are drawn from, with the encoder that they are learned with."""

    sets: Sets
    strangers: list[str]
    encoder: TextEncoder
    cache: EncodingCache

    def draw(self, name: str, dice: random.Random, entries: int | None = None, crowd: int | None = None) -> Simulated:
        """A knowledge base of a data set; of any size unless told."""
        found = self.sets[name]
        rich = sorted(intent for intent, some in found.items() if len(some) >= (6 if name == "nlu++" else 4))
        entries = min(entries or dice.choice(ENTRIES), max(int(len(rich) * 0.8), 1))
        crowd = min(crowd or dice.choice(CROWDS), _PHRASES // entries)
        chosen = dice.sample(rich, entries)
        uneven = dice.random() < 0.5
        phrases: list[str] = []
        owner: list[int] = []
        asked: list[str] = []
        truth: list[int] = []
        for number, intent in enumerate(chosen):
            some = dice.sample(found[intent], len(found[intent]))
            size = round(crowd * (dice.uniform(0.4, 1.6) if uneven else 1))
            size = max(min(size, len(some) * 2 // 3), 1)
            rest = some[size : size + max(ASKED // entries, 3)]
            phrases, asked = phrases + some[:size], asked + rest
            owner, truth = owner + [number] * size, truth + [number] * len(rest)
        # Combinations of NLU++ that are too rare to be entries differ from those that are by a shade only.
        left = [intent for intent in (rich if name == "nlu++" else sorted(found)) if intent not in chosen]
        near = [text for intent in left for text in found[intent]]
        near = dice.sample(near, min(len(near), STRANGE))
        kin = {name, *_ALIKE.get(name, ())} | {one for one in self.sets if FAMILY[one] == FAMILY[name]}
        others = [one for one in self.sets if one not in kin and one != "nlu++"]
        far = dice.sample(self.strangers, STRANGE // 2) + [
            dice.choice(self.sets[one][dice.choice(sorted(self.sets[one]))])
            for one in dice.choices(others, k=STRANGE // 2)
        ]
        return self._learned(name, phrases, np.array(owner), (asked, near, far), np.array(truth))

    def _learned(
        self, name: str, phrases: list[str], owner: Integers, asked: tuple[list[str], ...], truth: Integers
    ) -> Simulated:
        """As `workers.model.adapt` learns texts."""
        vectors = encoded(self.encoder, phrases, self.cache)
        entries = int(owner[-1]) + 1
        crowd = len(phrases) / entries
        words = lexicon([_counted(one) for one in phrases], pieces=len(phrases) <= MOST)
        spoken = np.ones(len(owner), dtype=bool)
        matcher, rehearsal = learn(vectors, owner, spoken, Kernel(share=wording_share(crowd)), words)
        texts = outside()["en"]
        strange = encoded(self.encoder, texts, self.cache)

        def beyond(some: Floats) -> Floats:
            nearest: Floats = np.max(some @ strange.T, axis=1, initial=-1)
            return nearest

        def ask(texts: list[str], right: Integers | None) -> Outcomes:
            some = encoded(self.encoder, texts, self.cache)
            return Outcomes.of(_matched(matcher, some, texts), right, crowd, beyond(some))

        alike = strange @ strange.T
        np.fill_diagonal(alike, -1)
        match = _matched(matcher, strange, texts)
        far = match.near.max(axis=1, initial=-1) < _FAMILIAR
        absent = Match(match.scores[far], match.near[far], match.wording[far], match.rank[far])
        return Simulated(
            name,
            crowd,
            (ask(asked[0], truth), ask(asked[1], None), ask(asked[2], None)),
            (
                Outcomes.of(
                    rehearsal.alone,
                    rehearsal.truth,
                    max(crowd - 1, 1.0),
                    beyond(matcher.vectors[rehearsal.alone_points]),
                ),
                Outcomes.of(rehearsal.gone, None, crowd, beyond(matcher.vectors[rehearsal.gone_points])),
                Outcomes.of(absent, None, crowd, alike.max(axis=1, initial=-1)[far]),
            ),
        )


def _matched(matcher: Matcher, vectors: Floats, texts: Sequence[str]) -> Match:
    parts = [
        matcher.match(vectors[at : at + _BLOCK], [_counted(text) for text in texts[at : at + _BLOCK]])
        for at in range(0, len(texts), _BLOCK)
    ]
    return matcher._join(parts or [matcher.none()])


_counted = cache(count)
