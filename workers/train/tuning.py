"""Checkpoints of a fine-tuning run, then the folder that comes of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from core.errors import Broken
from workers.model import hub, tuned
from workers.model.weights import minilm
from workers.train.checkpoints import dropped
from workers.train.sentences import State

FORM = 1  # of a checkpoint


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """How a run stands after `epochs`.

    `state` are the trained weights after the best `epoch`, 0 for the frozen ones; `before` and `after` are accuracies
    on the phrases held out, frozen and at that epoch; `loss` is their negative log-likelihood there.
    """

    before: float | None
    after: float | None
    loss: float
    state: State
    epoch: int
    epochs: int

    def next(self, after: float | None, loss: float, state: State) -> Best:
        """After one more epoch; the last is the best where nothing is held out."""
        epochs = self.epochs + 1
        if after is None or loss < self.loss:
            return replace(self, after=after, loss=loss, state=state, epoch=epochs, epochs=epochs)
        return replace(self, epochs=epochs)


class Checkpoints:
    """The checkpoint of one run, beside the folder it will write; another run's is never read.

    Args:
        out: that folder.
        mark: names the run, see `fingerprint`.
        say: told in a sentence when it cannot be gone on from.
    """

    def __init__(self, out: Path, mark: str, say: Callable[[str], None] | None = None) -> None:
        self._out, self._say = out, say
        self.path = out.with_name(f".{out.name}.{mark}.pt")

    def save(self, best: Best, parts: State, adam: torch.optim.Optimizer) -> None:
        """Write, then rename into place: whoever kills us leaves the last one whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".part")
        plain = {name: getattr(best, name) for name in Best.__dataclass_fields__}
        with scratch.open("wb") as file:
            torch.save({"form": FORM, "best": plain, "parts": parts, "adam": adam.state_dict()}, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.path)

    def load(self, parts: State, adam: torch.optim.Optimizer) -> Best | None:
        """Take over weights with the optimiser's state; None without a checkpoint that can be read.

        One that cannot, or is of other dimensions, is gone then, and nothing was taken over.

        Raises:
            Broken: it can be neither read nor deleted; says what to do.
        """
        if not self.path.is_file():
            return None
        try:
            stored: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            if stored["form"] != FORM or stored["parts"].keys() != parts.keys():
                raise ValueError("it is of another version")
            found = Best(**stored["best"])
            if any(stored["parts"][name].shape != value.shape for name, value in parts.items()):
                raise ValueError("it is of other dimensions")
            adam.load_state_dict(stored["adam"])  # refused as a whole, like all above
        except Exception as problem:  # a damaged file may be anything to torch
            dropped(self.path, problem, self._say)
            return None
        for name, value in parts.items():
            value.copy_(stored["parts"][name])
        return found

    def clear(self) -> None:
        """Remove what runs towards this folder have left."""
        for path in self.path.parent.glob(f".{self._out.name}.*.p*t"):
            path.unlink(missing_ok=True)


def fingerprint(encoder: Path, rest: object) -> str:
    """Names a run: the encoder's content with everything else that decides how it goes."""
    return hashlib.sha256(f"{hub.fingerprint(encoder)}\0{json.dumps(rest)}".encode()).hexdigest()[:12]


def write(
    encoder: Path, state: State, out: Path, languages: frozenset[str], longest: int, told: dict[str, object]
) -> str:
    """Write the folder, converted as prepared weights are; it appears complete or not at all.

    Returns:
        its digest.

    Raises:
        Broken: it cannot be written.
    """
    from safetensors.torch import save_file

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for left in out.parent.glob(f".{out.name}.making-*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.making-", dir=out.parent) as scratch:
            found, made = Path(scratch) / "found", Path(scratch) / "made"
            found.mkdir()
            made.mkdir()
            for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
                if (encoder / name).is_file():
                    shutil.copyfile(encoder / name, found / name)
            save_file(state, found / "model.safetensors", metadata={"format": "pt"})
            minilm.convert(found, made)
            note = tuned.describe(made, languages, longest, told)
            if out.exists():
                out.rename(Path(scratch) / "old")
            made.rename(out)
    except OSError as problem:
        raise Broken(f"cannot write the fine-tuned text model to {out}: {problem}; free space there") from problem
    return note.digest
