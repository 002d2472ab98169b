"""The figures of a training's report; every function gives "" where there is nothing to draw."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.knowledge.entries import NONE
from workers.model import metrics
from workers.train.confusion import confused
from workers.train.drawing import ACCENT, BAD, INK, LINE, PAPER, SERIES, SOFT, WIDE, drawn, legend, percents, placed
from workers.train.results import ANSWER, Number, Results, Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHANNELS = {
    "text": "typed words",
    "voice": "voice note",
    "photo": "photo",
    "ocr": "words in the photo",
    "words": "what the photo shows",
    "history": "earlier messages",
}
MATRIX = 20  # entries; more make no readable matrix
PAIRS, COMBINATIONS, BINS = 12, 8, 10


def known(number: Number) -> bool:
    """Whether a figure was measured."""
    return number is not None and math.isfinite(number)


def channel(name: str) -> str:
    """A channel in plain words."""
    return CHANNELS.get(name, name)


def short(text: str, most: int = 24) -> str:
    """As much of a name as a drawing has room for: beginning and end, since names often begin alike."""
    return text if len(text) <= most else f"{text[: most // 2 - 1].rstrip()}…{text[most // 2 - most :].lstrip()}"


def confusion(results: Results) -> str:
    """Which entries are taken for which: a matrix, or the pairs most often confused where there are many entries."""
    if not results.held:
        return ""
    truth = [one.expect for one in results.held]
    # As `metrics.per_entry` counts: what was not answered counts as `none` where none was expected.
    guess = [NONE if not one.case.inside and one.decision != ANSWER else one.entry or NONE for one in results.held]
    order = {one.id: place for place, one in enumerate(results.entries)}
    seen = {*truth, *guess}
    names = sorted(seen - {NONE}, key=lambda name: (order.get(name, len(order)), name))
    names += [NONE] if NONE in seen else []
    return _matrix(names, Counter(zip(truth, guess, strict=True))) if len(names) <= MATRIX else _pairs(results)


def _matrix(names: list[str], counts: Counter[tuple[str, str]]) -> str:
    many = len(names)
    side = max(0.34 * many, 1.2)
    with drawn(side + 2.0, side + 1.95, "confusion") as (figure, done):
        axes = placed(figure, 1.9, 1.85, side, side)
        totals = {name: sum(counts[name, other] for other in names) for name in names}
        for row, expected in enumerate(names):
            for column, found in enumerate(names):
                count = counts[expected, found]
                share = count / totals[expected] if count else 0.0
                colour = ACCENT if row == column else BAD
                alpha = 0.12 + 0.88 * share if count else 1.0
                _cell(axes, column, row, colour if count else LINE, alpha if count else 0.25)
                if count:
                    axes.text(column, row, str(count), ha="center", va="center", color=PAPER if alpha > 0.6 else INK)
        axes.set(xlim=(-0.5, many - 0.5), ylim=(many - 0.5, -0.5), aspect="equal")
        labels = [short("out of scope" if name == NONE else name) for name in names]
        axes.set_yticks(range(many), labels)
        axes.set_xticks(range(many), labels, rotation=90, ha="left", va="center", rotation_mode="anchor")
        axes.tick_params(length=0, labeltop=True, labelbottom=False, labelcolor=INK)
        axes.spines[:].set_visible(False)
    return done[0]


def _cell(axes: Axes, column: int, row: int, colour: str, alpha: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=colour, alpha=alpha, linewidth=0))


def _pairs(results: Results) -> str:
    pairs = [pair for pair in confused(results.held) if pair.times > 1][:PAIRS]
    if not pairs:
        return ""
    with drawn(WIDE, 0.1 + 0.46 * len(pairs), "confusion") as (figure, done):
        axes = placed(figure, 0.03, 0, WIDE - 0.3, 0.46 * len(pairs))
        for row, pair in enumerate(pairs):
            axes.barh(row, pair.forth, height=0.34, color=BAD, alpha=0.85)
            axes.barh(row, pair.back, left=pair.forth, height=0.34, color=BAD, alpha=0.4)
            axes.text(pair.times + 0.015 * pairs[0].times, row, str(pair.times), va="center")
            axes.text(0, row - 0.34, f"{short(pair.first, 28)}  ↔  {short(pair.second, 28)}", va="center", fontsize=9)
        axes.set(ylim=(len(pairs) - 0.45, -0.55), xlim=(0, pairs[0].times * 1.05))
        axes.set_axis_off()
    return done[0]


def reliability(results: Results) -> str:
    """How often it is right, by how sure it says it is."""
    after = _binned([one.confidence for one in results.held], results)
    if not after:
        return ""
    raw = [one.raw for one in results.held]
    before = _binned(raw, results) if raw != [one.confidence for one in results.held] else []
    with drawn(WIDE, 3.5, "reliability") as (figure, done):
        axes = placed(figure, 0.52, 0.45, WIDE - 0.75, 2.6)
        axes.plot((0, 1), (0, 1), color=SOFT, linestyle=(0, (4, 4)), linewidth=1, label="honest")
        for points, colour, filled, name in (
            (before, SERIES[2], PAPER, "before calibration"),
            (after, ACCENT, ACCENT, "as it is now"),
        ):
            if points:
                sure, right, many = zip(*points, strict=True)
                sizes = 14 + 130 * np.array(many) / max(many)
                axes.plot(sure, right, color=colour, linewidth=1.2, alpha=0.55)
                axes.scatter(
                    sure, right, s=sizes, edgecolor=colour, facecolor=filled, linewidth=1.4, zorder=3, alpha=0.9
                )
                axes.scatter([], [], s=36, edgecolor=colour, facecolor=filled, linewidth=1.4, label=name)
        axes.set(xlim=(-0.03, 1.04), ylim=(-0.03, 1.04), xlabel="how sure it says it is")
        axes.set_title("how often it is right", color=SOFT, fontsize=9.5, pad=20)
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, columnspacing=1.2, handletextpad=0.3, borderpad=0
        )
        percents(axes.xaxis, axes.yaxis)
        axes.grid(True)
    return done[0]


def _binned(confidences: Sequence[Number], results: Results) -> list[tuple[float, float, int]]:
    """Mean confidence, share right and number of questions of every bin that is not empty, as `metrics` bins them."""
    pairs = [
        (sure, one.case.right)
        for sure, one in zip(confidences, results.held, strict=True)
        if sure is not None and math.isfinite(sure)
    ]
    found = []
    for number in range(BINS):
        here = [(sure, right) for sure, right in pairs if min(int(sure * BINS), BINS - 1) == number]
        if here:
            sure, right = zip(*here, strict=True)
            found.append((float(np.mean(sure)), float(np.mean(right)), len(here)))
    return found


def risk_coverage(results: Results) -> str:
    """How many answers are wrong, by how many questions it answers."""
    if not results.held:
        return ""
    curve = metrics.risk_coverage([one.case for one in results.held])
    set_at, wrong = results.automated.value or 0.0, results.wrong
    highest = max(curve.risk[-1] * 1.25, results.budget * 2.5, 1.3 * (wrong.value or 0.0), 0.02)
    top = min(1.0, highest)
    with drawn(WIDE, 3.2, "risk") as (figure, done):
        axes = placed(figure, 0.52, 0.25, WIDE - 0.75, 2.5)
        axes.plot(curve.coverage, curve.risk, color=ACCENT, linewidth=2, marker="o" if len(curve.risk) < 3 else "")
        axes.axhline(results.budget, color=BAD, linestyle=(0, (4, 3)), linewidth=1.2)
        said = f"budget: {100 * results.budget:g} % wrong"
        axes.text(1.01, results.budget + 0.015 * top, said, ha="right", color=BAD, fontsize=9)
        if wrong.value is not None and wrong.low is not None and wrong.high is not None:
            axes.vlines(set_at, wrong.low, wrong.high, color=INK, linewidth=1.3)
            axes.scatter(
                [set_at], [wrong.value], s=52, color=INK, zorder=4, label="as it is set now, with its 95 % interval"
            )
            axes.legend(loc="upper left", borderpad=0.1, handletextpad=0.3)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.03 * top, top), xlabel="answered by itself, the surest questions first")
        axes.set_title("wrong among these answers", color=SOFT, fontsize=9.5)
        percents(axes.xaxis, axes.yaxis)
        axes.grid(True)
    return done[0]


def ablation(results: Results) -> str:
    """What each channel is worth: with it, without it, with it alone."""
    rows = results.ablation
    kinds = (
        ("with everything", "whole", ACCENT),
        ("without it", "without", SERIES[2]),
        ("it alone", "only", SERIES[1]),
    )
    panels = [
        (title, figure)
        for title, figure in (("right entry found", "accuracy"), ("answered by itself", "automated"))
        if any(known(getattr(getattr(row, part), figure)) for row in rows for _, part, _ in kinds)
    ]
    if not panels:
        return ""
    each = 0.62 * len(rows)
    height = 0.25 + len(panels) * (each + 0.35)
    with drawn(WIDE, height, "ablation") as (figure, done):
        for place, (title, name) in enumerate(panels):
            axes = placed(figure, 1.8, 0.55 + place * (each + 0.35), WIDE - 1.9, each)
            for row, one in enumerate(rows):
                for offset, (label, part, colour) in zip((-0.27, 0.0, 0.27), kinds, strict=True):
                    standing: Standing = getattr(one, part)
                    value: Number = getattr(standing, name)
                    if value is None or not math.isfinite(value):
                        axes.text(0.01, row + offset, "does not apply", va="center", fontsize=8, color=SOFT)
                        continue
                    axes.barh(row + offset, value, height=0.25, color=colour, label=label if row == 0 else None)
                    axes.text(value + 0.015, row + offset, f"{100 * value:.0f} %", va="center", fontsize=8, color=SOFT)
            axes.set(xlim=(0, 1.2), ylim=(len(rows) - 0.5, -0.5))
            axes.set_yticks(range(len(rows)), [f"{short(channel(one.channel), 26)} ({one.questions})" for one in rows])
            axes.tick_params(length=0, labelcolor=INK)
            axes.set_xticks([])
            axes.spines["bottom"].set_visible(False)
            axes.set_title(title, x=-0.74, color=SOFT, fontsize=9.5)
        legend(figure, [(label, colour) for label, _, colour in kinds])
    return done[0]


def weights(results: Results) -> str:
    """How far each channel is believed, by what is there."""
    rows = sorted((one for one in results.weights if _shares(one.weights)), key=lambda one: -one.questions)[
        :COMBINATIONS
    ]
    if not rows:
        return ""
    names = [name for name in CHANNELS if any(name in row.weights for row in rows)]
    names += sorted({name for row in rows for name in row.weights} - set(names))
    colour = {
        name: SERIES[place % len(SERIES)]
        for place, name in enumerate([*CHANNELS, *sorted(set(names) - CHANNELS.keys())])
    }
    said = [
        textwrap.wrap(f"{' + '.join(map(channel, one.channels)) or 'nothing'} ({one.questions})", 68) for one in rows
    ]
    above = 0.1 + 0.2 * math.ceil(len(names) / 2)
    height = above + sum(0.52 + 0.16 * (len(lines) - 1) for lines in said)
    with drawn(WIDE, height, "weights") as (figure, done):
        axes = placed(figure, 0.03, above, WIDE - 0.06, height - above)
        y = 0.0  # inches
        for one, lines in zip(rows, said, strict=True):
            y += 0.14 + 0.16 * len(lines)
            axes.text(0, y - 0.05, "\n".join(lines), va="bottom", fontsize=8.5, linespacing=1.15)
            start = 0.0
            for name, share in _shares(one.weights).items():
                axes.barh(y + 0.1, share, left=start, height=0.2, color=colour[name], edgecolor=PAPER, linewidth=1)
                if share > 0.08:
                    middle = start + share / 2
                    words = f"{100 * share:.0f} %"
                    axes.text(middle, y + 0.1, words, ha="center", va="center", color=PAPER, fontsize=8.5)
                start += share
            y += 0.22
        axes.set(xlim=(0, 1), ylim=(height - above, 0))
        axes.set_axis_off()
        legend(figure, [(channel(name), colour[name]) for name in names], columns=2)
    return done[0]


def _shares(weights: dict[str, Number]) -> dict[str, float]:
    """Weights as shares of their sum; empty when there is none."""
    real = {
        name: float(value)
        for name, value in weights.items()
        if value is not None and math.isfinite(value) and value > 0
    }
    total = sum(real.values())
    return {name: value / total for name, value in real.items()} if total else {}


def comparison(results: Results) -> str:
    """How often each strategy is right, with its interval."""
    rows = [one for one in results.strategies if known(one.accuracy.value)]
    if len(rows) < 2:
        return ""
    height = 0.5 + 0.36 * len(rows)
    with drawn(WIDE, height, "comparison") as (figure, done):
        axes = placed(figure, 1.9, 0.05, WIDE - 2.05, 0.36 * len(rows))
        for row, one in enumerate(rows):
            colour = ACCENT if one.name == results.chosen else SOFT
            if one.accuracy.low is not None and one.accuracy.high is not None:
                axes.hlines(row, one.accuracy.low, one.accuracy.high, color=colour, linewidth=2)
            axes.scatter([one.accuracy.value], [row], s=48, color=colour, zorder=3)
        axes.set_yticks(range(len(rows)), [short(one.name, 28) for one in rows])
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="right entry found")
        axes.tick_params(length=0, labelcolor=INK)
        axes.tick_params(axis="x", labelcolor=SOFT)
        percents(axes.xaxis, ticks=4)
        axes.grid(True, axis="x")
    return done[0]


def learning(results: Results) -> str:
    """The curves of training: loss, and accuracy where it was measured."""
    panels = [
        (name, [one for one in results.curves if one.figure == name and any(map(known, one.values))])
        for name in ("loss", "accuracy")
    ]
    panels = [(name, curves) for name, curves in panels if curves]
    if not panels:
        return ""
    stages = list(dict.fromkeys(one.stage for _, curves in panels for one in curves))
    colour = {stage: SERIES[place % len(SERIES)] for place, stage in enumerate(stages)}
    above = 0.1 + 0.2 * math.ceil(len(stages) / 3)
    last = max(step for _, curves in panels for one in curves for step in one.steps)
    height = above + 2.1 * len(panels) + 0.2
    with drawn(WIDE, height, "learning") as (figure, done):
        for place, (name, curves) in enumerate(panels):
            axes = placed(figure, 0.52, above + 0.3 + 2.1 * place, WIDE - 0.75, 1.5)
            for one in curves:
                axes.plot(
                    one.steps,
                    [math.nan if value is None else value for value in one.values],
                    color=colour[one.stage],
                    linewidth=1.8 if one.held_out else 0.9,
                    alpha=1 if one.held_out else 0.5,
                    marker="o" if one.held_out else "",
                    markersize=3,
                )
            axes.set_title(name, color=SOFT, fontsize=9.5)
            axes.set(xlim=(0, 1.02 * max(last, 1)), xlabel="step" if place == len(panels) - 1 else "")
            axes.grid(True)
            if name == "accuracy":
                percents(axes.yaxis)
        legend(figure, [(stage, colour[stage]) for stage in stages])
    return done[0]
