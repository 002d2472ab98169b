"""What a worker process is told by its settings: no platform token, no database password."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.broker import address_problem
from core.environment import DATA, NO_HOME, PREFIX, data_place, project_root, written
from core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Configuration:
    """The part of the settings that workers need; the names in the environment are those of the gateway's settings.

    `tone` says that customers are told about it (POLYDESK_TONE_NOTICE is set): without that no tone is looked at.
    """

    redis_url: str
    blobs: Path
    models: Path
    encodings: Path
    text_model: str = "auto"
    image_model: str = "auto"
    speech_model: str = "auto"
    voice_model: str = "auto"
    tone: bool = False
    device: str = "auto"
    threads: int = 1
    log_level: str = "INFO"

    @property
    def trained(self) -> Path:
        """The folder in which trained models are unpacked; each is fetched from the blobs again when it is gone."""
        return self.encodings.with_name("trained")


def from_environment(environ: Mapping[str, str] = os.environ, start: Path | None = None) -> Configuration:
    """Read the configuration from the environment, else from the `.env` file that the gateway reads too.

    Raises:
        SettingsError: POLYDESK_REDIS_URL is missing, or something is wrong; with every problem at once.
    """
    root = project_root(start)
    said = written(root, environ)
    problems: list[str] = []

    def setting(name: str, default: str) -> str:
        return said.get(f"{PREFIX}{name}", default)

    def folder(name: str, find: Callable[[], Path]) -> Path:
        try:
            return find().absolute()
        except RuntimeError:
            problems.append(f"{name}: {NO_HOME}")
            return root

    data = folder(DATA, lambda: data_place(root, said))
    blobs = folder(f"{PREFIX}BLOBS", lambda: Path(setting("BLOBS", str(data / "blobs"))).expanduser())
    redis_url = setting("REDIS_URL", "")
    if not redis_url:
        problems.append("POLYDESK_REDIS_URL: a worker needs the broker's address, such as redis://127.0.0.1:6379/0")
    elif wrong := address_problem(redis_url):
        problems.append(f"POLYDESK_REDIS_URL: {wrong}")
    threads = setting("THREADS", "1")
    if not (threads.isascii() and threads.isdigit() and int(threads)):
        problems.append("POLYDESK_THREADS: expected a whole number from 1 on")
    if problems:
        raise SettingsError(problems)
    return Configuration(
        redis_url=redis_url,
        blobs=blobs,
        models=data / "models",
        encodings=data / "encodings.db",
        text_model=setting("TEXT_MODEL", "auto"),
        image_model=setting("IMAGE_MODEL", "auto"),
        speech_model=setting("SPEECH_MODEL", "auto"),
        voice_model=setting("VOICE_MODEL", "") or "auto",
        tone=bool(setting("TONE_NOTICE", "").strip()),
        device=setting("DEVICE", "auto"),
        threads=int(threads),
        log_level=setting("LOG_LEVEL", "INFO"),
    )
