"""`polydesk up`: everything on one machine."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from importlib.resources import files
from pathlib import Path

from bot.broker import embedded
from bot.commands.models import voice_wanted
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
        stack.enter_context(only_one(settings))
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
        launcher.wait(lambda: () if stop.is_set() else missing(settings), _READY_SECONDS)
        if not stop.is_set():
            _tell(settings, time.monotonic() - began)
            if browser and has_screen(sys.platform, os.environ):
                webbrowser.open(settings.address)
        launcher.watch(stop)
        _say("Stopping ...")


def has_screen(platform: str, environ: Mapping[str, str]) -> bool:
    """Whether a browser can show itself; where it cannot, one for the terminal would keep us waiting until it ends."""
    return platform in ("darwin", "win32") or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def prepare_models(settings: Settings) -> None:
    """Prepare the weights in a process of its own, since converting them needs torch.

    Raises:
        Broken: they could not be prepared; the process has said why.
    """
    from workers.model.weights.fetch import ready

    if ready(settings.models) and (not voice_wanted(settings) or ready(settings.models, ["voice"])):
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


def missing(settings: Settings) -> list[str]:
    """What the gateway still waits for; empty when it is ready."""
    try:
        with _asked(settings, "/readyz"):
            return []
    except urllib.error.HTTPError as not_yet:
        with suppress(ValueError, KeyError):
            return [str(part) for part in json.load(not_yet)["missing"]]
    except OSError:
        pass
    return ["the gateway does not answer yet"]


def doors(settings: Settings) -> dict[str, str]:
    """How each platform's door is doing."""
    with _asked(settings, "/healthz") as answer:
        found: dict[str, str] = json.load(answer)["doors"]
    return found


def _asked(settings: Settings, path: str) -> HTTPResponse:
    """Ask the gateway itself, whatever proxy the environment names for the world outside."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: HTTPResponse = opener.open(f"{settings.local_url}{path}", timeout=2)
    return answer


def _tell(settings: Settings, seconds: float) -> None:
    _say(f"\nPolydesk is up ({seconds:.1f} s).\n")
    _say(f"  Web chat   {settings.address}/")
    _say(f"  Console    {settings.address}/console/")
    for platform, state in doors(settings).items():
        if platform != "web":
            _say(f"  {platform.capitalize():<10} {state}")
    _say(f"  Logs       {settings.data / 'log'}\n\nCtrl-C stops it.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
