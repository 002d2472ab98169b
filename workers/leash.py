"""A leash: a child process that the launcher started ends when the launcher is gone, even by `kill -9`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping

LEASH = "POLYDESK_LEASH"  # number of the file descriptor whose other end only the launcher holds
_GRACE = 10.0  # seconds to end in good order


def hold(environ: Mapping[str, str] = os.environ) -> None:
    """Watch the leash, if there is one: the kernel closes the launcher's end whatever way it dies."""
    number = environ.get(LEASH, "")
    if not number:
        return

    def watch() -> None:
        os.read(int(number), 1)
        threading.Timer(_GRACE, os._exit, args=(1,)).start()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leash", daemon=True).start()
