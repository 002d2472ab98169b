"""`polydesk doctor`: looks at everything an installation needs, and says what to mend."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.broker import running
from bot.commands.models import voice_wanted
from bot.settings import Settings, data_folder, load
from bot.wiring import KB_ID, open_platforms
from core.broker import MEDIA, TEXT, TRAIN, beat, evicts
from core.clock import WallClock
from core.errors import PolydeskError, Retry
from core.leases import SKEW_MS
from core.ports import Clock
from core.store.blobs import BlobFolder
from core.store.engines import connect
from core.store.restore import check as check_database
from core.store.store import Store, Tx
from core.store.trouble import translated
from core.store.upgrade import HEAD, revision
from core.store.writer import drive
from workers.model.weights.fetch import ready

_LEAST_SPACE = 2 * 1024**3  # bytes free in the data folder


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `wrong` says what is, and is empty when all is well; `mend` what to do about it."""

    what: str
    found: str
    wrong: str = ""
    mend: str = ""

    @property
    def line(self) -> str:
        """What a reader gets to see."""
        if not self.wrong:
            return f"✓ {self.what}: {self.found}"
        return f"✗ {self.what}: {self.wrong}{': ' if self.mend else ''}{self.mend}"


def doctor() -> None:
    """Check settings, models, database, broker, tokens and scopes; exit 1 when something is wrong."""
    settings = load()
    findings = asyncio.run(_look(settings))
    for finding in findings:
        typer.echo(finding.line)
    wrong = [finding for finding in findings if finding.wrong]
    if not wrong:
        typer.echo("All is well.", err=True)
        return
    first = wrong[0]  # the checks stand in the order in which one leads to the next
    words = f"mend {first.what} first: {first.mend or first.wrong}"
    typer.echo(f"{len(wrong)} of {len(findings)} checks failed; {words}", err=True)
    raise typer.Exit(1)


async def _look(settings: Settings) -> list[Finding]:
    checks: list[tuple[str, Callable[[Settings], Awaitable[str]]]] = [
        ("python", _python),
        ("data folder", _data),
        ("models", _models),
        ("audio decoder", _audio),
        ("database", _database),
        ("broker", broker),
        ("workers", workers),
        ("clock", clock),
    ]
    findings = []
    for what, check in checks:
        try:
            findings.append(Finding(what, await check(settings)))
        except PolydeskError as problem:
            findings.append(_finding(what, problem))
    return findings + await _platforms(settings)


async def _python(settings: Settings) -> str:
    return sys.version.split()[0]


async def _data(settings: Settings) -> str:
    data_folder(settings)
    if not os.access(settings.data, os.W_OK | os.X_OK):
        raise _Wrong(
            f"{settings.data} cannot be written", "give this user the right to, or set POLYDESK_DATA elsewhere"
        )
    free = shutil.disk_usage(settings.data).free
    if free < _LEAST_SPACE:
        raise _Wrong(
            f"only {free / 1024**3:.1f} GB free in {settings.data}", "make room, or set POLYDESK_DATA elsewhere"
        )
    return f"{settings.data}, {free / 1024**3:.0f} GB free"


async def _models(settings: Settings) -> str:
    if not ready(settings.models):
        raise _Wrong("not prepared", "polydesk models prepare (without a registry: --from a folder with the wheels)")
    if voice_wanted(settings) and not ready(settings.models, ["voice"]):
        raise _Wrong("those for tone of voice (POLYDESK_TONE_NOTICE) are not prepared", "polydesk models prepare")
    return "prepared"


async def _audio(settings: Settings) -> str:
    from workers.media.audio import selftest  # PyAV and numpy, which no other command needs

    await asyncio.to_thread(selftest)
    return "decodes Opus"


async def _database(settings: Settings) -> str:
    found = await asyncio.to_thread(revision, settings.database)
    if not found:
        return "none yet; polydesk up makes one"
    if found != HEAD:
        raise _Wrong(f"at revision {found}, this Polydesk needs {HEAD}", "polydesk db upgrade")
    store = await Store.open(settings.database, settings.blob_folder, WallClock())
    try:
        said = await asyncio.to_thread(check_database, settings.database)
        if said not in ("", "ok"):
            raise _Wrong(f"damaged ({said})", "stop Polydesk, then polydesk db restore from the last backup")
        live = await store.read(lambda tx: tx.knowledge.live(KB_ID))
        users = await store.read(lambda tx: tx.users.list())
    finally:
        await store.close()
    release = f"release {live.number} is live" if live else "nothing published yet"
    return f"{'PostgreSQL' if settings.postgres else 'SQLite'}, {release}, {len(users)} console users"


async def broker(settings: Settings) -> str:
    """Look whether the broker can be reached, and keeps what it is given.

    Raises:
        PolydeskError: it cannot, or does not.
    """
    if settings.redis_url is None:
        return "embedded Valkey (no POLYDESK_REDIS_URL)"
    redis = Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=3)
    try:
        memory = await redis.info("memory")
    except (RedisError, OSError) as problem:
        why = f"POLYDESK_REDIS_URL cannot be reached ({type(problem).__name__})"
        raise _Wrong(why, "start that server, or correct the address") from problem
    finally:
        await redis.aclose()
    if why := evicts(memory):
        raise _Wrong(why, "set it to noeviction")
    return "reachable"


async def workers(settings: Settings) -> str:
    """Count the workers that are alive; nothing is wrong where none is, since nothing may have been started."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else running(settings.data / "run")
    counts = {TEXT: 0, MEDIA: 0, TRAIN: 0}
    if redis_url:
        async with Redis.from_url(redis_url, socket_timeout=3) as redis:
            try:
                async for key in redis.scan_iter(match=beat("*", "*")):
                    queue = key.decode().split(":")[2]
                    counts[queue] = counts.get(queue, 0) + 1
            except (RedisError, OSError):
                return "unknown"  # the check of the broker has said so
    if not any(counts.values()):
        return "none is running"
    told = ", ".join(f"{queue} {count}" for queue, count in counts.items())
    missing = "; without a train worker a training started in the console waits" if not counts[TRAIN] else ""
    return told + missing


async def clock(settings: Settings, ours: Clock | None = None) -> str:
    """Compare this machine's clock with those of the servers it works with.

    Raises:
        PolydeskError: one is more than `SKEW_MS` away.
    """
    ours = ours or WallClock()
    told = []
    for whose, look in (("the broker", _time_of_broker), ("the database", _time_of_database)):
        before = ours.now()
        theirs = await look(settings)
        if theirs is None:
            continue
        ahead = (before + ours.now()) // 2 - theirs
        if abs(ahead) > SKEW_MS:
            way = "ahead of" if ahead > 0 else "behind"
            raise _Wrong(
                f"{abs(ahead) / 1000:.0f} s {way} that of {whose}",
                "set both by NTP (timedatectl set-ntp true): deadlines and Slack's signatures go by it",
            )
        told.append(whose)
    return f"agrees with {' and '.join(told)}" if told else "nothing on another machine to agree with"


async def _time_of_broker(settings: Settings) -> int | None:
    if settings.redis_url is None:
        return None
    async with Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=3) as redis:
        try:
            seconds, microseconds = await redis.time()
        except (RedisError, OSError):
            return None  # the check of the broker has said so
    return int(seconds) * 1000 + int(microseconds) // 1000


async def _time_of_database(settings: Settings) -> int | None:
    if not settings.postgres:
        return None

    def ask() -> int:  # without bringing the schema up to date, as opening the store would
        engine = connect(settings.database, reading=True)
        try:
            with translated(), engine.connect() as connection:
                return drive(lambda tx: tx.leases.now(), Tx(connection, WallClock()))
        finally:
            engine.dispose()

    try:
        return await asyncio.to_thread(ask)
    except PolydeskError:
        return None  # the check of the database has said so


async def _platforms(settings: Settings) -> list[Finding]:
    """Ask each platform who we are, with nothing heard."""
    findings = []
    for platform, door in open_platforms(settings, BlobFolder(settings.blob_folder)).items():
        try:
            said = await door.checked() if isinstance(door, Checkable) else "configured"
            findings.append(Finding(platform, said))
        except Retry as problem:
            findings.append(Finding(platform, "", str(problem), _reach(platform)))
        except PolydeskError as problem:
            findings.append(_finding(platform, problem))
    for platform, name in (("telegram", "POLYDESK_TELEGRAM_TOKEN"), ("slack", "POLYDESK_SLACK_BOT_TOKEN")):
        if all(finding.what != platform for finding in findings):
            findings.append(Finding(platform, f"not configured ({name})"))
    return findings


def _finding(what: str, problem: PolydeskError) -> Finding:
    return Finding(what, "", str(problem), problem.mend if isinstance(problem, _Wrong) else "")


def _reach(platform: str) -> str:
    """What to look at when a platform does not answer."""
    return (
        f"check this machine's network, a proxy on the way (HTTPS_PROXY) and POLYDESK_{platform.upper()}_API_URL "
        "if it is set"
    )


@runtime_checkable
class Checkable(Protocol):
    """An adapter that can be asked whether its tokens are right."""

    async def checked(self) -> str:
        """Who we are there; raises PolydeskError with what to do."""
        ...


class _Wrong(PolydeskError):
    """A check failed: what is wrong, then what to do."""

    def __init__(self, found: str, mend: str) -> None:
        self.mend = mend
        super().__init__(found)
