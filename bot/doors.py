"""The doors: one adapter a platform, each opened by itself, so that one wrong token shuts only its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from core.errors import PolydeskError, Retry
from core.leases import Alone, Holding
from core.ports import Adapter, Hear, Shared
from core.store.trouble import shown

log = structlog.get_logger()

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_MENDING = 300.0  # seconds between two looks whether somebody has mended what shuts a door
_TURN = 1.0  # seconds in which it is known whether it is our turn to receive


@dataclass(slots=True)
class Door:
    """How an adapter is doing; `trouble` says what is wrong and what to do, `pause` is the next one (seconds)."""

    adapter: Adapter
    open: bool = False
    trouble: str = ""
    pause: float = 0.0


class Doors:
    """Keeps every adapter running until cancelled; where several gateways do, one of them receives for all."""

    def __init__(self, adapters: Mapping[str, Adapter], holding: Holding | None = None) -> None:
        self.states = {platform: Door(adapter) for platform, adapter in adapters.items()}
        self._holding = holding or Alone()

    async def run(self, hear: Hear) -> None:
        """Open all doors and keep them open."""
        async with asyncio.TaskGroup() as group:
            for platform, door in self.states.items():
                group.create_task(self._keep(platform, door, hear), name=f"door {platform}")

    async def _keep(self, platform: str, door: Door, hear: Hear) -> None:
        door.pause = _FIRST_PAUSE
        while True:
            try:
                if isinstance(door.adapter, Shared):
                    await self._share(platform, door, door.adapter, hear)
                else:
                    async with door.adapter.running(hear):
                        await self._stay_open(platform, door)
            except Retry as problem:
                door.trouble = shown(problem)
                log.warning("door.retrying", platform=platform, seconds=door.pause, problem=str(problem))
                await asyncio.sleep(max(door.pause, problem.after))
                door.pause = min(door.pause * 2, _LONGEST_PAUSE)
            except PolydeskError as problem:
                # A wrong token does not heal by itself, but the page of a proxy instead of the platform's answer does:
                # the others go on, the operator reads what to do, and this one is tried again at leisure.
                tell = log.warning if door.trouble == shown(problem) else log.error
                door.trouble = shown(problem)
                tell("door.shut", platform=platform, seconds=_MENDING, problem=str(problem))
                await asyncio.sleep(_MENDING)
            except Exception as problem:
                # One door that breaks must not shut the others; it is opened again like one without a connection.
                door.trouble = f"{type(problem).__name__}: see the log"
                log.exception("door.broken", platform=platform)
                await asyncio.sleep(door.pause)
                door.pause = min(door.pause * 2, _LONGEST_PAUSE)
            finally:
                door.open = False

    async def _share(self, platform: str, door: Door, adapter: Shared, hear: Hear) -> None:
        """Send from here in any case; receive whenever it is this gateway's turn."""
        turn = asyncio.Event()

        async def receive() -> None:
            turn.set()
            async with adapter.receiving():
                await self._stay_open(platform, door)

        async with adapter.connected(hear):
            receiving = asyncio.create_task(self._holding.alone(f"door:{platform}", receive))
            try:
                await asyncio.wait({receiving}, timeout=_TURN)
                if not turn.is_set():
                    door.open, door.trouble = True, ""  # another gateway receives
                await receiving
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)

    @property
    def open(self) -> tuple[str, ...]:
        """The platforms whose doors are open here."""
        return tuple(platform for platform, door in self.states.items() if door.open)

    @staticmethod
    async def _stay_open(platform: str, door: Door) -> None:
        door.open, door.trouble, door.pause = True, "", _FIRST_PAUSE
        log.info("door.open", platform=platform)
        await asyncio.Event().wait()
