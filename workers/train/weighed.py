"""What optimising a model came to, as plain values, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core import wire
from workers.train.likeness import Likeness, Tolerance
from workers.train.timing import BATCH, Speed

ORIGINAL = "as it is"
TABLE, PAGE = "optimised.json", "optimised.md"
_HEADS = ("encoder", "form", "right", "likeness", "p50 ms", "p95 ms", f"items/s at {BATCH}", "memory MB", "disk MB", "")


@dataclass(frozen=True, slots=True)
class Row:
    """A form of an encoder, measured; `way` is "as it is" for the original.

    `size` is in bytes; `why` says why a form was not taken, or why an original has no other form.
    """

    encoder: str
    way: str
    digest: str
    size: int = 0
    speed: Speed | None = None
    likeness: Likeness | None = None
    taken: bool = False
    why: str = ""

    @property
    def p50(self) -> float:
        """Milliseconds for one item; infinite where nothing was measured."""
        return self.speed.p50 if self.speed is not None else float("inf")


@dataclass(frozen=True, slots=True)
class Asked:
    """A knowledge base's cases: how many in scope found their entry, and what was answered without asking back.

    `cases` are those in scope. Shares are of 1, None where there is nothing to measure.
    """

    cases: int
    accuracy: float | None = None
    auroc: float | None = None
    answered: float | None = None
    wrong: float | None = None

    @classmethod
    def of(cls, figures: dict[str, Any]) -> Asked:
        """From the figures of `workers.evaluation.evaluate`."""
        names = {"accuracy": "accuracy", "auroc": "auroc", "answered": "answered", "wrong": "wrong_of_answered"}
        return cls(int(figures.get("in_scope", 0)), **{ours: figures.get(theirs) for ours, theirs in names.items()})


@dataclass(frozen=True, slots=True)
class Tried:
    """The cases with an encoder's form, those of encoders above it in use already, beside how they were before."""

    encoder: str
    before: Asked
    after: Asked

    def loss(self, most: float) -> str:
        """Why the form is not taken after all; empty when it loses no more than that."""
        if self.before.accuracy is None or self.after.accuracy is None:
            return ""
        if self.before.accuracy - self.after.accuracy <= max(most, 1 / self.before.cases) + 1e-9:
            return ""
        return f"accuracy in the cases falls from {self.before.accuracy:.1%} to {self.after.accuracy:.1%}"


@dataclass(frozen=True, slots=True)
class Optimised:
    """All of it; `at` is in milliseconds of UTC, `sentences` and `pictures` are how many were compared."""

    at: int
    tolerance: Tolerance
    sentences: int
    pictures: int
    rows: tuple[Row, ...]
    cases: tuple[Tried, ...] = ()
    guarantee: bool = False


def plain(found: Optimised) -> str:
    """As JSON text."""
    return wire.dumps(found)


def table(found: Optimised) -> list[tuple[str, ...]]:
    """The table's cells, the heads first."""
    return [_HEADS, *(_cells(row) for row in found.rows)]


def _cells(row: Row) -> tuple[str, ...]:
    speed, alike = row.speed, row.likeness
    original = row.way == ORIGINAL
    right = alike.after if alike is not None else None
    return (
        row.encoder,
        row.way,
        "-" if right is None else f"{right:.1%}",
        "-" if alike is None or original else f"{alike.cosine:.4f} (drift {alike.drift:.3f}, same {alike.same:.0%})",
        *(("-",) * 3 if speed is None else (f"{speed.p50:.1f}", f"{speed.p95:.1f}", f"{speed.batched:.0f}")),
        "-" if speed is None or speed.memory is None else f"{speed.memory / 1e6:.0f}",
        f"{row.size / 1e6:.1f}" if row.size else "-",
        _verdict(row, original),
    )


def _verdict(row: Row, original: bool) -> str:
    word = ("kept" if row.taken else "replaced") if original else ("taken" if row.taken else "not taken")
    return f"{word}: {row.why}" if row.why else word


def text(found: Optimised) -> str:
    """The table for a terminal."""
    cells = table(found)
    wide = [max(len(row[column]) for row in cells) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in cells
    )


def markdown(found: Optimised) -> str:
    """The page that lies beside the model."""
    return "\n".join(_page(found)) + "\n"


def _page(found: Optimised) -> Iterator[str]:
    limits = found.tolerance
    when = datetime.fromtimestamp(found.at / 1000, UTC).strftime("%d %B %Y, %H:%M UTC")
    yield from ("# What optimising came to", "", f"{when}. Processor time of one thread; forms in turns.", "")
    first, *rest = table(found)
    yield from (_line(first), "|" + " --- |" * len(first), *map(_line, rest), "")
    yield (
        f"*right*: of {found.sentences} phrases, or {found.pictures} photos, the share whose nearest other one is of "
        "the same entry; of other languages, the same small talk. *likeness*: mean cosine between the two vectors of "
        "an item; *drift*: how much the cosine of two items changed, 95 % of them less; *same*: how often the nearest "
        "other item stayed. *memory*: a process that holds this encoder alone."
    )
    yield ""
    yield (
        f"A form is taken when *right* falls by no more than {limits.accuracy:.0%} (or one item), the drift stays "
        f"within {limits.drift} and one item takes at most {limits.gain:.0%} of the time. Drift has that bound because "
        "it is the smallest lead in likeness that decides anything when a question is scored."
    )
    if found.cases:
        yield from ("", "| the cases with | right | AUROC | answered | wrong of answered |", "|" + " --- |" * 5)
        for number, one in enumerate(found.cases):
            if not number:
                yield _line(("the model before", *_shares(one.before)))
            yield _line((one.encoder, *_shares(one.after)))
        yield from (
            "",
            f"A form after which fewer cases are right, by more than {limits.cases:.0%} or one, is not taken.",
        )
    if found.guarantee:
        yield ""
        yield (
            "The threshold for the error budget was proven with the encoders as they were; with these forms it is "
            "close, not proven. `polydesk evaluate --model` on labelled questions tells."
        )


def _shares(asked: Asked) -> tuple[str, ...]:
    shares = (asked.accuracy, None, asked.answered, asked.wrong)
    said = ["-" if one is None else f"{one:.1%}" for one in shares]
    said[1] = "-" if asked.auroc is None else f"{asked.auroc:.4f}"
    return tuple(said)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
