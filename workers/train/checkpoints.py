"""Checkpoints of a training in steps: where it stood, so that a killed one goes on to the same result."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import Broken

FORM = 1  # of a checkpoint


class Checkpoint:
    """One file, replaced as a whole; whoever kills us leaves the last one."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
        """What was kept last; None when nothing was.

        Raises:
            Broken: it cannot be read; says what to do.
        """
        if not self.path.is_file():
            return None
        try:
            stored: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            if stored["form"] != FORM:
                raise ValueError("it is of another version")
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as problem:
            raise Broken(
                f"cannot go on from the checkpoint {self.path} ({brief(problem)}): delete it, then train again"
            ) from problem
        return stored

    @staticmethod
    def chance(stored: dict[str, Any], dice: np.random.Generator) -> None:
        """Set both sources of chance to where they stood."""
        dice.bit_generator.state = json.loads(stored["chance"]["dice"])
        torch.set_rng_state(stored["chance"]["torch"])


def brief(problem: Exception) -> str:
    """The last line of what torch says, which is the one that names something."""
    return (str(problem).splitlines() or [type(problem).__name__])[-1].strip()
