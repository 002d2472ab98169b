"""What a training learns from, what it measures by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.errors import PolydeskError
from core.knowledge.entries import NONE, KnowledgeBase
from core.knowledge.history import Example, History, Splits, splits
from core.knowledge.lint import Finding
from workers.local import Local
from workers.model.adapt import Adapted
from workers.model.basis import basis
from workers.model.heads import Floats
from workers.model.heard import Said
from workers.model.trained import LEARNED, Learned, Trained
from workers.train import results as told
from workers.train.log import Log
from workers.train.measuring import Asked, labelled

HELD_OUT, VALIDATION = 0.2, 0.3  # of the labelled turns, the newest
WITHHELD = 5  # one phrase of so many is held out where there is no history


@dataclass(frozen=True, slots=True, eq=False)
class Pictured:
    """A photo of an entry: its name in the matcher of photos, its vector (pictures,), and what it shows in words.

    `shown` (d,) is None where nobody can tell.
    """

    entry: str
    name: str
    vector: Floats
    shown: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Everything heard with one text encoder.

    `model` is what the labelled turns taught, `adapted` the knowledge base with it; `validation` and `held` are
    labelled questions that it was not taught; `withheld` are phrases that it was not taught either, by which a text
    encoder is chosen where labelled questions are too few. `words` and `pictures` are the lengths of text and image
    vectors, `photos` those that belong to an entry.
    """

    model: Trained
    adapted: Adapted
    validation: list[Asked]
    held: list[Asked]
    words: int
    pictures: int
    photos: tuple[Pictured, ...] = ()
    withheld: tuple[Asked, ...] = ()


def parted(knowledge: KnowledgeBase, past: History) -> tuple[KnowledgeBase, Splits]:
    """What to learn from and what to measure by; without history, every so many phrases of an entry are held out.

    That nobody objected to an answer only repeats what the model said: it teaches nothing, and it judges and proves
    nothing either, or a model would be found right by its own word.
    """
    known = [one for one in past.examples if one.expect and one.by != "silence"]
    if known:
        return knowledge, splits(known, held_out=HELD_OUT, validation=VALIDATION)
    entries, held = [], []
    for entry in knowledge.live:
        out = entry.variants[2::WITHHELD]
        entries.append(replace(entry, variants=tuple(one for one in entry.variants if one not in out)))
        held += [Example(line=0, conversation=one, expect=entry.id, text=one) for one in out]
    numbered = tuple(replace(one, line=-place - 1) for place, one in enumerate(held))
    return replace(knowledge, entries=tuple(entries)), Splits((), (), numbered)


def withheld(knowledge: KnowledgeBase, parts: Splits) -> tuple[KnowledgeBase, tuple[Example, ...]]:
    """A knowledge base without every so many phrases of an entry, and these as questions with lines of their own."""
    entries, out = [], []
    for entry in knowledge.entries:
        without = entry.variants[WITHHELD - 1 :: WITHHELD] if entry in knowledge.live else ()
        entries.append(replace(entry, variants=tuple(one for one in entry.variants if one not in without)))
        out += [(entry.id, one) for one in without]
    first = min([0, *(one.line for one in parts.held_out)]) - 1
    asked = [Example(first - place, text, expect=id, text=text) for place, (id, text) in enumerate(out)]
    return replace(knowledge, entries=tuple(entries)), tuple(asked)


def ground(
    local: Local,
    knowledge: KnowledgeBase,
    parts: Splits,
    log: Log,
    warnings: list[Finding],
    stage: str = "listening",
    phrases: Sequence[Example] = (),
) -> Ground:
    """Listen to all labelled turns, then learn what those in training teach.

    Args:
        local: with the encoders.
        knowledge: what may be learned from.
        parts: the labelled turns.
        log: told how far it is.
        warnings: gets one for each turn that cannot be read.
        stage: the name under which `log` is told.
        phrases: those that were withheld.
    """
    heard = _heard((*parts.train, *parts.validation, *parts.held_out, *phrases), local, log, warnings, stage)
    digest, pictures = local.pictures
    encoder = local.encoder
    photos = tuple(_pictured(local, knowledge, parts.train, heard))
    own: dict[str, list[Floats]] = defaultdict(list)
    for one in photos:
        if one.name.startswith(LEARNED):
            own[one.entry].append(one.vector)
    model = Trained(
        encoder.digest,
        learned=_learned(parts.train, heard),
        photos={id: np.stack(some) for id, some in own.items()},
        image=digest,
        proven_for=basis(knowledge),
        senses=local.recognisers(list(heard.values())),
    )
    with log.stage("knowledge base"):
        adapted = local.adapt(knowledge, model, voices=any(said.transcript for said in heard.values()))
    validation, held, choosing = (
        labelled(part, heard, adapted, encoder) for part in (parts.validation, parts.held_out, phrases)
    )
    return Ground(model, adapted, validation, held, encoder.dim, pictures, photos, tuple(choosing))


def counts(knowledge: KnowledgeBase, past: History, parts: Splits) -> told.Counts:
    """What there was to learn from."""
    return told.Counts(
        entries=len(knowledge.live),
        phrases=sum(len(entry.phrases) for entry in knowledge.live),
        photos=sum(len(entry.photos) for entry in knowledge.live),
        history=len(past.examples),
        trained=len(parts.train),
        validated=len(parts.validation),
        cases=len(knowledge.cases),
    )


def _heard(examples: Sequence[Example], local: Local, log: Log, warnings: list[Finding], name: str) -> dict[int, Said]:
    """What examples hold, by their lines; one that cannot be read gives a warning instead."""
    found: dict[int, Said] = {}
    with log.stage(name, len(examples)) as stage:
        for place, example in enumerate(examples, 1):
            try:
                found[example.line] = local.listen(example.text, example.photos, example.voices, example.history)
            except PolydeskError as problem:
                told = Finding("unreadable", f"line {example.line} of the history cannot be read: {problem}")
                if told not in warnings:
                    warnings.append(told)
            stage.step(place)
    return found


def _learned(examples: Sequence[Example], heard: Mapping[int, Said]) -> dict[str, Learned]:
    """Customers' words by entry, of what somebody has confirmed; that nobody objected teaches nothing new."""
    phrases: dict[str, list[str]] = defaultdict(list)
    photos: dict[str, int] = defaultdict(int)
    for example in examples:
        said = heard.get(example.line)
        if said is None or example.expect == NONE or example.by == "silence":
            continue
        words = " ".join(part for part in (said.text, said.transcript) if part).strip()
        if words and not example.history:
            phrases[example.expect].append(words)
        photos[example.expect] += 0 if said.photos is None else len(said.photos)
    ids = phrases.keys() | {id for id, many in photos.items() if many}
    return {id: Learned(tuple(dict.fromkeys(phrases[id])), photos[id]) for id in sorted(ids)}


def _pictured(
    local: Local, knowledge: KnowledgeBase, examples: Sequence[Example], heard: Mapping[int, Said]
) -> Iterator[Pictured]:
    """The example photos, then those that customers sent, each entry's numbered as `Trained.photos` has them."""
    for entry in knowledge.live:
        for name in entry.photos:
            try:
                seen = local.look(name)
            except PolydeskError:  # the linter has named it
                continue
            yield from _each(entry.id, [name], seen)
    many: dict[str, int] = defaultdict(int)
    for example in examples:
        said = heard.get(example.line)
        if said is None or said.photos is None or example.expect == NONE or example.by == "silence":
            continue
        names = [f"{LEARNED}{many[example.expect] + place}" for place in range(1, len(said.photos) + 1)]
        many[example.expect] += len(names)
        yield from _each(example.expect, names, said)


def _each(entry: str, names: Sequence[str], seen: Said) -> Iterator[Pictured]:
    for place, name in enumerate(names):
        if seen.photos is not None:
            shown = seen.shown[place] if seen.shown is not None else None
            yield Pictured(entry, name, seen.photos[place], shown)
