"""A knowledge-base folder as one zip file, for downloads and uploads in the console."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from core.errors import KnowledgeError

MOST_FILES = 5_000
LARGEST_FILE = 64 * 1024 * 1024
LARGEST_WHOLE = 512 * 1024 * 1024
STEEPEST = 200  # unpacked to packed bytes; text rarely passes 20
_SMALL = 1024 * 1024  # below this no ratio is suspicious
_CHUNK = 256 * 1024
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db")
_STILL = (1980, 1, 1, 0, 0, 0)  # the same folder makes the same zip, whenever it is made


def to_zip(folder: Path) -> bytes:
    """The regular files of a folder, in the order of their names; links are left out."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _STILL)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = 0o644 << 16
                archive.writestr(member, path.read_bytes())
    return stream.getvalue()


def from_zip(raw: bytes, folder: Path, *, name: str = "upload.zip") -> Path:
    """Unpack an upload into `folder` (empty, ours alone) and return the folder that holds its `kb.yaml`.

    That is `folder`, or the one folder in the archive when people zipped that. Read it with `load(..., trusted=False)`.

    Raises:
        KnowledgeError: not a zip, no `kb.yaml`, or anything in it that is not a plain small file below the folder:
            links, absolute paths, `..`, two files of one name, encryption, too many or too large files. Nothing is
            written outside the folder, and never more than LARGEST_WHOLE bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _Unpacking(name, folder).unpack(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, ValueError) as problem:
        raise KnowledgeError([f"{name}: not a zip file that can be unpacked: {problem}"]) from problem
    tops = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    for top in tops[: 1 if len(tops) > 2 else 2]:
        if (top / "kb.yaml").is_file():
            return top
    raise KnowledgeError([f"{name}: expected kb.yaml at the top of the archive, or in its only folder"])


class _Unpacking:
    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.written = 0
        self.seen: set[str] = set()

    def refuse(self, words: str) -> KnowledgeError:
        return KnowledgeError([f"{self.name}: {words}"])

    def unpack(self, archive: zipfile.ZipFile) -> None:
        members = archive.infolist()
        if len(members) > MOST_FILES:
            raise self.refuse(f"expected at most {MOST_FILES} files, got {len(members)}")
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
        size = 0
        with archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                self.written += len(chunk)
                if size > LARGEST_FILE:
                    raise self.refuse(f"{member.filename}: larger than {LARGEST_FILE // 1024 // 1024} MiB")
                if self.written > LARGEST_WHOLE:
                    raise self.refuse(f"unpacks to more than {LARGEST_WHOLE // 1024 // 1024} MiB")
                if size > _SMALL and size > STEEPEST * max(member.compress_size, 1):
                    raise self.refuse(f"{member.filename}: unpacks to more than {STEEPEST} times its size")
                yield chunk
