"""What batches of questions and remembered encodings are worth, in one process without a broker.

    python -m tests.bench.batching var/models

Questions are the demo's typed cases, each once, so that nothing is known from before; ways take turns, and the median
counts. A photo, a voice note and a knowledge base are asked, or published, again to see what is not done again.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.asking import Question
from core.errors import Broken
from core.knowledge.entries import KnowledgeBase, Release
from core.knowledge.files import load
from workers.encodings import Encodings
from workers.engine import Engine
from workers.model.shelf import Shelf

DEMO = Path(__file__).parents[2] / "bot" / "demo"
TURNS = 5


def took(what: Callable[[], object]) -> float:
    """Milliseconds of the processor, so that whatever else the machine does hardly counts."""
    began = time.process_time()
    what()
    return 1000 * (time.process_time() - began)


def main(models: Path) -> None:
    """Prints the table."""
    knowledge = load(DEMO)
    releases = {"shop": knowledge}
    texts = list(dict.fromkeys(case.text for case in knowledge.cases if case.text and not (case.photo or case.voice)))
    with tempfile.TemporaryDirectory() as folder:
        cache = Encodings(Path(folder) / "encodings.db")
        engine = Engine(
            Shelf(models, device="cpu"), _read, lambda name: Release("demo", 1, releases[name]), cache,
            photos=True, recall=True,
        )  # fmt: skip
        first = took(lambda: engine.predict([Question(id="q", release="shop", text="hello")]))
        _publish(engine, knowledge, releases, first)
        _questions(engine, [Question(id=str(n), release="shop", text=text) for n, text in enumerate(texts)])
        for what, more in (
            ("photo", {"photos": _files("photos/test-*.jpg")}),
            ("voice", {"voices": _files("voice/*")}),
        ):
            (field, names), *_ = more.items()
            engine.predict([_one(field, names[0])])  # what only happens once
            fresh = [took(lambda name=name, field=field: engine.predict([_one(field, name)])) for name in names[1:7]]
            again = [took(lambda name=name, field=field: engine.predict([_one(field, name)])) for name in names[1:7]]
            print(f"a {what}: {statistics.median(fresh):.0f} ms, the same again {statistics.median(again):.0f} ms")
        cache.close()


def _one(field: str, name: str) -> Question:
    return replace(Question(id="q", release="shop"), **{field: (name,)})  # type: ignore[arg-type]


def _questions(engine: Engine, questions: list[Question]) -> None:
    sizes = (1, 8, 32)
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(TURNS):
        for size in sizes:
            parts = [questions[at : at + size] for at in range(0, len(questions), size)]
            times[size].append(took(lambda parts=parts: [engine.predict(part) for part in parts]) / len(questions))
    for size in sizes:
        print(f"{len(questions)} typed questions, {size} at a time: {statistics.median(times[size]):.2f} ms each")


def _publish(engine: Engine, knowledge: KnowledgeBase, releases: dict[str, KnowledgeBase], first: float) -> None:
    entries = (replace(knowledge.entries[0], variants=(*knowledge.entries[0].variants, "a brand new way of asking")),)
    releases["next"] = replace(knowledge, entries=(*entries, *knowledge.entries[1:]))
    again = took(lambda: engine.predict([Question(id="q", release="next", text="hello")]))
    print(f"the first question, models loaded, all encoded: {first:.0f} ms")
    print(f"the first question after publishing one new phrase: {again:.0f} ms")


def _files(pattern: str) -> list[str]:
    return [str(file) for file in sorted(DEMO.glob(pattern))]


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as problem:
        raise Broken(f"{name} cannot be read") from problem


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("models", type=Path)
    return options


if __name__ == "__main__":
    main(arguments().parse_args().models)
