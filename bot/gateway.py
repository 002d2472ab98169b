"""The gateway process: one event loop with every platform, the HTTP server, the lanes and the timers."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import generate_latest

from bot.alarm import Alarm
from bot.console.app import mount_console
from bot.doors import Doors
from bot.launcher import must_be_free
from bot.logs import configure
from bot.settings import Settings
from bot.wiring import KB_ID, House, house
from core.broker import MEDIA, TEXT
from core.errors import PolydeskError, Retry
from core.leases import LOOK_EVERY, Alone
from core.store.sweep import sweep
from core.store.trouble import named, shown
from core.values import InboundEvent
from workers.leash import hold

log = structlog.get_logger()

_TICK_SECONDS = 15.0
_SWEEP_SECONDS = 3600.0
_FILES = 65_536
_TURN = 0.0005  # seconds that a thread has the interpreter for when another one wants it
_FAREWELL = 5.0  # seconds that words on their way get when we stop


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        Broken: the database, the broker or the port cannot be had.
    """
    configure(settings.log_level)
    hold()
    must_be_free(settings.host, settings.port)
    _allow_many_files()
    # The loop shares the interpreter with the store's threads, which keep it for 5 ms by default. Measured by
    # tests/bench: a typed question takes a fifth less time, 64 customers at once get a tenth more answers.
    sys.setswitchinterval(_TURN)
    asyncio.run(_serve(settings))


def _allow_many_files() -> None:
    """Each open page is an open file; the usual limit of 1,024 protects programs that call select(), as we do not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES), hard))


async def _serve(settings: Settings) -> None:
    async with house(settings) as home:
        await _seed(home)
        doors = Doors(home.adapters, home.holding)
        app = build(home, doors)
        server = _Server(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                lifespan="off",
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies or None,
                timeout_graceful_shutdown=3,
            )
        )
        background = [doors.run(partial(_hear, home)), _prepare(home)]
        if isinstance(home.holding, Alone):
            await home.courier.recover()
            await home.answering.recover()
        else:  # what is left over may be in another gateway's hands
            background.append(_again_and_again(lambda: home.look_around(doors.open), LOOK_EVERY))
        chores: list[tuple[str, Callable[[], Awaitable[object]], float]] = [
            ("timers", home.timers.tick, _TICK_SECONDS),
            ("trainings", home.learning.attend, 0.5),
            ("sweep", partial(sweep, home.store, retention_days=settings.retention_days), _SWEEP_SECONDS),
        ]
        if settings.notify_url is not None:
            alarm = Alarm(home.store, home.bell, settings.notify_url.get_secret_value(), settings.address)
            chores.append(("alarm", alarm.run, 1.0))
        for name, chore, seconds in chores:
            background.append(home.holding.alone(name, partial(_again_and_again, chore, seconds)))
        await _together(home, server.serve(), background)


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to us: its own handling ends the process before we have closed the store."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the serving, nothing more."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


async def _together(
    home: House, serving: Coroutine[Any, Any, None], background: list[Coroutine[Any, Any, None]]
) -> None:
    """Run the server, and the rest for as long as it runs; what is ready to be sent leaves before the doors close."""
    tasks = [asyncio.create_task(work) for work in background]
    try:
        await serving
    finally:
        await home.answering.close()
        await home.courier.finish(_FAREWELL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def build(home: House, doors: Doors) -> FastAPI:
    """The HTTP application: health, figures, console, and what each adapter listens on."""
    app = FastAPI(title="Polydesk", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, object]:
        return {
            "ok": True,
            "doors": {name: "open" if door.open else door.trouble or "opening" for name, door in doors.states.items()},
            "workers": home.brain.workers,
        }

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        missing = [f"no worker on the queue {queue}" for queue in (TEXT, MEDIA) if not home.brain.workers.get(queue)]
        if not home.publishing.prepared:
            missing.append("the workers are reading the knowledge base")
        try:
            await home.store.read(lambda tx: tx.knowledge.live(KB_ID))
        except PolydeskError as problem:
            log.warning("readyz.not_read", problem=str(problem))
            missing.append(f"database, which cannot be read: {shown(problem)}")
        if trouble := home.store.writer.trouble:
            log.warning("readyz.not_written", problem=trouble)
            missing.append(f"database, which cannot be written: {named(trouble)}")
        return JSONResponse({"ready": not missing, "missing": missing}, status_code=503 if missing else 200)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        try:
            counts = await home.store.read(lambda tx: tx.desk.counts())
            home.measures.waiting.set(counts.desk)
        except PolydeskError as problem:
            # The figures matter most while something is wrong.
            log.warning("metrics.no_database", problem=str(problem))
        return PlainTextResponse(generate_latest(home.measures.registry).decode())

    mount_console(app, home, doors)
    for door in doors.states.values():
        if door.adapter.router is not None:
            app.router.routes.extend(door.adapter.router.routes)
    return app


async def _seed(home: House) -> None:
    if home.settings.kb is None:
        await home.live.of(KB_ID)  # raises what to do when nothing was ever published
        return
    path = home.settings.kb

    async def seed() -> None:
        if await home.publishing.seed(path):
            log.info("knowledge.seeded", path=str(path))
        else:
            log.info(
                "knowledge.kept", hint="the database has releases, so POLYDESK_KB was not read; use polydesk kb import"
            )

    if await home.store.read(lambda tx: tx.knowledge.live(KB_ID)) is None:
        await home.holding.alone("seed", seed)  # gateways that start at once must not both publish
    else:
        await seed()


async def _hear(home: House, event: InboundEvent) -> bool:
    heard = await home.hearing.hear(event)
    if heard:
        home.measures.heard.labels(event.address.platform).inc()
    return heard


async def _prepare(home: House) -> None:
    for media in (False, True):  # typed questions first: the models for media take longer to load
        while True:
            try:
                await home.publishing.prepare(media=media)
                break
            except Retry:
                await asyncio.sleep(0.2)
            except PolydeskError as problem:
                # No release yet, or a blob that somebody must bring back: `polydesk up` shows this line of /readyz.
                log.error("release.not_prepared", problem=str(problem))
                await asyncio.sleep(5)


async def _again_and_again(work: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Work that must go on whatever happens once; it is only as good as its next try."""
    while True:
        try:
            await work()
        except Retry as problem:
            log.warning("background.later", problem=str(problem))
        except Exception:
            log.exception("background.failed")
        await asyncio.sleep(seconds)
