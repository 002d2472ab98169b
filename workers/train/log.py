"""What a training says while it runs: scalars for TensorBoard, a bar on a terminal, progress for whoever listens.

Each stage writes two runs, `STAGE/training` and `STAGE/held-out`, whose scalars have the same names, so that
TensorBoard draws them into one chart (`tensorboard --logdir FOLDER`).
"""

from __future__ import annotations

import re
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from workers.train.results import Curve, Timed

TRAINING, HELD_OUT = "training", "held-out"
FLUSH_EVERY, TELL_EVERY = 5.0, 0.2  # seconds
FLUSH_STEPS = 25
_NAME = re.compile(r"\w[\w .+-]*")
_HEADER, _CHECKED = struct.Struct("<QI"), 4  # a record's length with its checksum, the checksum behind its bytes


@dataclass(frozen=True, slots=True)
class Told:
    """How far a stage is; `total` is 0 when nobody knows. `figures` are the latest, held-out ones marked so."""

    stage: str
    done: int
    total: int
    figures: dict[str, float] = field(default_factory=dict)


class Log:
    """The log of one training; a context manager.

    Args:
        folder: where TensorBoard will look; None writes nothing.
        stream: where the bar goes when it is a terminal, and else one line for each stage; stderr by default.
        listen: called at the beginning and end of a stage, and at most five times a second between.
    """

    def __init__(
        self, folder: Path | None = None, *, stream: TextIO | None = None, listen: Callable[[Told], None] | None = None
    ) -> None:
        where = sys.stderr if stream is None else stream
        self.timed: list[Timed] = []
        self._folder, self._listen = folder, listen
        self._console = Console(file=where, highlight=False)
        self._bar: Progress | None = None
        if where.isatty() and not self._console.is_dumb_terminal:
            text = (TextColumn("{task.description:<16}", markup=False), TextColumn("{task.fields[said]}", markup=False))
            self._bar = Progress(
                text[0], BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), text[1], console=self._console
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """One line, above the bar where there is one."""
        self._console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int = 0, *, done: int = 0) -> Iterator[Stage]:
        """A stage of `total` steps, 0 when nobody knows how many, of which `done` were made before it was resumed.

        What an earlier run logged of later steps is void from now on, also for TensorBoard. The seconds that the stage
        took are appended to `timed`.

        Raises:
            ValueError: the name cannot be that of a folder.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"a stage is named by letters, digits, spaces, dots, hyphens and underscores, not {name!r}"
            )
        began = time.monotonic()
        with ExitStack() as stack:
            runs = {}
            if self._folder is not None:
                for run in (TRAINING, HELD_OUT):
                    runs[run] = stack.enter_context(_writer(self._folder / name / run, done))
            task = None
            if self._bar is not None:
                task = self._bar.add_task(name, total=total or None, completed=done, said="")
            stage = Stage(name, total, done, runs, self._bar, task, self._listen)
            try:
                yield stage
                stage.finish()
            finally:
                seconds = time.monotonic() - began
                self.timed.append(Timed(name, seconds))
                if self._bar is None:
                    self.say(stage.line(seconds))


class Stage:
    """A stage while it runs; made by `Log.stage`."""

    def __init__(
        self,
        name: str,
        total: int,
        done: int,
        runs: dict[str, _Writer],
        bar: Progress | None,
        task: TaskID | None,
        listen: Callable[[Told], None] | None,
    ) -> None:
        self.name, self.total, self.done = name, total, done
        self._runs, self._bar, self._task, self._listen = runs, bar, task, listen
        self._figures: dict[str, float] = {}
        self._last = 0.0
        self._over = False
        self._tell(at_once=True)

    def step(self, done: int, *, held_out: bool = False, **figures: float) -> None:
        """After step `done`, counted from 1: its figures, such as loss, accuracy, rate (of learning)."""
        self.done = done
        for figure, value in figures.items():
            self._figures[f"{figure} held out" if held_out else figure] = float(value)
        run = self._runs.get(HELD_OUT if held_out else TRAINING)
        if run is not None and figures:
            run.write(done, {figure: float(value) for figure, value in figures.items()})
        if held_out or done % FLUSH_STEPS == 0:  # about when checkpoints are kept: what is gone on from was logged
            for one in self._runs.values():
                one.flush()
        self._tell()

    def finish(self) -> None:
        """It is over, perhaps early."""
        self._over = True
        self._tell(at_once=True)

    def line(self, seconds: float) -> str:
        """The stage in one line."""
        steps = f"{self.done} of {self.total} steps" if self.total else f"{self.done} steps" if self.done else ""
        parts = ["" if self._over else "interrupted", steps, self._said(), f"{seconds:.1f} s"]
        return f"{self.name}: {', '.join(part for part in parts if part)}"

    def _said(self) -> str:
        return ", ".join(f"{figure} {value:.3g}" for figure, value in self._figures.items() if figure != "rate")

    def _tell(self, *, at_once: bool = False) -> None:
        if self._bar is not None and self._task is not None:
            # A stage that stops early is over: its bar is full where it stopped.
            total = (self.done or 1 if self._over else self.total) or None
            self._bar.update(self._task, completed=self.done or self._over, total=total, said=self._said())
        now = time.monotonic()
        if self._listen is not None and (at_once or now - self._last >= TELL_EVERY):
            self._last = now
            self._listen(Told(self.name, self.done, self.total, dict(self._figures)))


class _Writer:
    """An event file of one run."""

    def __init__(self, file: Path, done: int) -> None:
        from tensorboardX import RecordWriter  # type: ignore[import-untyped]
        from tensorboardX.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]

        self._event = Event
        self._records = RecordWriter(str(file))
        self._flushed = time.monotonic()
        self._put(file_version="brain.Event:2")
        # TensorBoard drops what earlier files hold from this step on.
        self._put(step=done + 1 if done else 0, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, figures: dict[str, float]) -> None:
        from tensorboardX.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

        values = [Summary.Value(tag=figure, simple_value=value) for figure, value in figures.items()]
        self._put(step=step, summary=Summary(value=values))
        if time.monotonic() - self._flushed > FLUSH_EVERY:
            self._flushed = time.monotonic()
            self._records.flush()

    def flush(self) -> None:
        self._records.flush()

    def close(self) -> None:
        self._records.flush()
        self._records.close()

    def _put(self, **parts: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **parts).SerializeToString())


@contextmanager
def _writer(folder: Path, done: int) -> Iterator[_Writer]:
    """A new file behind those that are there: TensorBoard reads them in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [file.suffix[1:] for file in folder.glob("events.out.tfevents.*")]
    number = max((int(number) for number in numbers if number.isdigit()), default=0) + 1
    writer = _Writer(folder / f"events.out.tfevents.{number:06}", done)
    try:
        yield writer
    finally:
        writer.close()


def read(folder: Path) -> tuple[Curve, ...]:
    """The curves of all stages that were logged in `folder`, by name of stage; none when it is not there.

    A file that ends within a record, since its process was killed, is read as far as it goes.
    """
    curves = []
    for run in sorted(file for stage in folder.glob("*") for file in stage.glob("*") if file.is_dir()):
        points: dict[str, dict[int, float]] = {}
        for event in (event for file in sorted(run.glob("events.out.tfevents.*")) for event in _events(file)):
            if event.HasField("session_log"):
                points = {
                    figure: {step: value for step, value in known.items() if step < event.step}
                    for figure, known in points.items()
                }
            for value in event.summary.value:
                points.setdefault(value.tag, {})[event.step] = value.simple_value
        curves += [
            Curve(run.parent.name, figure, tuple(known), tuple(known.values()), run.name == HELD_OUT)
            for figure, known in points.items()
            if known
        ]
    return tuple(curves)


def _events(file: Path) -> Iterator[Any]:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorboardX.proto.event_pb2 import Event

    stored = file.read_bytes()
    place = 0
    while place + _HEADER.size <= len(stored):
        length, _ = _HEADER.unpack_from(stored, place)
        start, end = place + _HEADER.size, place + _HEADER.size + length
        if end + _CHECKED > len(stored):
            return
        try:
            event = Event.FromString(stored[start:end])
        except DecodeError:  # a disk may lose what was written last: curves are no reason to end a training
            return
        yield event
        place = end + _CHECKED
