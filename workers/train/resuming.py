"""The folder in which a training that was killed finds what it had done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from core import wire
from core.errors import Broken
from core.knowledge.entries import KnowledgeBase
from core.knowledge.history import History
from workers.configuration import Configuration
from workers.train.kept import Kept
from workers.train.log import HELD_OUT, TRAINING, Log
from workers.train.notes import put
from workers.train.place import LOG, NOTE, WORK, must_be_ours

_ELSEWHERE = ("redis_url", "blobs", "models", "encodings", "threads", "log_level")  # settings that change no result
FORM = 2  # of what is kept; another number is not gone on with
_NOBODY = json.dumps({"form": FORM, "inputs": ""}).encode()  # the note of what no training goes on with


class Work:
    """A context manager; what it holds stays when the training dies, and is gone when it is `done`.

    `resumed` tells whether a training with the very same inputs was interrupted here. After one with other inputs only
    what was listened to is taken over, since that is found by content.

    Args:
        out: the folder of the model.
        mark: names the inputs, see `inputs`.
        log: told in a sentence what is gone on with.

    Raises:
        BadInput: the folder is somebody else's. Broken: it cannot be written.
    """

    def __init__(self, out: Path, mark: str, log: Log) -> None:
        must_be_ours(out)
        self.folder = out / WORK
        note, heard = self.folder / NOTE, self.folder / "heard.db"
        told = json.dumps({"form": FORM, "inputs": mark})
        try:
            before = note.read_text(encoding="utf-8") if note.is_file() else None
            self.resumed = before == told
            if not self.resumed:
                self.folder.mkdir(parents=True, exist_ok=True)
                if before is not None:
                    # Whoever kills us meanwhile leaves what no training goes on with.
                    put(note, _NOBODY)
                    _forget(self.folder, heard.name)
                _forget_curves(out / LOG)
                put(note, told.encode())
        except OSError as problem:
            raise Broken(f"{self.folder} cannot be written ({problem}): free space there") from problem
        self.heard = Kept(heard, log.say)
        if self.resumed:
            log.say(f"going on with the training that was interrupted: {len(self.heard)} results of listening are kept")
        elif before is not None:
            log.say(
                "a training with other inputs was interrupted here: this one starts afresh; "
                f"{len(self.heard)} results of listening are taken over"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heard.close()

    def done(self) -> None:
        """Remove everything: what customers said has no business here any longer.

        Whoever kills us meanwhile leaves a note, which says whose this is, so that the next training clears it away.
        """
        self.heard.close()
        with suppress(OSError):
            put(self.folder / NOTE, _NOBODY)
            _forget(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def inputs(knowledge: KnowledgeBase, past: History, configuration: Configuration, **options: object) -> str:
    """Names what decides how a training goes: its files, settings, options; not where things lie, which may change."""
    files = [
        *(photo for entry in knowledge.live for photo in entry.photos),
        *(file for one in past.examples for file in (*one.photos, *one.voices)),
    ]
    plain = json.dumps([wire.dump(knowledge), wire.dump(past), deciding(configuration), options, list(_stamps(files))])
    return hashlib.sha256(plain.encode()).hexdigest()


def deciding(configuration: Configuration) -> dict[str, str]:
    """The settings that decide how a training goes."""
    return {name: str(value) for name, value in asdict(configuration).items() if name not in _ELSEWHERE}


def _stamps(files: Iterable[str]) -> Iterable[tuple[str, int, int]]:
    """What tells a file from another, without reading it; a missing one is told from one that is there."""
    for file in files:
        path = Path(file)
        found = path.stat() if path.is_file() else None
        yield file, found.st_size if found else -1, found.st_mtime_ns if found else 0


def _forget(folder: Path, *but: str) -> None:
    """Remove what is in a folder, but for its note, and for these files with what SQLite keeps beside them."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != NOTE and not path.name.startswith(but):
            path.unlink()


def _forget_curves(folder: Path) -> None:
    """Remove what earlier trainings logged, nothing else; folders that are empty then go too."""
    for stage in folder.iterdir() if folder.is_dir() else ():
        for run in (stage / TRAINING, stage / HELD_OUT):
            for events in run.glob("events.out.tfevents.*"):
                events.unlink()
            _forget_empty(run)
        _forget_empty(stage)
    _forget_empty(folder)


def _forget_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
