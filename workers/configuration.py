"""What a worker process is told by its environment: no platform token, no database password."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Configuration:
    """The part of the settings that workers need; the names in the environment are those of the gateway's settings."""

    redis_url: str
    blobs: Path
    models: Path
    encodings: Path
    text_model: str = "auto"
    image_model: str = "auto"
    speech_model: str = "auto"
    device: str = "auto"
    threads: int = 1
    log_level: str = "INFO"


def from_environment(environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read the configuration.

    Raises:
        SettingsError: POLYDESK_REDIS_URL is missing.
    """

    def setting(name: str, default: str) -> str:
        return environ.get(f"POLYDESK_{name}") or default

    data = Path(setting("DATA", "var")).expanduser().absolute()
    redis_url = setting("REDIS_URL", "")
    if not redis_url:
        raise SettingsError(
            ["POLYDESK_REDIS_URL: a worker needs the broker's address, such as redis://127.0.0.1:6379/0"]
        )
    return Configuration(
        redis_url=redis_url,
        blobs=Path(setting("BLOBS", str(data / "blobs"))).expanduser().absolute(),
        models=data / "models",
        encodings=data / "encodings.db",
        text_model=setting("TEXT_MODEL", "auto"),
        image_model=setting("IMAGE_MODEL", "auto"),
        speech_model=setting("SPEECH_MODEL", "auto"),
        device=setting("DEVICE", "auto"),
        threads=int(setting("THREADS", "1")),
        log_level=setting("LOG_LEVEL", "INFO"),
    )
