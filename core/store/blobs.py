"""A folder of blobs named by what they hold.

Gateway and workers share it: a blob is written once, never changed, and found by the SHA-256 of its bytes. It needs no
database; who still wants which blob is the business of `core.store.references`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from core.errors import BadInput, Broken, Retry

_SHA = re.compile(r"[0-9a-f]{64}")


def valid_sha(sha: str) -> bool:
    """Whether this is the lower-case hexadecimal SHA-256 that names a blob."""
    return _SHA.fullmatch(sha) is not None


class BlobFolder:
    """Blobs under `root`, which is made on the first `put`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha: str) -> Path:
        """Where the blob lies, or would.

        Raises:
            BadInput: not a SHA-256, so that no name from outside leads out of the folder.
        """
        if not valid_sha(sha):
            raise BadInput("a blob is named by 64 lower-case hexadecimal digits")
        return self.root / sha[:2] / sha[2:4] / sha

    def put(self, raw: bytes) -> str:
        """Write bytes and return their SHA-256; they are complete and durable, or not there at all.

        Putting what is there already only makes it look new, so that a sweep on its way spares it.

        Raises:
            Retry: the disk is full. Broken: the folder cannot be written.
        """
        return self.put_file(io.BytesIO(raw))

    def put_file(self, file: IO[bytes]) -> str:
        """As `put`, with what an open file holds; never more than a piece of it is in memory."""
        file.seek(0)
        sha = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        size = file.seek(0, io.SEEK_END)
        target = self.path(sha)
        with self.writing(target.parent):
            if target.exists() and target.stat().st_size == size:
                os.utime(target)
                return sha
            target.parent.mkdir(parents=True, exist_ok=True)
            file.seek(0)
            _write(target, file)
        return sha

    @contextmanager
    def scratch(self) -> Iterator[Scratch]:
        """A file without a name for what grows until it is put; raises like `put`, when it is made as when written."""
        with self.writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self.root)  # noqa: SIM115
        with closing(Scratch(self, file)) as scratch:
            yield scratch

    def get(self, sha: str) -> bytes:
        """Read a blob.

        Raises:
            BadInput: not a SHA-256. Broken: it is not there, or its bytes are no longer what its name says.
        """
        with self._reading(sha):
            raw = self.path(sha).read_bytes()
        _must_be(sha, hashlib.sha256(raw).hexdigest())
        return raw

    def lines(self, sha: str) -> Iterator[bytes]:
        """The lines of a blob, one at a time in memory; raises like `get`, before the first."""
        with self._reading(sha), self.path(sha).open("rb") as file:
            _must_be(sha, hashlib.file_digest(file, "sha256").hexdigest())
            file.seek(0)
            yield from file

    def exists(self, sha: str) -> bool:
        """Whether the blob is there; False for anything that is not a SHA-256."""
        return valid_sha(sha) and self.path(sha).is_file()

    def delete(self, sha: str) -> None:
        """Remove a blob; does nothing when it is gone already."""
        self.path(sha).unlink(missing_ok=True)

    def age(self, sha: str, now: float) -> float | None:
        """Seconds since the blob was last put, seen from `now` (seconds, UTC); None when it is not there."""
        try:
            return now - self.path(sha).stat().st_mtime
        except FileNotFoundError:
            return None

    def all(self) -> Iterator[str]:
        """The names of all blobs there are."""
        for path in sorted(self.root.glob("??/??/*")):
            if valid_sha(path.name):
                yield path.name

    @contextmanager
    def writing(self, folder: Path) -> Iterator[None]:
        """While it is open, what cannot be written there is said as `put` says it."""
        try:
            yield
        except OSError as problem:
            if problem.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Retry("no room left for photos and voice notes", after=5.0) from problem
            raise Broken(f"cannot write {folder}: {problem.strerror}") from problem

    @contextmanager
    def _reading(self, sha: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as problem:
            raise Broken(f"blob {sha[:12]} is missing from {self.root}") from problem
        except OSError as problem:
            raise Broken(f"cannot read blob {sha[:12]}: {problem.strerror}") from problem


class Scratch:
    """What `BlobFolder.scratch` gives: it is written piece by piece, then put."""

    def __init__(self, folder: BlobFolder, file: IO[bytes]) -> None:
        self._folder = folder
        self._file = file

    def write(self, piece: bytes) -> None:
        """Add to what there is; raises like `BlobFolder.put`."""
        with self._folder.writing(self._folder.root):
            self._file.write(piece)

    def put(self) -> str:
        """Keep what was written as a blob; raises like `BlobFolder.put`."""
        with self._folder.writing(self._folder.root):  # what is still in memory is written now
            self._file.flush()
        return self._folder.put_file(self._file)

    def close(self) -> None:
        """Let go; what was not put is lost, so that nobody minds when it cannot be written."""
        with suppress(OSError):
            self._file.close()


def _must_be(sha: str, found: str) -> None:
    if found != sha:
        raise Broken(f"blob {sha[:12]} is damaged")


def _write(target: Path, raw: IO[bytes]) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(raw, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o640)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
