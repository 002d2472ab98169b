"""Everything on one machine: `polydesk up` starts it, watches it, stops it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bot.broker import Embedded
from bot.settings import Settings, data_folder
from core.environment import DATA
from core.errors import Broken, SettingsError
from workers.leash import LEASH

_STOP_SECONDS = 12.0
_LARGEST_LOG = 20 * 1024 * 1024  # bytes
_LAST_PORT = 65_535
_WORST_PAUSE = 30.0  # seconds between restarts of a child that keeps dying


@dataclass(slots=True)
class Child:
    """One process that we keep alive; a `late` one begins once the others are ready, so that nobody waits for it."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    late: bool = False
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started_at: float = 0.0
    due: float = field(default=0.0)

    def start(self, leash: int) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only the launcher."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                env={**self.environ, LEASH: str(leash)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=(leash,),
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def trim(self) -> None:
        """Keep the log from filling the disk: the last part and the one before it stay."""
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            # The child goes on writing into the same file, which it opened for appending.
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class Launcher:
    """Keeps the children of one data folder alive until it is told to stop."""

    def __init__(
        self, settings: Settings, redis_url: str, say: Callable[[str], None], broker: Embedded | None = None
    ) -> None:
        self._say = say
        self._broker = broker
        self._read, self._write = os.pipe()
        plain = {name: value for name, value in os.environ.items() if not name.startswith("POLYDESK_")}
        # Workers get what they need and nothing else: no platform token, no database password.
        worker = {**plain, **worker_environment(settings, redis_url)}
        gateway = {**os.environ, **worker, "POLYDESK_PORT": str(settings.port), "POLYDESK_KB": str(settings.kb or "")}
        logs = settings.data / "log"
        polydesk = (sys.executable, "-m", "bot")
        self.children = [
            Child("text worker", worker_command("text"), worker, logs / "text.log"),
            Child("media worker", worker_command("media"), worker, logs / "media.log"),
            Child("train worker", worker_command("train"), worker, logs / "train.log", late=True),
            Child("gateway", (*polydesk, "gateway"), gateway, logs / "gateway.log"),
        ]

    def start(self) -> None:
        """Start every child that is not late."""
        for child in self.children:
            if not child.late:
                child.start(self._read)

    def wait(self, missing: Callable[[], Sequence[str]], seconds: float) -> None:
        """Wait until `missing()` is empty.

        Raises:
            Broken: a child died on its way, or the time is over; the message holds the end of its log.
        """
        end = time.monotonic() + seconds
        while lacks := missing():
            for child in self.children:
                if not (child.alive or child.late):
                    raise Broken(f"the {child.name} stopped while starting; the end of {child.log}:\n{child.tail()}")
            if time.monotonic() > end:
                why = "; ".join(lacks)
                raise Broken(f"not ready after {seconds:.0f} s ({why}); see the logs in {self.children[0].log.parent}")
            time.sleep(0.1)

    def watch(self, stop: threading.Event) -> None:
        """Start what is late, restart what dies, with growing pauses, until `stop`."""
        for child in self.children:
            if child.late and not stop.is_set():
                child.start(self._read)
        while not stop.wait(0.5):
            self._revive_broker(stop)
            now = time.monotonic()
            for child in self.children:
                child.trim()
                if child.alive:
                    if child.deaths and now - child.started_at > 60:
                        child.deaths = 0
                elif not child.due:
                    child.deaths += 1
                    pause = min(2.0 ** (child.deaths - 1) - 1, _WORST_PAUSE)
                    child.due = now + pause
                    self._say(f"the {child.name} stopped; starting it again in {pause:.0f} s (see {child.log})")
                elif now >= child.due:
                    child.due = 0.0
                    child.start(self._read)

    def _revive_broker(self, stop: threading.Event) -> None:
        """Gateway and workers reconnect by themselves; what was queued is asked again."""
        try:
            if self._broker is not None and self._broker.revive():
                self._say("the embedded Valkey server stopped; it is started again")
        except Broken as problem:
            self._say(f"{problem}; trying again in {_WORST_PAUSE:.0f} s")
            stop.wait(_WORST_PAUSE)

    def stop(self) -> None:
        """Stop every child: the gateway first, so that nothing new is asked."""
        for child in reversed(self.children):
            if child.alive and child.process is not None:
                child.process.terminate()
                if child.name == "gateway":
                    _wait(child.process)
        for child in self.children:
            if child.process is not None:
                _wait(child.process)
        os.close(self._write)
        os.close(self._read)


def worker_environment(settings: Settings, redis_url: str) -> dict[str, str]:
    """The settings that workers read, wherever they were written: in the environment or in a .env file."""
    return {
        "POLYDESK_DATA": str(settings.data),
        "POLYDESK_REDIS_URL": redis_url,
        "POLYDESK_BLOBS": str(settings.blob_folder),
        "POLYDESK_TEXT_MODEL": settings.text_model,
        "POLYDESK_IMAGE_MODEL": settings.image_model,
        "POLYDESK_SPEECH_MODEL": settings.speech_model,
        "POLYDESK_VOICE_MODEL": settings.voice_model,
        "POLYDESK_TONE_NOTICE": settings.tone_notice,
        "POLYDESK_DEVICE": settings.device,
        "POLYDESK_THREADS": str(settings.threads),
        "POLYDESK_LOG_LEVEL": settings.log_level,
        "PYTHONUNBUFFERED": "1",
    }


def worker_command(queue: str) -> tuple[str, ...]:
    """The command line of a worker process, as in the Procfile."""
    threads = {"text": "64", "media": "4", "train": "1"}[queue]
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    celery = (sys.executable, "-m", "celery", "-A", "workers.app", "worker")
    return (*celery, "-Q", queue, "-P", "threads", "-c", threads, "-n", f"{queue}-{os.getpid()}@%h", *quiet)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the data folder.

    Raises:
        SettingsError: it cannot be made or written. Broken: another `polydesk up` runs on it.
    """
    folder = data_folder(settings)
    try:
        lock = (folder / "up.lock").open("a+b")
    except OSError as problem:
        raise SettingsError(
            [f"{DATA}: {folder} cannot be written ({problem.strerror}): name a folder that is yours to write to"]
        ) from problem
    with lock as file:
        if not _locked(file):
            file.seek(0)
            holder = file.read().decode() or "unknown"
            raise Broken(
                f"Polydesk runs already on {folder} (process {holder}); stop it, or use another POLYDESK_DATA folder"
            )
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def must_be_free(host: str, port: int) -> None:
    """Check that we can listen there.

    Raises:
        Broken: we cannot; says why, with what to do.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as problem:
        raise Broken(_no_address(host)) from problem
    for family, kind, protocol, _, place in places:
        try:
            probe = socket.socket(family, kind, protocol)
        except OSError:
            continue  # a machine without IPv6; whoever listens there passes over it, too
        with probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(place)
            except OSError as problem:
                raise Broken(not_free(host, port, problem)) from problem


def not_free(host: str, port: int, problem: OSError) -> str:
    """Why we cannot listen there, with what to do."""
    if problem.errno == errno.EADDRINUSE:
        other = port + 1 if port < _LAST_PORT else port - 1
        return (
            f"port {port} on {host} is taken by another program; choose another one: polydesk up --port {other}, "
            "or POLYDESK_PORT"
        )
    if problem.errno == errno.EACCES:
        return (
            f"port {port} on {host} needs rights that this process has not; choose one from 1024 on: "
            "polydesk up --port 8080, or POLYDESK_PORT"
        )
    if problem.errno == errno.EADDRNOTAVAIL:
        return _no_address(host)
    return f"nothing can listen on {host}, port {port} ({problem.strerror}): set POLYDESK_HOST to 127.0.0.1 or 0.0.0.0"


def _no_address(host: str) -> str:
    return f"POLYDESK_HOST: {host} is no address of this machine; 127.0.0.1 is for itself alone, 0.0.0.0 for everybody"


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM or a closed terminal sets."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)
