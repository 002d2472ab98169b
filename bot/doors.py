"""The doors: one adapter a platform, each opened by itself, so that one wrong token shuts only its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from core.errors import PolydeskError, Retry
from core.ports import Adapter, Hear

log = structlog.get_logger()

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class Door:
    """How an adapter is doing; `trouble` says what is wrong and what to do."""

    adapter: Adapter
    open: bool = False
    trouble: str = ""


class Doors:
    """Keeps every adapter running until cancelled."""

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self.states = {platform: Door(adapter) for platform, adapter in adapters.items()}

    async def run(self, hear: Hear) -> None:
        """Open all doors and keep them open."""
        async with asyncio.TaskGroup() as group:
            for platform, door in self.states.items():
                group.create_task(self._keep(platform, door, hear), name=f"door {platform}")

    async def _keep(self, platform: str, door: Door, hear: Hear) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with door.adapter.running(hear):
                    door.open, door.trouble, pause = True, "", _FIRST_PAUSE
                    log.info("door.open", platform=platform)
                    await asyncio.Event().wait()
            except Retry as problem:
                door.trouble = str(problem)
                log.warning("door.retrying", platform=platform, seconds=pause, problem=str(problem))
                await asyncio.sleep(max(pause, problem.after))
                pause = min(pause * 2, _LONGEST_PAUSE)
            except PolydeskError as problem:
                # A wrong token does not heal by itself: the others go on, the operator reads what to do.
                door.trouble = str(problem)
                log.error("door.shut", platform=platform, problem=str(problem))
                return
            except Exception as problem:
                # One door that breaks must not shut the others; it is opened again like one without a connection.
                door.trouble = f"{type(problem).__name__}: see the log"
                log.exception("door.broken", platform=platform)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            finally:
                door.open = False
