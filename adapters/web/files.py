"""Stored photos and voice notes as HTTP answers that no browser can mistake for a page."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.responses import FileResponse

from core.errors import BadInput
from core.media import sniff
from core.media.kinds import HEAD
from core.store.store import Store

_POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
_PLAIN = "application/octet-stream"


async def served(store: Store, sha: str) -> FileResponse:
    """A blob with the type that its bytes have, whatever its sender called it; parts of it where a player asks so.

    Anything that is neither a picture nor a recording is offered as a download.

    Raises:
        BadInput: there is no such file (any longer).
    """
    path = store.blobs.path(sha)
    head = await asyncio.to_thread(_head, path)
    what = sniff(head)
    shown = what.problem is None and what.mime.partition("/")[0] in ("image", "audio", "video")
    return FileResponse(
        path,
        media_type=what.mime if shown else _PLAIN,
        filename=None if shown else f"{sha[:12]}.bin",
        headers={
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, max-age=3600",
        },
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16 * HEAD)
    except OSError as problem:
        raise BadInput("this file was deleted") from problem
