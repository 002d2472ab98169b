"""A whole installation, started by the command that users type, beside fake platforms."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

READY_SECONDS = 150.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        clean = {name: value for name, value in os.environ.items() if not name.startswith("POLYDESK_")}
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self.data,
                env={**clean, "POLYDESK_DATA": str(self.data), **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    async def ready(self) -> None:
        """Wait for the line that says so."""
        assert self.process is not None
        end = time.monotonic() + READY_SECONDS
        while "Polydesk is up" not in (said := self.output.read_text()):
            assert self.process.poll() is None, f"up stopped:\n{said}"
            assert time.monotonic() < end, f"not up after {READY_SECONDS} s:\n{said}\n{self.logs()}"
            await asyncio.sleep(0.1)
        found = re.search(r"log in as +admin +with +(\S+)", self.output.read_text())
        self.password = found[1] if found else self.password

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
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                environ = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes()
                ours = f"POLYDESK_DATA={self.data}".encode() in environ or str(self.data / "run").encode() in command
                if ours and self.process is not None and int(folder.name) != self.process.pid:
                    found.append(int(folder.name))
        return found

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

    async def hears(self, count: int = 1, seconds: float = 60.0) -> list[dict]:  # type: ignore[type-arg]
        """What others than the customer said, once there are `count` lines of it."""
        async with asyncio.timeout(seconds):
            while True:
                said = [line for line in await self.lines() if line["from"] != "customer"]
                if len(said) >= count:
                    return said
                await asyncio.sleep(0.02)

    async def taps(self, label: str) -> None:
        for line in reversed(await self.lines()):
            for choice in line.get("choices", []):
                if choice["label"] == label:
                    await self.says(label, tap=choice["key"])
                    return
        raise LookupError(f"no button {label!r}")
