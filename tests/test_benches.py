"""Every command of a bench that the documents show is one that the bench understands; none is run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from tests.bench.garbled import MADE_BY, transcripts

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^```.*?\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
_BENCH = re.compile(r"python (?:-m tests\.bench\.|tests/bench/)(\w+)(?:\.py)?\b(.*)")


def commands(text: str) -> list[tuple[str, str]]:
    """The benches named in code with what follows: spans may go over a line's end, comments are left out."""
    lines = [line.split("#")[0] for block in _FENCED.findall(text) for line in block.splitlines()]
    spans = [" ".join(span.split()) for span in _SPAN.findall(_FENCED.sub("", text))]
    return [(found[1], found[2].strip()) for part in (*lines, *spans) if (found := _BENCH.search(part))]


SHOWN = sorted({one for page in PAGES for one in commands(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize(("bench", "words"), SHOWN, ids=[" ".join(one) for one in SHOWN])
def test_every_shown_bench_takes_what_is_shown(bench: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = importlib.import_module(f"tests.bench.{bench}").arguments()
    try:
        given = vars(parser.parse_args(shlex.split(words)))
    except SystemExit:
        pytest.fail(f"tests.bench.{bench} {words}: {capsys.readouterr().err.splitlines()[-1]}")
    # What stands in a place is what the bench takes there: DATA, var/models or DATA/emodb, not one for another.
    placed = [action.dest for action in parser._get_positional_actions()]
    assert [given[name].name.lower() for name in placed] == placed


def test_commands_are_seen_wherever_they_stand() -> None:
    text = (
        "By `python -m\ntests.bench.garbled DATA MODELS WORK`, `make test` and\n"
        "```sh\npython tests/bench/load.py --soak 30   # half an hour\npython -m tests.bench.taught\n```\n"
    )
    assert commands(text) == [("load", "--soak 30"), ("taught", ""), ("garbled", "DATA MODELS WORK")]
    assert {"tone", "garbled", "load", "latency"} <= {bench for bench, _ in SHOWN}


def test_a_folder_that_nobody_filled_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no train\.json: .*python -m workers\.train\.gate"):
        transcripts(tmp_path)
    (tmp_path / "train.json").write_text('{"said": ["heard", 0.9]}')
    with pytest.raises(SystemExit, match=r"holds no unseen\.json: .*python -m tests\.bench\.gate"):
        transcripts(tmp_path)
    (tmp_path / "unseen.json").write_text('{"asked": ["masked", 0.8]}')
    assert transcripts(tmp_path) == {"said": "heard", "asked": "masked"}
    for module in MADE_BY:
        assert importlib.util.find_spec(module) is not None
