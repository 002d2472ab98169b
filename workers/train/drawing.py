"""How the figures of a training's report are drawn: as SVG that becomes a part of its page.

Colours are the page's own (`var(--ink)` ...), so that one drawing serves light, dark and paper; letters stay letters,
drawn by the reader's fonts.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

WIDE = 4.3  # inches: what is read on a telephone without turning it
# Placeholders that no drawing of ours uses otherwise; `_page` turns each into a colour of the page.
_NAMES = ("ink", "soft", "line", "accent", "bad", "paper", "c1", "c2", "c3", "c4", "c5", "c6")
_HEX = {name: f"#0a0b{number:02x}" for number, name in enumerate(_NAMES)}
INK, SOFT, LINE, ACCENT, BAD, PAPER = (_HEX[name] for name in _NAMES[:6])
SERIES = tuple(_HEX[name] for name in _NAMES[6:])
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.fontsize": 9,
}


def percents(*axes: Any, ticks: int = 6) -> None:
    """Ticks of these axes read as percent, at most one more than `ticks`."""
    from matplotlib.ticker import MaxNLocator

    for axis in axes:
        axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(lambda share, _: f"{round(100 * share, 4):g} %")


def legend(figure: Any, names: Sequence[tuple[str, str]], columns: int = 3) -> None:
    """Names with their colours, above everything else."""
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=label) for label, colour in names]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 1), ncols=columns, columnspacing=1.2, handlelength=0.8,
        handleheight=0.8, handletextpad=0.5, borderpad=0.2, labelspacing=0.3,
    )  # fmt: skip


def placed(figure: Any, left: float, top: float, width: float, height: float) -> Any:
    """Axes at so many inches from the figure's upper left corner."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))


@contextmanager
def drawn(width: float, height: float, name: str) -> Iterator[tuple[Any, list[str]]]:
    """A figure of so many inches; the list holds its SVG once the block is over."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    done: list[str] = []
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # signs that its own font lacks: the reader's fonts draw the letters
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | {"svg.hashsalt": name})
        figure = Figure(figsize=(width, height))
        figure.patch.set_visible(False)
        yield figure, done
        for axes in figure.axes:
            axes.patch.set_visible(False)
        written = io.StringIO()
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            written, metadata={"Date": None, "Creator": None}
        )
    done.append(_page(written.getvalue(), name))


def _page(svg: str, name: str) -> str:
    """The drawing as a part of a page: the page's colours and fonts, ids of its own, nothing else.

    Letters of the knowledge base are escaped by the writer, so that what is between < and > is the drawing's own.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)

    def mended(tag: re.Match[str]) -> str:
        text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag[0]).replace("xlink:href", "href")
        text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
        text = re.sub(r'(href="|url\()#([^")]*)', rf"\1#{name}-\2", text)
        text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
        return re.sub("|".join(_HEX.values()), lambda found: f"var(--{_NAMES[int(found[0][-2:], 16)]})", text)

    return re.sub(r"<[^>]*>", mended, svg).strip()
