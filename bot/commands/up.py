"""`polydesk up`: everything on one machine."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import ExitStack, suppress
from importlib.resources import files
from pathlib import Path

from bot.broker import embedded
from bot.launcher import Launcher, must_be_free, only_one, stopping
from bot.settings import Settings, data_folder, load
from bot.users import first_admin
from bot.wiring import KB_ID
from core.clock import WallClock
from core.errors import Broken
from core.knowledge.files import load as load_knowledge
from core.store.store import Store

_READY_SECONDS = 120.0


def up(kb: Path | None, port: int | None, *, browser: bool) -> None:
    """Start, tell where, watch, stop."""
    began = time.monotonic()
    settings = load(kb=kb, port=port)
    asked_for = settings.kb is not None
    if settings.kb is None:
        settings = settings.model_copy(update={"kb": Path(str(files("bot.demo")))})
    with ExitStack() as stack:
        stack.enter_context(only_one(settings.data))
        stop = stack.enter_context(stopping())
        must_be_free(settings.host, settings.port)
        _say(f"Data folder: {settings.data}")
        asyncio.run(_check_knowledge(settings, asked_for=asked_for))
        prepare_models(settings)
        if password := asyncio.run(first_admin(settings)):
            _say(f"Console: log in as  admin  with  {password}   (shown only now)")
        broker = None if settings.redis_url else stack.enter_context(embedded(settings.data / "run"))
        redis_url = broker.url if broker else settings.redis_url.get_secret_value() if settings.redis_url else ""
        launcher = Launcher(settings, redis_url, _say, broker)
        stack.callback(launcher.stop)
        launcher.start()
        _say("Starting the gateway and the workers ...")
        launcher.wait(lambda: () if stop.is_set() else _missing(settings), _READY_SECONDS)
        if not stop.is_set():
            _tell(settings, time.monotonic() - began)
            if browser:
                webbrowser.open(address(settings))
        launcher.watch(stop)
        _say("Stopping ...")


def address(settings: Settings) -> str:
    """Where people on this machine find us."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return settings.public_url or f"http://{host}:{settings.port}"


def prepare_models(settings: Settings) -> None:
    """Prepare the weights in a process of its own, since converting them needs torch.

    Raises:
        Broken: they could not be prepared; the process has said why.
    """
    from workers.model.weights.fetch import ready

    if ready(settings.models):
        return
    command = [sys.executable, "-m", "bot", "models", "prepare"]
    if subprocess.run(command, check=False).returncode:
        raise Broken("the models could not be prepared; see above, then run: polydesk models prepare")


async def _check_knowledge(settings: Settings, *, asked_for: bool) -> None:
    """Look at the knowledge base before anything slow is started; say so when the database does not need it.

    Raises:
        KnowledgeError: the database has none yet, and the file is wrong.
    """
    data_folder(settings)
    store = await Store.open(settings.database, settings.blob_folder, WallClock())
    try:
        live = await store.read(lambda tx: tx.knowledge.live(KB_ID))
    finally:
        await store.close()
    if live is None and settings.kb is not None:
        await asyncio.to_thread(load_knowledge, settings.kb, look=True)
    elif live is not None and asked_for:
        _say(f"Release {live.number} is live in the database, so {settings.kb} was not read; see polydesk kb import")


def _missing(settings: Settings) -> list[str]:
    """What the gateway still waits for; empty when it is ready."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/readyz", timeout=2):
            return []
    except urllib.error.HTTPError as not_yet:
        with suppress(ValueError, KeyError):
            return [str(part) for part in json.load(not_yet)["missing"]]
    except OSError:
        pass
    return ["the gateway does not answer yet"]


def _doors(settings: Settings) -> dict[str, str]:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    with urllib.request.urlopen(f"http://{host}:{settings.port}/healthz", timeout=2) as answer:
        doors: dict[str, str] = json.load(answer)["doors"]
    return doors


def _tell(settings: Settings, seconds: float) -> None:
    _say(f"\nPolydesk is up ({seconds:.1f} s).\n")
    _say(f"  Web chat   {address(settings)}/")
    _say(f"  Console    {address(settings)}/console/")
    for platform, state in _doors(settings).items():
        if platform != "web":
            _say(f"  {platform.capitalize():<10} {state}")
    _say(f"  Logs       {settings.data / 'log'}\n\nCtrl-C stops it.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
