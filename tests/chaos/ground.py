"""The ground every schedule stands on: a database with a published knowledge base, and photos, made once a process."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from core.bell import Bell
from core.clock import WallClock
from core.fetching import keep
from core.knowledge.entries import Entry, KnowledgeBase
from core.publishing import Publishing
from core.store.store import Store
from core.texts import names, takes
from core.values import Attachment, AttachmentKind
from tests.chaos.platform import HALVES

UNITS = 60  # questions that one schedule may hold


@dataclass(frozen=True, slots=True)
class Ground:
    """`photos` are raw pictures by unit; `shas` says which unit a stored picture belongs to."""

    folder: Path
    photos: dict[int, bytes]
    shas: dict[str, int]

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    def database(self) -> Path:
        """A fresh copy of the database; there is one at a time."""
        file = self.folder / "day.db"
        shutil.copyfile(self.folder / "template.db", file)
        return file

    @staticmethod
    def clear(file: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)


def knowledge() -> KnowledgeBase:
    """An entry for each question there can be; every fixed text says its own name."""
    entries = []
    for unit in range(1, UNITS + 1):
        words = f"This is answer {unit}."
        if unit % 5 == 0:
            words += f"{HALVES}And the rest of answer {unit}."
        entries.append(Entry(f"e-{unit}", f"Topic {unit}?", {"en": words}, escalate=unit % 10 == 7))
    entries += [Entry(f"x-{number}", f"Extra {number}?", {"en": f"This is extra {number}."}) for number in (1, 2)]
    texts = {
        name: {"en": " ".join([f"[{name}]", *(f"{{{value}}}" for value in sorted(takes(name)))])} for name in names()
    }
    return KnowledgeBase("Chaos shop", entries=tuple(entries), messages=texts)


def _photo(unit: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (unit, 255 - unit, 7)).save(out, "PNG")
    return out.getvalue()


@contextmanager
def room() -> Iterator[Path]:
    """A folder for as long as schedules run; in memory where the system has a place for that."""
    shared = Path("/dev/shm")
    place = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="polydesk-chaos-", dir=place) as folder:
        yield Path(folder)


def laid(room: Path) -> Ground:
    """This process's ground, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=room))
    photos = {unit: _photo(unit) for unit in range(1, UNITS + 1)}
    shas = asyncio.run(_prepared(folder, photos))
    return Ground(folder, photos, shas)


async def _prepared(folder: Path, photos: dict[int, bytes]) -> dict[str, int]:
    clock = WallClock()
    store = await Store.open(f"sqlite:///{folder / 'template.db'}", folder / "blobs", clock)
    try:
        publishing = Publishing(store, Bell(), clock, "default")
        await publishing.bring_in(knowledge())
        await publishing.publish()
        part = Attachment(AttachmentKind.PHOTO)
        return {keep(store.blobs, part, raw).blob: unit for unit, raw in photos.items()}
    finally:
        await store.close()
