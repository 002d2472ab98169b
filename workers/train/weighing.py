"""Weighing the forms of one encoder against each other: what is lost, what is gained, which is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from workers.model import optimised
from workers.model.heads import Floats
from workers.model.ports import ImageEncoder, Picture, TextEncoder
from workers.train.forms import EVERY, Subject, make
from workers.train.likeness import Tolerance, likeness, loss
from workers.train.sample import Sample
from workers.train.timing import IMAGE, Loaded, memory, timed
from workers.train.weighed import ORIGINAL, Row

_ENOUGH = 20  # phrases of knowledge bases, with which small talk is not asked about
_TIMED = {IMAGE: 40}
_TIMED_TEXTS = 120  # items that are encoded one by one with a clock


def weigh(
    subject: Subject, place: Path, sample: Sample, limits: Tolerance, models: Path | None
) -> tuple[list[Row], Path | None]:
    """Make and measure an encoder's forms.

    Args:
        subject: the encoder.
        place: a folder for the forms.
        sample: what they are compared on.
        limits: what a form may lose.
        models: the prepared weights, from which other processes load each form to tell its memory; None leaves it out.

    Returns:
        A row for each, the original first, and the folder of the form to take, None where there is no better one.
    """
    items, labels, asked = _items(subject, sample)
    if len(items) < 2:
        why = subject.obstacle or "there is nothing to compare on"
        return [Row(subject.title, ORIGINAL, subject.original.digest, subject.size, taken=True, why=why)], None
    folders = make(subject, place, [picture for picture, _ in sample.shown or sample.asked])
    load = optimised.image if subject.what == IMAGE else optimised.text
    encoders = [subject.original, *(load(folder) for folder in folders)]
    encode = [_encoder(one, subject.what) for one in encoders]
    vectors = [one(items) for one in encode]
    speeds = timed(encode, items[:: max(len(items) // _TIMED.get(subject.what, _TIMED_TEXTS), 1)])
    rows = [Row(subject.title, ORIGINAL, subject.original.digest, subject.size, speeds[0], why=subject.obstacle)]
    for number, folder in enumerate(folders, 1):
        note = optimised.read(folder)
        alike = likeness(vectors[0], vectors[number], labels, asked)
        rows.append(Row(subject.title, note.way, note.digest, _size(folder), speeds[number], alike))
    itself = likeness(vectors[0], vectors[0], labels, asked)
    rows[0] = replace(rows[0], likeness=itself)
    if models is not None:
        held = [memory(_loaded(subject, models, folder)) for folder in (None, *folders)]
        rows = [replace(one, speed=replace(speeds[i], memory=held[i])) for i, one in enumerate(rows)]
    judged = judge(rows, limits)
    best = next(number for number, row in enumerate(judged) if row.taken)
    return judged, folders[best - 1] if best else None


def judge(rows: Sequence[Row], limits: Tolerance) -> list[Row]:
    """Take the fastest form that loses nothing and gains enough, else the original, which is the first row."""
    judged, best = [rows[0]], 0
    for number, row in enumerate(rows[1:], 1):
        why = loss(row.likeness, limits) if row.likeness is not None else ""
        share = row.p50 / rows[0].p50
        if not why and share > limits.gain:
            why = f"it takes {share:.0%} of the time, more than {limits.gain:.0%}"
        if not why and (not best or row.p50 < judged[best].p50):
            best = number
        judged.append(replace(row, why=why or "another form is faster"))
    judged[best] = replace(judged[best], taken=True, why=judged[best].why if best == 0 else "")
    return judged


def _loaded(subject: Subject, models: Path, form: Path | None) -> Loaded:
    forms = {subject.original.digest: str(form)} if form is not None else None
    return Loaded(str(models), subject.what, subject.name, subject.language, forms)


def _items(subject: Subject, sample: Sample) -> tuple[list[object], list[str], list[bool]]:
    if subject.what == IMAGE:
        pairs: Sequence[tuple[object, str]] = (*sample.shown, *sample.asked)
        asked = [False] * len(sample.shown) + [True] * len(sample.asked)
        if not sample.asked:
            asked = [True] * len(pairs)
    else:
        own = {EVERY: (*sample.sentences, *sample.others), "en": sample.sentences}.get(subject.language, sample.others)
        # Small talk shows what becomes of languages that no knowledge base here has.
        pairs = own if own and subject.language in (EVERY, "en") else (*own, *sample.foreign)
        asked = [place < len(own) or len(own) < _ENOUGH for place in range(len(pairs))]
    return [item for item, _ in pairs], [label for _, label in pairs], asked


def _encoder(encoder: TextEncoder | ImageEncoder, what: str) -> Callable[[list[object]], Floats]:
    if what == IMAGE:
        pictures = cast(ImageEncoder, encoder)
        return lambda items: pictures.encode(cast(list[Picture], items)).vectors
    texts = cast(TextEncoder, encoder)
    return lambda items: texts.encode(cast(list[str], items))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
