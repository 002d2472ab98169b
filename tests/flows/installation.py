"""A whole installation, started by the command that users type, beside fake platforms."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

READY_SECONDS = 150.0
PATIENT = 60.0  # seconds that anything may take on a busy machine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data: Path, **settings: str) -> dict[str, str]:
    """What a process of an installation finds in its environment: nothing of ours but these settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("POLYDESK_", "OMP_"))}
    here = str(Path(sys.executable).parent)
    return {**clean, "PATH": f"{here}:{clean.get('PATH', '')}", "POLYDESK_DATA": str(data), **settings}


def processes_of(data: Path) -> dict[int, str]:
    """Process id -> command line of everything that runs on this data folder."""
    found = {}
    mark = f"POLYDESK_DATA={data}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environ = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            if mark in environ or f"{data / 'run'}/".encode() in command:
                found[int(folder.name)] = command.decode(errors="replace").strip()
    return found


async def gone(data: Path, seconds: float = PATIENT) -> None:
    """Wait until nothing runs on this data folder.

    Raises:
        AssertionError: something does; says what.
    """
    end = time.monotonic() + seconds
    while left := await asyncio.to_thread(processes_of, data):
        assert time.monotonic() < end, f"still running after {seconds} s: {left}"
        await asyncio.sleep(0.1)


def tracebacks(logs: str) -> str:
    """The first three tracebacks in these logs, with what stands before and after them; "" where there are none."""
    found = [one.start() for one in re.finditer("Traceback", logs)]
    return "\n...\n".join(logs[max(0, start - 300) : start + 3000] for start in found[:3])


@dataclass
class Installation:
    """`polydesk up` on a data folder of its own."""

    data: Path
    models: Path
    kb: Path | None = None
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    password: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        return self.data / "up.txt"

    def start(self) -> None:
        """Run `polydesk up` and return at once."""
        self.data.mkdir(parents=True, exist_ok=True)
        if not (self.data / "models").exists():
            (self.data / "models").symlink_to(self.models)
        command = [sys.executable, "-m", "bot", "up", "--no-browser", "--port", str(self.port)]
        if self.kb is not None:
            command += ["--kb", str(self.kb)]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self.data,
                env=environment(self.data, **self.environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self) -> str:
        """What the command has printed so far."""
        return self.output.read_text()

    async def ready(self) -> None:
        """Wait for the line that says so."""
        assert self.process is not None
        end = time.monotonic() + READY_SECONDS
        while "Polydesk is up" not in self.said():
            assert self.process.poll() is None, f"up stopped:\n{self.said()}\n{self.logs()}"
            assert time.monotonic() < end, f"not up after {READY_SECONDS} s:\n{self.said()}\n{self.logs()}"
            await asyncio.sleep(0.1)
        found = re.search(r"log in as +admin +with +(\S+)", self.said())
        self.password = found[1] if found else self.password

    async def healthy(self, seconds: float = PATIENT) -> None:
        """Wait until the gateway sees both workers again."""
        end = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/readyz")).status_code == 200:
                        return
                assert time.monotonic() < end, f"not ready after {seconds} s:\n{self.said()}\n{self.logs()}"
                await asyncio.sleep(0.1)

    def stop(self) -> int:
        """Ctrl-C; returns the exit status."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def kill(self) -> None:
        """`kill -9` of the launcher alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def children(self) -> list[int]:
        """Process ids of everything that runs on this data folder, the launcher aside."""
        return [pid for pid in processes_of(self.data) if self.process is None or pid != self.process.pid]

    def child(self, name: str) -> int:
        """The process id of the `gateway`, the `text`, `media` or `train` worker, or the `valkey` server."""
        sign = {"gateway": " gateway", "valkey": "valkey-server"}.get(name, f" -Q {name} ")
        pids = [pid for pid, command in processes_of(self.data).items() if sign in f"{command} "]
        assert len(pids) == 1, f"{name}: {pids}"
        return pids[0]

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Look into the SQLite database."""
        connection = sqlite3.connect(f"file:{self.data / 'polydesk.db'}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]
        finally:
            connection.close()

    def logs(self) -> str:
        """The ends of all logs, for a failure's message."""
        return "\n".join(
            f"--- {log.name}\n" + log.read_text(errors="replace")[-3000:]
            for log in sorted((self.data / "log").glob("*.log"))
        )


class Browserless:
    """A web chat customer over the HTTP API."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=30)
        self.id = ""
        self._numbers = iter(range(1, 10_000))

    async def open(self) -> Browserless:
        answer = await self.http.post("/api/v1/conversations")
        answer.raise_for_status()
        self.id = answer.json()["id"]
        self.http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return self

    async def close(self) -> None:
        await self.http.aclose()

    async def says(self, text: str = "", *, files: object = None, **data: str) -> None:
        answer = await self.http.post(
            f"/api/v1/conversations/{self.id}/messages",
            data={"client_id": f"m{next(self._numbers)}", "text": text, **data},
            files=files,  # type: ignore[arg-type]
        )
        assert answer.status_code == 202, answer.text

    async def lines(self) -> list[dict]:  # type: ignore[type-arg]
        answer = await self.http.get(f"/api/v1/conversations/{self.id}/messages")
        answer.raise_for_status()
        return [one["line"] for one in answer.json()]

    async def told(self) -> list[dict]:  # type: ignore[type-arg]
        """What others than the customer have said so far."""
        return [line for line in await self.lines() if line["from"] != "customer"]

    async def hears(self, count: int = 1, seconds: float = PATIENT) -> list[dict]:  # type: ignore[type-arg]
        """What others than the customer said, once there are `count` lines of it."""
        try:
            async with asyncio.timeout(seconds):
                while len(said := await self.told()) < count:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError as late:
            raise AssertionError(f"heard no {count} lines in {seconds} s: {await self.told()}") from late
        return said

    async def sees(self, words: str, seconds: float = PATIENT) -> dict:  # type: ignore[type-arg]
        """The newest line with these words that is not the customer's, waited for."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for line in reversed(await self.told()):
                        if words in line["text"]:
                            return line
                    await asyncio.sleep(0.02)
        except TimeoutError as late:
            heard = [line["text"][:80] for line in await self.told()]
            raise AssertionError(f"heard nothing with {words!r} in {seconds} s: {heard}") from late

    async def taps(self, label: str) -> None:
        for line in reversed(await self.lines()):
            for choice in line.get("choices", []):
                if choice["label"] == label:
                    await self.says(label, tap=choice["key"])
                    return
        raise LookupError(f"no button {label!r}")
