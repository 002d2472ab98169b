"""Whether a strategy that fuses vectors keeps the error budget with a threshold estimated on composed questions.

One of five variants of each of the demo's entries is held out, which ones START tells; there is no history.

    python -m tests.bench.estimates MODELS START [STRATEGY ...]
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from core.knowledge.files import load
from core.knowledge.history import Example, Splits
from workers.configuration import Configuration
from workers.local import Local
from workers.model.selective import interval
from workers.model.trained import LATE, VECTORS
from workers.train.fusing import fused
from workers.train.log import Log
from workers.train.parting import WITHHELD, ground
from workers.train.results import ANSWER

DEMO = Path(__file__).resolve().parents[2] / "bot" / "demo"


def main(models: Path, start: int, strategies: list[str]) -> None:
    """One line a strategy."""
    knowledge = load(DEMO)
    entries, held = [], []
    for entry in knowledge.live:
        out = entry.variants[start::WITHHELD]
        entries.append(replace(entry, variants=tuple(one for one in entry.variants if one not in out)))
        held += [(entry.id, text) for text in out]
    asked = tuple(Example(-place, text, expect=id, text=text) for place, (id, text) in enumerate(held, 1))
    with tempfile.TemporaryDirectory() as room, Log() as log:
        work = Path(room)
        configuration = Configuration("", work / "blobs", models.resolve(), work / "encodings.db", device="cpu")
        with Local.open(DEMO, configuration, builtins=False, photos=True) as local:
            known = ground(local, replace(knowledge, entries=tuple(entries)), Splits((), (), asked), log, [])
        for name in strategies or [LATE, *VECTORS]:
            found = fused(knowledge, known, work / "model", work / name, log, compare=False, strategy=name)
            answers = [one.case.right for one in found.held if one.decision == ANSWER]
            wrong = answers.count(False)
            low, high = interval(wrong, len(answers))
            print(
                f"{name}: {wrong} of {len(answers)} answers wrong ({100 * low:.1f} to {100 * high:.1f} %), "
                f"{len(found.held)} asked, {100 * (found.accuracy.value or 0):.1f} % right",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
