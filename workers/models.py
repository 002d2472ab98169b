"""Trained models that releases name: fetched from the blobs, unpacked, kept."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
import zipfile
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
_NEW = ".new-"  # folders of processes at work begin so
_LEFT = 3600.0  # seconds after which nobody is at work there any longer: its process was killed
_TRIES = 5  # to give a model its name
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

    Processes may share the folder: a model gets its name there once it is whole, and is taken away when enough others
    were asked for since; who needs the files of one for long takes a folder of their own. A model that cannot be had is
    told once, and looked for again after a while; whoever asks meanwhile gets None, to answer with the shipped model.

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
                self._mend(blob)
                self.refuse(blob, str(problem))
                return None
            while len(self._kept) > _KEPT:
                self._drop(next(iter(self._kept)))
        self._kept.move_to_end(blob)
        return self._kept[blob]

    def forms(self, blob: str) -> Mapping[str, Path]:
        """The optimised encoders of a model that `get` gave, by the digest of what each stands in for."""
        return self._forms.get(blob, {})

    def refuse(self, blob: str, problem: str, again: float = AGAIN) -> None:
        """Do without a model for so many seconds; the log says why, once for each reason."""
        self._drop(blob)
        self._refused[blob] = self._clock() + again
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
            with suppress(FileNotFoundError):  # another process has just taken it away
                os.utime(place)
                return place
        raw = self._read(blob)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._folder))
        try:
            unpack(raw, fresh, name=f"the model {blob[:12]}", limits=LIMITS)
            if not (fresh / FILE).is_file():
                raise BadInput(f"the blob {blob[:12]} holds no model: train again")
            self._settle(fresh, place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self._tidy(place)
        return place

    def _settle(self, fresh: Path, place: Path) -> None:
        """Give a whole model its name, unless another process was faster: what others may use stays as it is."""
        for _ in range(_TRIES):
            with suppress(OSError):
                fresh.rename(place)
                return
            there = _inode(place)
            if (place / FILE).is_file():
                return
            self._aside(place, there)
        fresh.rename(place)

    def _aside(self, old: Path, inode: int) -> None:
        """Remove what was seen at `old`, at once for whoever looks; what another process has put there since stays."""
        with suppress(OSError):
            out = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._folder))
            try:
                moved = out / "old"
                old.rename(moved)
                if _inode(moved) != inode:
                    moved.rename(old)
            finally:
                shutil.rmtree(out, ignore_errors=True)

    def _mend(self, blob: str) -> None:
        """Remove an unpacked model that is not what its blob holds; others may use one that only we cannot load."""
        place = self._folder / blob
        there = _inode(place)
        if not there:
            return
        with suppress(PolydeskError, OSError, zipfile.BadZipFile):
            if not _same(place, self._read(blob)):
                self._aside(place, there)

    def _tidy(self, newest: Path) -> None:
        """Only the models that were used last stay on disk: what was removed is unpacked again when it is asked for.

        What killed processes have left goes too.
        """
        there = []
        for one in self._folder.iterdir():
            if not one.name.startswith(_NEW):
                there.append((one == newest, _used(one), one))
            elif _used(one) < time.time() - _LEFT:
                shutil.rmtree(one, ignore_errors=True)
        for _, _, old in sorted(there)[:-_UNPACKED]:
            self._aside(old, _inode(old))


def _same(place: Path, raw: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        try:
            return all((place / one).read_bytes() == archive.read(one) for one in archive.namelist())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False


def _inode(place: Path) -> int:
    """What tells a folder from another one of its name; 0 where there is none."""
    try:
        return place.stat().st_ino
    except OSError:
        return 0


def _used(place: Path) -> float:
    """When it was asked for last, in seconds since 1970; 0 where another process has just removed it."""
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0
