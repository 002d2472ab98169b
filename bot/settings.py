"""The settings: environment variables, or a .env file, named POLYDESK_*."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.broker import address_problem
from core.environment import DATA, NO_HOME, PREFIX, data_place, env_file, project_root, written
from core.errors import Broken, SettingsError
from core.store.engines import parsed

_BETWEEN_OURSELVES = {"POLYDESK_LEASH", "POLYDESK_NEW_PASSWORD", "POLYDESK_TEST_MODELS"}  # no settings, but known
_SHORTEST_NOTICE = 8  # characters, so that `true` and `yes` are none
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?", re.ASCII)


class Settings(BaseSettings):
    """Everything an operator can set; secrets are SecretStr, so they never appear in a repr or a log line."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    data: Path = Path("var")
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    blobs: str = ""
    kb: Path | None = None
    secret: SecretStr | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
    trusted_proxies: str = ""
    log_level: str = "INFO"
    retention_days: int = Field(default=365, ge=1)
    notify_url: SecretStr | None = None
    telegram_token: SecretStr | None = None
    telegram_secret: SecretStr | None = None
    telegram_webhook_url: str = ""
    telegram_api_url: str = ""
    slack_bot_token: SecretStr | None = None
    slack_signing_secret: SecretStr | None = None
    slack_app_token: SecretStr | None = None
    slack_api_url: str = ""
    desk: str = "web"
    text_model: str = "auto"
    image_model: str = "auto"
    speech_model: str = "auto"
    voice_model: str = "auto"
    tone_notice: str = ""
    device: str = "auto"
    threads: int = Field(default=1, ge=1)

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError("expected DEBUG, INFO, WARNING, ERROR or CRITICAL")
        return value.upper()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parsed(value.get_secret_value())
            except Broken as problem:
                raise ValueError(str(problem)) from problem
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_broker(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (problem := address_problem(value.get_secret_value())):
            raise ValueError(problem)
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not _DEVICE.fullmatch(value):
            raise ValueError("expected auto, cpu, cuda, or cuda with a number such as cuda:1")
        return value

    @field_validator("blobs")
    @classmethod
    def _folder(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("only a folder is supported so far: give a path that gateway and workers share")
        try:
            Path(value).expanduser()
        except RuntimeError as problem:
            raise ValueError(NO_HOME) from problem
        return value

    @field_validator("desk")
    @classmethod
    def _web_desk(cls, value: str) -> str:
        if value != "web":
            raise ValueError("only `web` is supported so far: agents work in the console")
        return value

    @field_validator("public_url", "telegram_webhook_url", "telegram_api_url", "slack_api_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not _is_web_address(value):
            raise ValueError("expected an address like https://support.example.com")
        return value

    @field_validator("public_url")
    @classmethod
    def _without_a_slash(cls, value: str) -> str:
        return value.rstrip("/")  # paths are written behind it

    @field_validator("notify_url")
    @classmethod
    def _known_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_web_address(value.get_secret_value()):
            raise ValueError("expected an address like https://hooks.example.com/polydesk")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _known_proxies(cls, value: str) -> str:
        proxies = [part.strip() for part in value.split(",") if part.strip()]
        if proxies == ["*"]:
            return "*"
        for proxy in proxies:  # uvicorn takes what it cannot read for a name that no address ever has
            try:
                ip_network(proxy) if "/" in proxy else ip_address(proxy)
            except ValueError as problem:
                raise ValueError(
                    f"{problem}; expected addresses or networks such as 127.0.0.1,10.0.0.0/8, or * alone for any"
                ) from problem
        return ",".join(proxies)

    @field_validator("slack_api_url")
    @classmethod
    def _ends_in_api(cls, value: str) -> str:
        if value and not value.endswith("/api/"):
            raise ValueError("expected an address that ends in /api/")
        return value

    @field_validator("tone_notice")
    @classmethod
    def _words_for_customers(cls, value: str) -> str:
        value = value.strip()
        if value and len(value) < _SHORTEST_NOTICE:
            raise ValueError(
                "expected the words that customers read, such as: We look at your tone to see who is in a hurry"
            )
        return value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _belong_together(self) -> Settings:
        problems = []
        if self.postgres and self.secret is None:
            problems.append(
                "POLYDESK_SECRET is required with PostgreSQL, the same for every gateway: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        if self.slack_bot_token and not (self.slack_app_token or self.slack_signing_secret):
            problems.append(
                "POLYDESK_SLACK_BOT_TOKEN needs POLYDESK_SLACK_APP_TOKEN (Socket Mode) or "
                "POLYDESK_SLACK_SIGNING_SECRET (Events API) beside it"
            )
        if self.telegram_webhook_url and not self.telegram_secret:
            problems.append(
                "POLYDESK_TELEGRAM_WEBHOOK_URL needs POLYDESK_TELEGRAM_SECRET (1-256 of A-Z a-z 0-9 _ -), "
                "so that nobody else can write to the webhook"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def postgres(self) -> bool:
        """Whether the database is PostgreSQL."""
        return self.database_url is not None and self.database_url.get_secret_value().startswith("postgres")

    @property
    def database(self) -> str:
        """The SQLAlchemy URL, with the async driver named."""
        if self.database_url is None:
            return f"sqlite:///{self.data / 'polydesk.db'}"
        url = self.database_url.get_secret_value()
        scheme, _, rest = url.partition("://")
        driver = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "sqlite": "sqlite"}
        return f"{driver.get(scheme, scheme)}://{rest}"

    @property
    def blob_folder(self) -> Path:
        """The folder that gateway and workers share."""
        return Path(self.blobs).expanduser().absolute() if self.blobs else self.data / "blobs"

    @property
    def models(self) -> Path:
        """Where the prepared weights lie."""
        return self.data / "models"

    @property
    def local_url(self) -> str:
        """Where programs on this machine find the gateway."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def address(self) -> str:
        """Where people find us, without a slash at its end."""
        return self.public_url or self.local_url


def load(start: Path | None = None, **overrides: object) -> Settings:
    """Read the settings from `overrides`, else the environment, else the `.env` file.

    Names that look like settings but are none are told on stderr: they may be typing slips.

    Raises:
        SettingsError: with every problem at once, each naming its variable.
    """
    root = project_root(start)
    problems: list[str] = []
    given = {name: value for name, value in overrides.items() if value is not None}
    if "data" not in given:
        try:
            given["data"] = data_place(root, written(root))
        except RuntimeError:
            problems.append(f"{DATA}: {NO_HOME}")
            given["data"] = root / "var"
    for line in _strangers((*os.environ, *dotenv_values(env_file(root)))):
        print(line, file=sys.stderr)
    for _ in range(2):
        try:
            settings = Settings(_env_file=env_file(root), **given)  # type: ignore[arg-type]
        except ValidationError as wrong:
            problems += [sentence for error in wrong.errors() for sentence in _sentences(dict(error))]
            # Rules between settings are checked once each is right by itself, so look again without the wrong ones.
            names = [str(error["loc"][0]) for error in wrong.errors() if error["loc"]]
            given |= {name: Settings.model_fields[name].default for name in names}
            if not names:
                break
        else:
            break
    if problems:
        raise SettingsError(problems)
    return settings


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an IPv6 address, or a port that is no number
        return False


def _strangers(names: Iterable[str]) -> list[str]:
    """A sentence for every name that begins as ours do and is none."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    sentences = []
    for name in dict.fromkeys(names):
        if name.upper().startswith(PREFIX) and name.upper() not in {*known, *_BETWEEN_OURSELVES}:
            near = get_close_matches(name.upper(), known, n=1)
            sentences.append(
                f"{name} is no setting, so it changes nothing" + (f"; was {near[0]} meant?" if near else "")
            )
    return sentences


def _sentences(error: dict[str, object]) -> list[str]:
    location = error.get("loc")
    message = str(error.get("msg", "")).removeprefix("Value error, ")
    if isinstance(location, tuple) and location:
        return [f"{PREFIX}{str(location[0]).upper()}: {message}"]
    return message.split("\n")


def data_folder(settings: Settings) -> Path:
    """The data folder, made for its owner alone: it holds what customers wrote.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        why = "it is no folder" if settings.data.is_file() else problem.strerror
        raise SettingsError(
            [f"{DATA}: {settings.data} cannot be made ({why}): name a folder that is yours to write to"]
        ) from problem
    return settings.data


def secret_of(settings: Settings) -> str:
    """The secret that signs cookies: the one that is set, else one generated once under the data folder (mode 600)."""
    if settings.secret is not None:
        return settings.secret.get_secret_value()
    path = data_folder(settings) / "secret"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        made = secrets.token_urlsafe(32)
        file.write(made)
    return made
