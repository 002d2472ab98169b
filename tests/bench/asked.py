"""Knowledge bases and cases on disk, asked as `polydesk evaluate` asks them, for the figures of the other scripts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workers.configuration import Configuration
from workers.evaluation import evaluate
from workers.local import Local
from workers.model.selective import interval

Row = Mapping[str, object]
"""An entry of `kb.yaml`, or a case, with the fields of the design's section 5."""

DRAWS = 2000


@dataclass(frozen=True)
class Told:
    """A line a case, in the cases' order, as `--predictions` writes them; the figures of `--json`; seconds of adapting.

    The seconds are counted from loaded models to the first answer: encoding phrases and example photos that are not in
    the cache of `folder` is part of them.
    """

    lines: list[dict[str, Any]]
    figures: dict[str, Any]
    seconds: float

    @property
    def right(self) -> list[bool]:
        """Whether each case found its entry."""
        return [line["entry"] == line["expect"] for line in self.lines]

    @property
    def milliseconds(self) -> float:
        """The median time of a question."""
        return float(self.figures["latency_ms"]["p50"])


def ask(folder: Path, models: Path, entries: Sequence[Row], cases: Sequence[Row], *, photos: bool = False) -> Told:
    """Write `kb.yaml` with `cases.jsonl` into a folder, then evaluate as the command does, without small talk.

    Args:
        folder: is made; encodings are kept in the folder above.
        models: the prepared weights.
        entries: of the knowledge base.
        cases: what is asked.
        photos: whether an image encoder is needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {"polydesk": "1", "title": folder.name, "entries": [{"answer": "", **entry} for entry in entries]}
    (folder / "kb.yaml").write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    file = folder / "cases.jsonl"
    file.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases), encoding="utf-8")
    settings = Configuration("", folder, models, folder.parent / "encodings.db")
    with Local.open(folder, settings, builtins=False) as local:
        local.encoder.encode(["hello"])
        if photos:
            local.pictures  # noqa: B018
        started = time.perf_counter()
        local.ask("hello")
        seconds = time.perf_counter() - started
        figures, lines = evaluate(local, file)
    return Told(lines, figures, seconds)


def slug(name: str) -> str:
    """A name as an entry's id."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def share(right: Sequence[bool]) -> str:
    """Percent with the Clopper-Pearson interval (95 %)."""
    low, high = interval(sum(right), len(right))
    return f"{100 * sum(right) / max(len(right), 1):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def lost(before: Sequence[bool], after: Sequence[bool]) -> str:
    """Points lost from one way of asking to another, question by question, with a bootstrap interval (95 %)."""
    each = 100 * (np.array(before, dtype=float) - np.array(after, dtype=float))
    dice = np.random.default_rng(0)
    draws = each[dice.integers(0, len(each), (DRAWS, len(each)))].mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{each.mean():.1f} [{low:.1f}, {high:.1f}]"
