"""Checkpoints of a training in steps: where it stood, so that a killed one goes on to the same result."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import Broken

FORM = 1  # of a checkpoint


class Checkpoint:
    """One file, replaced as a whole; whoever kills us leaves the last one.

    Args:
        path: the file.
        say: told in a sentence when it cannot be gone on from.
    """

    def __init__(self, path: Path, say: Callable[[str], None] | None = None) -> None:
        self.path, self._say = path, say

    def save(self, plain: dict[str, Any], dice: np.random.Generator) -> None:
        """Keep numbers, tensors, state dictionaries, with both sources of chance."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".part")
        chance = {"dice": json.dumps(dice.bit_generator.state), "torch": torch.get_rng_state()}
        with scratch.open("wb") as file:
            torch.save({"form": FORM, "chance": chance, **plain}, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.path)

    def load(self) -> dict[str, Any] | None:
        """What was kept last; None when nothing was, or nothing that can be read: that is gone then.

        Raises:
            Broken: it can be neither read nor deleted; says what to do.
        """
        if not self.path.is_file():
            return None
        try:
            stored: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            if stored["form"] != FORM:
                raise ValueError("it is of another version")
        except Exception as problem:  # a damaged file may be anything to torch
            self.drop(problem)
            return None
        return stored

    def drop(self, problem: Exception) -> None:
        """Do without what was kept, see `dropped`."""
        dropped(self.path, problem, self._say)

    @staticmethod
    def chance(stored: dict[str, Any], dice: np.random.Generator) -> None:
        """Set both sources of chance to where they stood."""
        dice.bit_generator.state = json.loads(stored["chance"]["dice"])
        torch.set_rng_state(stored["chance"]["torch"])


def dropped(path: Path, problem: Exception, say: Callable[[str], None] | None) -> None:
    """Delete a checkpoint that nobody can go on from, which costs time, nothing else.

    Args:
        path: the file.
        problem: what is wrong with it.
        say: told so in a sentence.

    Raises:
        Broken: it cannot be deleted; says what to do.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as failed:
        raise Broken(
            f"cannot go on from the checkpoint {path} ({brief(problem)}), which cannot be deleted either "
            f"({failed.strerror}): delete it, then train again"
        ) from problem
    if say is not None:
        say(f"the checkpoint {path} cannot be gone on from ({brief(problem)}): what it kept is learned anew")


def brief(problem: Exception) -> str:
    """The last line of what torch says, which is the one that names something."""
    return (str(problem).splitlines() or [type(problem).__name__])[-1].strip()
