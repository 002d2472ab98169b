"""Folders as zip files that travel, unpacked with suspicion."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from core.errors import BadInput

_MIB = 1024 * 1024
_SMALL = _MIB  # below this no ratio is suspicious
_CHUNK = 256 * 1024
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db")
_STILL = (1980, 1, 1, 0, 0, 0)  # the same folder makes the same zip, whenever it is made


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold: how many files, bytes of one, bytes of all, unpacked bytes for each packed one."""

    files: int = 5_000
    file: int = 64 * _MIB
    whole: int = 512 * _MIB
    steepest: int = 200  # text rarely passes 20


def to_zip(folder: Path, *, without: Collection[str] = ()) -> bytes:
    """The regular files of a folder, in the order of their names; links, and what `without` names at its top, stay."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not path.is_symlink() and inside.parts[0] not in without:
                member = zipfile.ZipInfo(inside.as_posix(), _STILL)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = 0o644 << 16
                archive.writestr(member, path.read_bytes())
    return stream.getvalue()


def unpack(raw: bytes, folder: Path, *, name: str, limits: Limits | None = None) -> None:
    """Unpack an archive into `folder` (empty, ours alone).

    Raises:
        BadInput: not a zip, or anything in it that is not a plain small file below the folder: links, absolute paths,
            `..`, two files of one name, encryption, too many or too large files. Nothing is written outside the
            folder, and never more than the limits allow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _Unpacking(name, folder, limits or Limits()).unpack(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, ValueError) as problem:
        raise BadInput(f"{name}: not a zip file that can be unpacked: {problem}") from problem


class _Unpacking:
    def __init__(self, name: str, folder: Path, limits: Limits) -> None:
        self.name = name
        self.folder = folder
        self.limits = limits
        self.written = 0
        self.seen: set[str] = set()

    def refuse(self, words: str) -> BadInput:
        return BadInput(f"{self.name}: {words}")

    def unpack(self, archive: zipfile.ZipFile) -> None:
        members = archive.infolist()
        if len(members) > self.limits.files:
            raise self.refuse(f"expected at most {self.limits.files} files, got {len(members)}")
        # Everything is looked at before anything is written.
        wanted = [(member, place) for member in members if (place := self.place(member)) is not None]
        for member, place in wanted:
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("xb") as file:
                    for chunk in self.chunks(archive, member):
                        file.write(chunk)
            except OSError as problem:
                raise self.refuse(f"{member.filename}: cannot be unpacked: {problem.strerror}") from problem

    def place(self, member: zipfile.ZipInfo) -> Path | None:
        """Where a member goes; None for folders and what operating systems add."""
        path = PurePosixPath(member.filename)
        windows = PureWindowsPath(member.filename)
        if path.is_absolute() or windows.drive or windows.root or ".." in (*path.parts, *windows.parts):
            raise self.refuse(f"expected paths inside the archive, got {member.filename!r}")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise self.refuse(f"{member.filename}: expected a plain file, got a link or a device")
        if member.is_dir() or any(part in _JUNK for part in path.parts):
            return None
        if member.flag_bits & 0x1:
            raise self.refuse(f"{member.filename}: is encrypted; zip it without a password")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.refuse(f"{member.filename}: expected the usual compression (deflate)")
        if str(path).casefold() in self.seen:
            raise self.refuse(f"{member.filename}: is in the archive twice")
        self.seen.add(str(path).casefold())
        return self.folder / path

    def chunks(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
        """The bytes of a member, counted as they come: what its header promises proves nothing."""
        limits = self.limits
        size = 0
        with archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                self.written += len(chunk)
                if size > limits.file:
                    raise self.refuse(f"{member.filename}: larger than {limits.file // _MIB} MiB")
                if self.written > limits.whole:
                    raise self.refuse(f"unpacks to more than {limits.whole // _MIB} MiB")
                if size > _SMALL and size > limits.steepest * max(member.compress_size, 1):
                    raise self.refuse(f"{member.filename}: unpacks to more than {limits.steepest} times its size")
                yield chunk
