"""Where settings are written: the environment, else a `.env` file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

PREFIX = "POLYDESK_"
DATA = f"{PREFIX}DATA"
NO_HOME = "nobody here has the name behind ~; write the whole path"


def project_root(start: Path | None = None) -> Path:
    """The nearest folder upwards with a pyproject.toml, else the working folder: `.env` and `./var` belong there."""
    here = (start or Path.cwd()).absolute()
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here)


def env_file(root: Path) -> Path:
    """The `.env` file that belongs to a project root; it need not be there."""
    return root / ".env"


def written(root: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What is written, by its name; the environment goes before the file, where an empty value counts as none."""
    in_file = {name: value for name, value in dotenv_values(env_file(root)).items() if value}
    return {**in_file, **{name: value for name, value in environ.items() if value}}


def data_place(root: Path, said: Mapping[str, str]) -> Path:
    """The data folder of what is `written`; a relative one is the same place from wherever a command was started.

    Raises:
        RuntimeError: it begins with the home of somebody who is not known here.
    """
    return root / Path(said.get(DATA) or "var").expanduser()
