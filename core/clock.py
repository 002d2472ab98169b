"""The real clock."""

from __future__ import annotations

import asyncio
import time


class WallClock:
    """UTC milliseconds from the operating system."""

    def now(self) -> int:
        """UTC, integer milliseconds."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
