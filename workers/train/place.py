"""The folder that a training writes, which must not be somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

from core.errors import BadInput
from workers.model.trained import FILE, TEXT
from workers.model.tuned import is_tuned

WORK, LOG, NOTE = "work", "log", "inputs.json"  # within the folder of the model; the note within `work`
LOCK = ".training.lock"


def must_be_ours(out: Path) -> None:
    """Nothing of somebody else's is written over: a folder is empty, holds a model, or what a killed training left.

    Raises:
        BadInput: it is another one; says what to do.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is not a folder: name one for the model")
    names = {path.name for path in out.iterdir()} - {LOCK} if out.is_dir() else set()
    work, text = out / WORK, out / TEXT
    if noted(work) is not None or not names or (names == {WORK} and _empty(work)):
        return
    if not _model(out / FILE):
        raise BadInput(f"{out} holds other files: name an empty folder, or one that train made")
    if work.exists() and not _empty(work):
        raise BadInput(f"{work} is not what a training left there: move it away, or name another folder")
    if text.exists() and not is_tuned(text):
        raise BadInput(f"{text} is not what a training left there: move it away, or name another folder")


def made(out: Path) -> None:
    """Make the folder where it is not there; only its owner may look into it.

    Raises:
        BadInput: it cannot be made, or is somebody else's.
    """
    must_be_ours(out)
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise BadInput(f"{out} cannot be made ({problem.strerror}): name a folder that you may write to") from problem


def noted(work: Path) -> str | None:
    """What names the inputs of the training that left this; None where no training did."""
    plain = _plain(work / NOTE)
    mark = plain.get("inputs")
    return mark if isinstance(mark, str) and isinstance(plain.get("form"), int) else None


def _model(file: Path) -> bool:
    plain = _plain(file)
    return isinstance(plain.get("form"), int) and all(isinstance(plain.get(one), str) for one in ("encoder", "fusion"))


def _plain(file: Path) -> dict[str, object]:
    """The JSON object in a file; an empty one where there is none."""
    try:
        plain = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
