"""Whether the evidence card says what moved the answer, and what it costs, on a knowledge base's own cases.

    python tests/bench/evidence.py [--kb bot/demo] [--media 0]

Comprehensiveness and sufficiency as in ERASER (DeYoung et al. 2020, https://arxiv.org/abs/1911.03429, section 4.2):
what the confidence in the card's entry loses without the first 1, 5, 10, 20, 50 % of the pieces (at least one), and
what it loses when only these are left, on average over the five; high and low are good. Beside it pieces in random
order. "first" is what it loses without the piece named first, "other" without another one of the same kind, at random.

A card is made by leaving out one piece at a time; here many go at once. `--media N` goes further, for N voice notes and
N photos: the seconds that the card names are silenced in the recording, the line it names is painted over in the
photo, then both are recognised anew and asked again.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from core.knowledge.entries import Case  # noqa: E402
from workers.configuration import Configuration  # noqa: E402
from workers.local import Local  # noqa: E402
from workers.media import audio, images  # noqa: E402
from workers.model.ablation import card, cuts, remainder  # noqa: E402
from workers.model.adapt import Adapted  # noqa: E402
from workers.model.channels import Texts, opinions  # noqa: E402
from workers.model.fusion.gate import shipped  # noqa: E402
from workers.model.fusion.opinions import Fusion  # noqa: E402
from workers.model.fusion.pool import LogPool  # noqa: E402
from workers.model.heard import Said, hear  # noqa: E402
from workers.model.ports import RATE, TextEncoder  # noqa: E402
from workers.model.scoring import score  # noqa: E402
from workers.model.shelf import Shelf  # noqa: E402
from workers.model.trained import FIXED, Trained  # noqa: E402

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
ORDERS = 5  # random ones
OTHERS = 4  # pieces beside the first that are taken out of a recording or a photo
GONE: dict[str, dict[str, object]] = {
    "text": {"text": ""},
    "voice": {"transcript": "", "segments": ()},
    "ocr": {"ocr": ()},
    "photo": {"photos": None},
    "words": {"shown": None},
    "history": {"history": ()},
}
KINDS = {"text": "typed words", "voice": "words heard", "ocr": "lines in a photo"}


@dataclass(frozen=True)
class Bench:
    """A knowledge base with what scores against it."""

    adapted: Adapted
    encoder: TextEncoder
    fusion: Fusion

    def card(self, said: Said) -> dict[str, Any]:
        (heard,) = hear([said], self.encoder, self.adapted.spelling)
        found = score(self.adapted, heard, fusion=self.fusion, talk=False)
        return card(self.adapted, said, found, self.encoder, fusion=self.fusion)

    def scores(self, asked: Sequence[Said], entry: str) -> list[float]:
        """The fused score of an entry for each question."""
        questions = hear(asked, self.encoder, self.adapted.spelling)
        texts, place = Texts(self.adapted, questions), self.adapted.entries.index(entry)
        found = [opinions(self.adapted, heard, texts) for heard in questions]
        n = len(self.adapted.entries)
        return [float(self.fusion.fuse(one, n)[place]) if one else 0.0 for one in found]


@dataclass(frozen=True)
class Faith:
    """Of one kind of evidence in one question; all are differences of confidence."""

    first: float
    other: float
    comprehensive: float
    random_comprehensive: float
    sufficient: float
    random_sufficient: float


def faith(bench: Bench, said: Said, channel: str, dice: np.random.Generator) -> Faith | None:
    """How true the card is about one channel of a question; None where it has fewer than three pieces."""
    told = bench.card(said)
    pieces = [piece for piece in cuts(said) if piece["channel"] == channel]
    if not told or len(pieces) < 3:
        return None

    def place(piece: dict[str, Any]) -> int:
        return next(i for i, one in enumerate(pieces) if one.items() <= piece.items())

    moved = sorted((one for one in told["pieces"] if one["channel"] == channel), key=lambda one: -one["moved"])
    ours = list(dict.fromkeys(place(one) for one in moved))
    orders = [ours, *(dice.permutation(len(pieces)).tolist() for _ in range(ORDERS))]
    sizes = [max(1, math.ceil(share * len(pieces))) for share in SHARES]
    asked = [said, *(remainder(said, [piece]) for piece in pieces)]
    for order in orders:
        for size in sizes:
            asked += [
                remainder(said, [pieces[i] for i in order[:size]]),
                remainder(said, [pieces[i] for i in order[size:]]),
            ]
    full, *rest = bench.scores(asked, told["entry"])
    drops = full - np.array(rest)
    each, ranked = drops[: len(pieces)], drops[len(pieces) :].reshape(len(orders), len(sizes), 2).mean(axis=1)
    return Faith(
        float(each[ours[0]]),
        float(np.delete(each, ours[0]).mean()),
        float(ranked[0, 0]),
        float(ranked[1:, 0].mean()),
        float(ranked[0, 1]),
        float(ranked[1:, 1].mean()),
    )


def channels(bench: Bench, said: Said) -> tuple[float, float] | None:
    """What the best entry loses without the channel that weighs most, and without another; None with one channel."""
    (heard,) = hear([said], bench.encoder, bench.adapted.spelling)
    found = score(bench.adapted, heard, fusion=bench.fusion, talk=False)
    told: dict[str, Any] = found.evidence
    if len(told) < 2:
        return None
    order = sorted(told, key=lambda name: float(told[name]["without"]))
    full, first, *others = bench.scores(
        [said, *(replace(said, **GONE[name]) for name in order)],  # type: ignore[arg-type]
        found.candidates[0].entry,
    )
    return full - first, full - float(np.mean(others))


def examples(bench: Bench, local: Local, said: Said) -> tuple[float, float] | None:
    """What the card's entry loses when the example photo named first is not in the knowledge base, and another one."""
    told = bench.card(said)
    named = [piece["example"] for piece in told.get("pieces", ()) if "example" in piece]
    if len(named) < 2:
        return None
    ranked = sorted((piece for piece in told["pieces"] if "example" in piece), key=lambda piece: -float(piece["moved"]))

    def left(name: str) -> float:
        fewer = tuple(
            replace(entry, photos=tuple(photo for photo in entry.photos if photo != name))
            for entry in local.knowledge.entries
        )
        adapted = local.adapt(replace(local.knowledge, entries=fewer), Trained(local.encoder.digest, fusion=FIXED))
        return replace(bench, adapted=adapted).scores([said], told["entry"])[0]

    (full,) = bench.scores([said], told["entry"])
    first, *others = (full - left(piece["example"]) for piece in ranked)
    return first, float(np.mean(others))


def measured(bench: Bench, asked: Sequence[Said], seed: int = 0) -> dict[str, list[Faith]]:
    """What came of each kind of evidence."""
    dice = np.random.default_rng(seed)
    found: dict[str, list[Faith]] = {channel: [] for channel in KINDS}
    for said in asked:
        for channel in KINDS:
            one = faith(bench, said, channel, dice)
            if one is not None:
                found[channel].append(one)
    return found


@contextmanager
def opened(kb: Path, models: Path, folder: Path) -> Iterator[tuple[Local, Shelf]]:
    """A knowledge base in this process."""
    configuration = Configuration(redis_url="", blobs=folder, models=models, encodings=folder / "encodings.db")
    with Local.open(kb, configuration) as local:
        yield local, Shelf.of(configuration)


def listened(local: Local, case: Case) -> Said:
    return local.listen(
        case.text, (case.photo,) if case.photo else (), (case.voice,) if case.voice else (), case.history
    )


def benches(local: Local) -> dict[str, Bench]:
    """The knowledge base as it ships, and with the gate of a trained model."""
    adapted = local.adapt(local.knowledge, Trained(local.encoder.digest, fusion=FIXED))
    return {
        "fixed weights": Bench(adapted, local.encoder, LogPool()),
        "learned gate": Bench(adapted, local.encoder, shipped()),
    }


def interval(values: Sequence[float]) -> str:
    """A mean with its 95 % bootstrap interval."""
    dice = np.random.default_rng(0)
    drawn = dice.choice(np.array(values), (2000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"


def table(found: dict[str, list[Faith]], name: str) -> list[str]:
    rows = []
    for channel, some in found.items():
        if some:
            figures = [np.mean([getattr(one, field) for one in some]) for field in Faith.__dataclass_fields__]
            more = interval([one.first - one.other for one in some])
            rows.append(
                f"| {KINDS[channel]}, {name} | {len(some)} | {figures[0]:.3f} | {figures[1]:.3f} | {more} |"
                f" {figures[2]:.3f} / {figures[3]:.3f} | {figures[4]:.3f} / {figures[5]:.3f} |"
            )
    return rows


def cost(local: Local, cases: Sequence[Case]) -> list[str]:
    """Processor time of typed questions in the worker, with the card and without."""
    rows = []
    for name, some in (("up to 6 words", (1, 6)), ("7 to 12 words", (7, 12)), ("13 to 24 words", (13, 24))):
        asked = [case.text for case in cases if some[0] <= len(case.text.split()) <= some[1]]
        spent: dict[bool, list[float]] = {False: [], True: []}
        for text in [asked[0], *asked]:
            for explain, times in spent.items():
                began = time.process_time()
                local.ask(text, explain=explain)
                times.append(1000 * (time.process_time() - began))
        plain, card = (float(np.median(spent[explain][1:])) for explain in (False, True))
        rows.append(f"| {name} | {len(asked)} | {plain:.1f} | {card:.1f} | {card / plain:.1f} |")
    return rows


def silenced(bench: Bench, local: Local, shelf: Shelf, case: Case, others: int = OTHERS) -> tuple[float, float] | None:
    """What the card's entry loses when the seconds of the first words are silenced, and those of other words."""
    said = listened(local, case)
    told, wave = bench.card(said), audio.decode(Path(case.voice).read_bytes()).wave
    spoken = [piece for piece in told.get("pieces", ()) if "seconds" in piece]
    if len(spoken) < 3:
        return None
    first = max(spoken, key=lambda piece: piece["moved"])
    asked = [said]
    rest = [one for one in spoken if one is not first]
    for piece in (first, *rest[:: max(1, len(rest) // others)][:others]):
        start, end = (int(second * RATE) for second in piece["seconds"])
        quiet = wave.copy()
        quiet[start:end] = 0
        (heard,) = shelf.speech.transcribe([quiet])
        asked.append(replace(said, transcript=heard.text, certainty=heard.confidence, segments=heard.segments))
    full, top, *left = bench.scores(asked, told["entry"])
    return full - top, full - float(np.mean(left))


def painted(bench: Bench, local: Local, shelf: Shelf, case: Case) -> tuple[float, float] | None:
    """What the card's entry loses when the first line is painted over in the photo, and when others are."""
    said = listened(local, case)
    told, picture = bench.card(said), images.decode(Path(case.photo).read_bytes(), side=2560)
    lines = [line for line in shelf.reader.read(picture) if line.confidence >= 0.6]
    named = [piece for piece in told.get("pieces", ()) if "line" in piece and piece["channel"] == "ocr"]
    if len(named) < 3:
        return None
    named.sort(key=lambda piece: -piece["moved"])
    asked = [said]
    for piece in (named[0], *np.random.default_rng(0).permutation(np.array(named[1:], dtype=object))[:OTHERS]):
        over = picture.copy()
        for line in lines:
            if line.text in piece["line"].split(" / "):
                box = np.array(line.box, dtype=int).clip(0)
                (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
                over[top:bottom, left:right] = np.median(over[top:bottom, left:right], axis=(0, 1))
        seen = tuple(line.text for line in shelf.reader.read(over) if line.confidence >= 0.6)
        asked.append(replace(said, ocr=seen))
    full, first, *others = bench.scores(asked, told["entry"])
    return full - first, full - float(np.mean(others))


def main(kb: Path, media: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="polydesk-evidence-") as folder,
        opened(kb, ROOT / "var" / "models", Path(folder)) as (local, shelf),
    ):
        cases = local.knowledge.cases
        asked = [listened(local, case) for case in cases if media or not (case.photo or case.voice)]
        known = benches(local)
        found = {name: measured(bench, asked) for name, bench in known.items()}
        print("Loss of confidence in the card's entry, 0 to 1; the last two beside pieces in random order\n")
        print("| evidence | questions | first | other | first - other (95 %) | comprehensive | sufficient |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        print("\n".join(row for name, some in found.items() for row in table(some, name)))
        for name, bench in known.items():
            spread("channel left out, " + name, [channels(bench, said) for said in asked])
        plain = known["fixed weights"]
        shown = [said for said in asked if said.photos is not None and not said.text][:media]
        spread("example photo taken out of the knowledge base", [examples(plain, local, said) for said in shown])
        typed = [case for case in cases if not (case.photo or case.voice or case.history)]
        print("\n| typed question | n | processor ms | with its card | times |\n| --- | --- | --- | --- | --- |")
        print("\n".join(cost(local, typed)))
        spoken, seen = ([case for case in cases if getattr(case, kind)][:media] for kind in ("voice", "photo"))
        spread("seconds silenced", [silenced(plain, local, shelf, case) for case in spoken])
        spread("line painted over", [painted(plain, local, shelf, case) for case in seen])


def spread(name: str, drops: Sequence[tuple[float, float] | None]) -> None:
    """Tell what the first and the others of a kind came to."""
    some = [one for one in drops if one is not None]
    if some:
        first, other = np.mean(some, axis=0)
        more = interval([one - rest for one, rest in some])
        print(f"\n{name}: {len(some)} questions, first {first:.3f}, other {other:.3f}, more by {more}")


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kb", type=Path, default=ROOT / "bot" / "demo")
    options.add_argument("--media", type=int, default=0)
    return options


if __name__ == "__main__":
    given = arguments().parse_args()
    main(given.kb, given.media)
