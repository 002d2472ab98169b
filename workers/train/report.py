"""The report of a training: one HTML page for whoever runs a support team.

The page holds everything it needs: no script, no network, no other file. Sentences are made here, figures in `plots`;
the layout is `report.html`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from core.knowledge.entries import NONE
from core.texts.plurals import plural
from workers.model.selective import Selected, needed
from workers.train import plots
from workers.train.confusion import confused
from workers.train.plots import known
from workers.train.results import ANSWER, CLARIFY, ESCALATE, EntryQuality, Number, Results, Share

FEW = 3  # ways of asking; an entry with fewer is guessed rather than known
MISSED = 2 / 3  # of an entry's questions are found by one that needs no more examples
NAMED, LISTED = 5, 500  # pairs and entries that are named at the top; lines of the long table
MISSING = "—"
KINDS = {  # groups of channels, see `selective.group`
    "text": "typed questions",
    "voice": "voice notes",
    "photo": "photos",
    "mixed": "mixtures such as a photo with words",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure of the page: its title, the drawing, how to read it, and what is said where there is nothing to draw."""

    title: str
    svg: str
    caption: str
    nothing: str
    wide: bool = False


def write(results: Results, folder: Path) -> Path:
    """Write `report.html` into `folder`, which is made when it is not there; the file's path.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.html"
    file.write_text(page(results), encoding="utf-8")
    return file


def page(results: Results) -> str:
    """The report as HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    room = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    room.filters |= {
        "percent": percent,
        "number": number,
        "share": share,
        "duration": duration,
        "drawn": Markup,
        "plural": plural,
        "times": times,
    }
    layout = room.from_string((files("workers.train") / "report.html").read_text(encoding="utf-8"))
    shown = tuple(panels(results))
    worst = sorted(results.entries, key=_need)
    return layout.render(
        results=results,
        when=datetime.fromtimestamp(results.at / 1000, UTC).strftime("%d %B %Y, %H:%M UTC") if results.at else "",
        summary=tuple(summary(results)),
        pairs=confused(results.held)[:NAMED],
        lacking=lacking(results),
        strays=sum(not one.case.inside and one.decision == ANSWER for one in results.held),
        outside=sum(not one.case.inside for one in results.held),
        decisions=tuple(
            (kind, sum(one.decision == kind for one in results.held)) for kind in (ANSWER, CLARIFY, ESCALATE)
        ),
        panels=tuple(panel for panel in shown if panel.svg),
        missing=tuple(panel for panel in shown if not panel.svg),
        proof=proof,
        kind=lambda name: KINDS.get(name, name),
        entries=worst[:LISTED],
        left=len(worst[LISTED:]),
        FEW=FEW,
        NAMED=NAMED,
        NONE=NONE,
    )


def summary(results: Results) -> Iterator[tuple[str, str]]:
    """Three sentences, each with its figure: how often it is right, what it would do alone, what comes next."""
    inside = sum(one.case.inside for one in results.held)
    right = results.accuracy
    if right.value is None:
        why = (
            "no labelled question was left to hold out"
            if not results.held
            else "none of the questions held out has a right entry"
        )
        yield (
            MISSING,
            f"How often it is right is not known: {why}. Labelled questions from past conversations would tell.",
        )
    else:
        yield (
            percent(right.value),
            f"Asked {plural(inside, 'question')} that it had not seen before, it found the right entry for "
            f"{round(right.value * inside)} of them; {doubt(right)}.",
        )
    yield percent(results.automated.value), _alone(results)
    yield "→", _next(results)


def doubt(share: Share) -> str:
    """The interval of a share in words."""
    if share.low is None or share.high is None:
        return "how far this can be trusted was not measured"
    return f"with so many questions, the true share is between {percent(share.low)} and {percent(share.high)}"


def _alone(results: Results) -> str:
    budget = f"{100 * results.budget:g} %"
    if not results.held:
        told = f"What it would answer by itself within the budget of {budget} wrong answers is not known either."
        return f"{told} It is {kept(results)}."
    many = sum(one.decision == ANSWER for one in results.held)
    if not many:
        return (
            f"It would answer no question by itself: it is not sure enough of any to keep the budget of {budget} wrong "
            "answers, and asks back or hands over instead."
        )
    wrong = sum(one.decision == ANSWER and not one.case.right for one in results.held)
    were = "was" if wrong == 1 else "were"
    return (
        f"It would answer {many} of {plural(len(results.held), 'question')} by itself; {wrong or 'none'} of these "
        f"answers {were} wrong ({percent(results.wrong.value)}, the budget is {budget}). "
        f"That the budget is kept is {kept(results)}."
    )


def kept(results: Results) -> str:
    """Whether the budget is kept for certain, by kind of question where each has a threshold of its own."""
    if not results.kinds:
        return proof(results.threshold)
    alike: dict[Selected | None, list[str]] = {}  # small groups have one selection in common
    for name in dict.fromkeys((*KINDS, *results.kinds)):
        alike.setdefault(results.kinds.get(name), []).append(KINDS.get(name, name))
    proven, left = [], []
    for selected, names in alike.items():
        if selected is not None and selected.guaranteed:
            proven.append(f"for {listed(names)} (by {_labels(selected)})")
        else:
            left.append(f"for {listed(names)} ({_labels(selected)})")
    sure = f"guaranteed {listed(proven)}"
    return f"{sure}, but only estimated, not guaranteed, {listed(left)}" if left else sure


def listed(words: Sequence[str]) -> str:
    """`one`, `one and another`, `one, another and a third`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def proof(selected: Selected | None) -> str:
    """Whether a budget is kept for certain, behind "the budget is"."""
    if selected is None:
        return "not proven: no labelled question chose a threshold"
    return f"{'guaranteed by ' if selected.guaranteed else 'estimated, not guaranteed: '}{_labels(selected)}"


def _labels(selected: Selected | None) -> str:
    """The labelled questions behind a threshold, with what they prove or what they lack."""
    if selected is None:
        return "nobody labelled any"
    labelled = plural(selected.cases, "labelled question")
    if selected.guaranteed:
        # Down, since 97.5 % is not 98 %.
        return f"{labelled}, with a probability of {math.floor(1000 * (1 - selected.delta) + 1e-6) / 10:g} %"
    # Without a single mistake; at the same share of questions that are answered.
    wanted = needed(selected.budget, selected.delta) / (selected.coverage or 1.0)
    if selected.answered and wanted <= selected.cases:
        mistakes = f"{selected.wrong} of {plural(selected.answered, 'answer')}"
        return f"{labelled} do not prove it, with {mistakes} to them wrong"
    return f"{labelled}, about {_rounded(wanted)} needed"


def _rounded(number: float) -> int:
    """Up, to two figures."""
    unit = 10 ** max(math.floor(math.log10(number)) - 1, 0)
    return int(math.ceil(number / unit) * unit)


def _next(results: Results) -> str:
    pairs, weak = confused(results.held)[:NAMED], lacking(results)
    todo = []
    if pairs:
        todo.append(f"tell {_name(pairs[0].first)} and {_name(pairs[0].second)} apart, which it confuses most")
    if weak:
        named = ", ".join(_name(one.id) for one, _ in weak[:3])
        todo.append(f"write more ways of asking for {named}{' and others' if len(weak) > 3 else ''}")
    if not results.held:
        todo.append("label past questions in the desk, then train again")
    if not todo:
        return "Next: nothing stands out. More labelled questions would make these figures more certain."
    return f"Next: {'; '.join(todo)}."


def _name(id: str) -> str:
    return f"“{id}”"


def lacking(results: Results) -> tuple[tuple[EntryQuality, str], ...]:
    """The entries that need more examples, those that are missed most first, each with the reason."""
    found = []
    for one in sorted(results.entries, key=_need):
        if one.id == NONE:
            continue
        recall = one.recall if one.recall is not None and math.isfinite(one.recall) else None
        if recall is not None and one.support > 1 and recall < MISSED:
            found.append((one, f"found {round(recall * one.support)} of {one.support} times"))
        elif one.examples < FEW:
            found.append(
                (one, f"only {plural(one.examples, 'way')} of asking" if one.examples else "no way of asking at all")
            )
    return tuple(found)


def _need(one: EntryQuality) -> tuple[bool, float, int, str]:
    """Entries that are missed most first, then those with the fewest examples, `none` last."""
    missed = one.support * (1 - one.recall) if one.recall is not None and math.isfinite(one.recall) else 0.0
    return one.id == NONE, -missed, one.examples, one.id


def panels(results: Results) -> Iterator[Panel]:
    """The figures with their captions."""
    none = "No question was held out, so there is nothing to draw."
    seen = {one.expect for one in results.held} | {one.entry for one in results.held if one.entry}
    matrix = len(seen) <= plots.MATRIX
    yield Panel(
        "Which entries it takes for which" if matrix else "The entries it confuses most",
        plots.confusion(results),
        "Each row holds the questions that were about one entry, each column what they were taken for. Numbers on the "
        "diagonal are right; a red field is a mistake, the stronger the larger its part of the row."
        if matrix
        else "How many questions about one of the two entries were taken for the other: dark when the first was meant, "
        "light when the second was. Pairs at the top gain most from variants that tell them apart.",
        "No two entries were confused more than once." if results.held else none,
        wide=matrix and len(seen) > 8,
    )  # fmt: skip
    yield Panel(
        "Can its confidence be trusted?",
        plots.reliability(results),
        "When it says it is 80 % sure, it should be right 80 times in 100: dots on the dashed line are honest, those "
        "below it are too sure, those above it too modest. A larger dot stands for more questions."
        + _calibrated(results),
        none,
    )
    yield Panel(
        "What more answers would cost",
        plots.risk_coverage(results),
        "From left to right it answers more questions by itself, the surest ones first; the green line tells how many "
        "of these answers are wrong. Where it is below the red line the budget is kept; the dot is what it does now.",
        none,
    )
    yield Panel(
        "What each channel is worth",
        plots.ablation(results),
        "The same questions, asked with everything, without one channel, and with it alone; in brackets, how many "
        "questions have it. If leaving a channel out changes little, customers' questions do not depend on it.",
        "No channel was left out: the questions came as one kind only, or none was held out.",
    )
    yield Panel(
        "Whom it listens to",
        plots.weights(results),
        "How much each channel counts on average, by what a question holds; in brackets, how many questions. "
        "Channels that are usually right when others disagree have learned to count for more.",
        "No question had more than one channel, so that nothing had to be weighed.",
    )
    yield Panel(
        "Ways of putting channels together",
        plots.comparison(results),
        "How often each way finds the right entry; the line is where the true share lies with 95 % certainty. Ways "
        "whose lines overlap much are not proven to differ. The green one was chosen.",
        "No two strategies were compared.",
    )
    yield Panel(
        "How it learned",
        plots.learning(results),
        "Loss should fall and level off; strong lines are questions it does not train on. If a strong line rises "
        "again while its faint one falls, it learns by heart: training stops there and keeps the best step.",
        "Nothing was trained in steps.",
    )


def _calibrated(results: Results) -> str:
    found = results.calibration
    if found is None or not known(found.ece_after):
        return ""
    before = f", from {percent(found.ece_before)}" if known(found.ece_before) and found.kind != "none" else ""
    return f" On average its confidence is off by {percent(found.ece_after)}{before}."


def percent(value: Number) -> str:
    """A share for people: with a decimal where one more or less matters; 0 and 100 only when it is exactly that."""
    if value is None or not math.isfinite(value):
        return MISSING
    shown = 100 * value
    if 0 < shown < 9.95:
        text = f"{max(shown, 0.1):.1f}"
    elif 99 < shown < 100:
        text = f"{min(shown, 99.9):.1f}"
    else:
        text = f"{shown:.0f}"
    return f"{text.removesuffix('.0')} %"


def number(value: Number, digits: int = 2) -> str:
    """A figure with so many decimals."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def share(value: Share) -> str:
    """A share with its interval."""
    if not known(value.value) or not known(value.low) or not known(value.high):
        return percent(value.value)
    return f"{percent(value.value)} ({percent(value.low)} to {percent(value.high)})"


def duration(seconds: Number) -> str:
    """Seconds for people."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def times(many: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(many, f"{many} times")
