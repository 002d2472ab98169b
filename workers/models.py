"""Trained models that releases name: fetched from the blobs, unpacked, kept."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from core.archives import Limits, to_zip, unpack
from core.errors import BadInput, PolydeskError
from core.knowledge.entries import KnowledgeBase
from workers.configuration import Configuration
from workers.model.optimised import forms
from workers.model.shelf import Shelf
from workers.model.trained import FILE, Trained

log = structlog.get_logger()

LIMITS = Limits(files=500, file=1024**3, whole=2 * 1024**3)  # a fine-tuned text encoder takes some 200 MB
NOT_THE_MODEL = ("log", "work", "results.json", "report.html")  # of what a training leaves in its folder
AGAIN = 60.0  # seconds after which a model that could not be had is tried again
_KEPT = 3  # models, in memory
_UNPACKED = 6  # models, on disk


def packed(folder: Path) -> bytes:
    """A model's folder as one zip file, without what answers nothing."""
    hidden = {path.name for path in folder.iterdir() if path.name.startswith(".")}  # checkpoints to go on from
    return to_zip(folder, without={*NOT_THE_MODEL, *hidden})


def ready(folder: Path, knowledge: KnowledgeBase, configuration: Configuration) -> bytes:
    """A model's folder `packed` for a release, once it is sure that a worker can answer with it.

    Args:
        folder: what `polydesk train` or `polydesk optimise` wrote.
        knowledge: what the release holds.
        configuration: the workers' settings.

    Raises:
        BadInput: it holds no model, too large a one, or one made for other encoders. Broken: one of its encoders is
            damaged, or weights are missing.
    """
    Trained.load(folder), forms(folder)  # before anything is packed, so that what is wrong is told of this folder
    raw = packed(folder)
    with tempfile.TemporaryDirectory() as place:
        there = Models(lambda _: raw, Path(place)).folder("model")
        trained = Trained.load(there)
        shelf = Shelf.of(configuration).beside(trained.text, forms(there))
        image = shelf.image.digest if trained.joint is not None else ""
        trained.must_fit(shelf.text(knowledge.language).digest, image)
    return raw


class Models:
    """Trained models by the blobs that hold them.

    Processes may share the folder: a model gets its name there once it is whole. One that cannot be had is told once,
    and looked for again after a while; whoever asks meanwhile gets None, to answer with the shipped model.

    Args:
        read: the bytes of a blob; raises PolydeskError.
        folder: where models are unpacked, made when it is needed.
        clock: monotonic seconds.

    `dropped` is told the blob of a model that is not kept in memory any longer.
    """

    def __init__(
        self,
        read: Callable[[str], bytes],
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._folder = folder
        self.dropped: Callable[[str], None] | None = None
        self._clock = clock
        self._kept: OrderedDict[str, Trained] = OrderedDict()
        self._forms: dict[str, Mapping[str, Path]] = {}
        self._refused: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()

    def get(self, blob: str) -> Trained | None:
        """The model in a blob; None when it cannot be used, which the log says."""
        if self._clock() < self._refused.get(blob, float("-inf")):
            return None
        if blob not in self._kept:
            try:
                folder = self.folder(blob)
                trained, self._forms[blob] = Trained.load(folder), forms(folder)
                self._kept[blob] = trained
            except (PolydeskError, OSError) as problem:
                shutil.rmtree(self._folder / blob, ignore_errors=True)  # perhaps only what was unpacked is damaged
                self.refuse(blob, str(problem))
                return None
            while len(self._kept) > _KEPT:
                self._drop(next(iter(self._kept)))
        self._kept.move_to_end(blob)
        return self._kept[blob]

    def forms(self, blob: str) -> Mapping[str, Path]:
        """The optimised encoders of a model that `get` gave, by the digest of what each stands in for."""
        return self._forms.get(blob, {})

    def refuse(self, blob: str, problem: str) -> None:
        """Do without a model for a while; the log says why, once for each reason."""
        self._drop(blob)
        self._refused[blob] = self._clock() + AGAIN
        if (blob, problem) not in self._told:
            self._told.add((blob, problem))
            log.error("model.unusable", model=blob[:12], problem=problem, instead="the shipped model answers")

    def _drop(self, blob: str) -> None:
        self._forms.pop(blob, None)
        if self._kept.pop(blob, None) is not None and self.dropped is not None:
            self.dropped(blob)

    def folder(self, blob: str) -> Path:
        """The unpacked folder of a blob.

        Raises:
            BadInput: it is no model, or holds what no model may. Broken: the blob is missing, or damaged. OSError: it
                cannot be unpacked.
        """
        place = self._folder / blob
        if (place / FILE).is_file():
            os.utime(place)
            return place
        raw = self._read(blob)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            unpack(raw, fresh, name=f"the model {blob[:12]}", limits=LIMITS)
            if not (fresh / FILE).is_file():
                raise BadInput(f"the blob {blob[:12]} holds no model: train again")
            shutil.rmtree(place, ignore_errors=True)
            with suppress(OSError):  # another process was faster
                fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self._tidy(place)
        return place

    def _tidy(self, newest: Path) -> None:
        """Only the models that were used last stay on disk: what was removed is unpacked again when it is asked for."""
        there = [one for one in self._folder.iterdir() if one.is_dir() and not one.name.startswith(".new-")]
        there.sort(key=lambda one: (one == newest, one.stat().st_mtime))
        for old in there[:-_UNPACKED]:
            shutil.rmtree(old, ignore_errors=True)
