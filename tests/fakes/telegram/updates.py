"""The queue of updates: long polling, webhook deliveries with retries."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.fakes.platform import Platform
from tests.fakes.telegram.checks import ApiError, check_answer

QUIET_KINDS = {"chat_member", "message_reaction", "message_reaction_count"}
"""What is only delivered when asked for by name: https://core.telegram.org/bots/api#getupdates."""

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


@dataclass(slots=True)
class Webhook:
    """Where updates are pushed; an empty url means that they are polled."""

    url: str = ""
    secret: str = ""
    connections: int = 40
    last_error: str = ""
    last_error_at: int = 0


@dataclass(slots=True)
class Delivery:
    """One attempt to push an update: the HTTP status we were given, 0 when there was none."""

    update_id: int
    status: int
    at: float = field(default_factory=time.monotonic)


class Updates:
    """Updates on their way to us.

    `ordered` is Telegram's way with webhooks: one at a time per chat (edits and taps apart), all chats at once; False
    pushes every update at once, so that they overtake each other. `hurry` divides the waits before retries.
    """

    def __init__(self, platform: Platform, *, hurry: float, first_id: int) -> None:
        self.hook = Webhook()
        self.allowed: list[str] = []
        self.ordered = True
        self.log: dict[int, dict[str, Any]] = {}
        self.deliveries: list[Delivery] = []
        self.hook_timeout = 60.0
        self._platform = platform
        self._hurry = hurry
        self._numbers = itertools.count(first_id)
        self._pending: dict[int, str] = {}
        self._again: deque[int] = deque()
        self._lanes: dict[str, deque[int]] = {}
        self._poller: asyncio.Future[str] | None = None
        self._held: list[int] | None = None
        self._copies = 1
        self._repeating = 0
        self._places = asyncio.Semaphore(self.hook.connections)

    @property
    def pending(self) -> int:
        """How many updates we have not confirmed yet."""
        return len(self._pending) + len(self._again) + self._repeating

    def push(self, kind: str, payload: dict[str, Any], lane: str) -> int:
        """Queue an update for delivery; returns its id, 0 when that kind is not subscribed to."""
        if kind in QUIET_KINDS if not self.allowed else kind not in self.allowed:
            return 0
        number = next(self._numbers)
        self.log[number] = check_answer("Update", {"update_id": number, kind: payload})
        self.enqueue(number, lane)
        return number

    def push_raw(self, update: dict[str, Any]) -> int:
        """Queue an update as it is, unchecked; it gets the next id unless it brings one."""
        number = int(update.setdefault("update_id", next(self._numbers)))
        self.log[number] = update
        self.enqueue(number, f"raw {number}")
        return number

    def enqueue(self, number: int, lane: str) -> None:
        """Send one update on its way, or keep it while `held` is open."""
        self._pending[number] = lane
        if self._held is not None:
            self._held.append(number)
            return
        copies, self._copies = self._copies, 1
        if self.hook.url:
            self._line_up(number, lane if self.ordered else f"alone {number}")
        self._wake("updates")
        for _ in range(copies - 1):
            self.redeliver(number)

    def redeliver(self, number: int) -> None:
        """Deliver an update once more, confirmed or not."""
        if self.hook.url:
            self._repeating += 1
            self._platform.spawn(self._push_again(number))
        else:
            self._again.append(number)
            self._wake("updates")

    def duplicate_next(self, times: int) -> None:
        """Deliver the next update this many times in all."""
        self._copies = times

    @contextmanager
    def held(self) -> Iterator[list[int]]:
        """Keep updates back inside the block; the list of their ids may be reordered, and goes out at its end."""
        self._held = []
        try:
            yield self._held
        finally:
            numbers, self._held = self._held, None
            in_order = numbers == sorted(numbers)
            for number in numbers:
                lane = self._pending[number]
                if self.hook.url:
                    self._line_up(number, lane if self.ordered and in_order else f"alone {number}")
                elif not in_order:
                    # A poller confirms by the highest id, so what comes out of order is handed over once.
                    del self._pending[number]
                    self._again.append(number)
            self._wake("updates")

    async def poll(self, offset: int, limit: int, timeout: float) -> list[dict[str, Any]]:  # noqa: ASYNC109
        """What getUpdates answers.

        Raises:
            ApiError: 409, a webhook is set, or a later poller took over.
        """
        if self.hook.url:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the "
                "webhook first",
            )
        self._wake("rival")
        self._confirm(offset)
        if not self._waiting(offset) and timeout > 0 and not self._platform.closing.is_set():
            # There may be an event loop turn between two pollers: the newest one waits, the others are sent away.
            mine = self._poller = asyncio.get_running_loop().create_future()
            try:
                reason = await asyncio.wait_for(mine, timeout)
            except TimeoutError:
                reason = "nothing"
            if reason == "rival":
                raise ApiError(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
            if reason == "webhook":
                raise ApiError(409, "Conflict: terminated by setWebhook request")
        if self._again and self._again[0] not in self._pending:
            # Copies come one to an answer, behind the confirmed original, as after an answer that got lost.
            return [self.log[self._again.popleft()]]
        return [self.log[number] for number in self._waiting(offset)[:limit]]

    def set_hook(self, hook: Webhook, *, drop: bool) -> None:
        """Switch to another webhook, or to polling when its url is empty."""
        if hook.url or self.hook.url or drop:
            self._wake("webhook")
        self.hook = hook
        self._places = asyncio.Semaphore(hook.connections)
        self._lanes.clear()
        if drop:
            self._pending.clear()
            self._again.clear()
        if hook.url:
            for number, lane in list(self._pending.items()):
                self._line_up(number, lane)

    def stop(self) -> None:
        """Let the waiting poller go."""
        self._wake("closing")

    def _waiting(self, offset: int) -> list[int]:
        held = self._held or []
        numbers = [number for number in self._pending if number >= offset and number not in held]
        return sorted(numbers) or list(self._again)

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            keep = sorted(self._pending)[offset:]
            self._pending = {number: self._pending[number] for number in keep}
        elif offset:
            self._pending = {number: lane for number, lane in self._pending.items() if number >= offset}
        self._platform.changed()

    def _wake(self, reason: str) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(reason)
        self._poller = None

    def _line_up(self, number: int, lane: str) -> None:
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(number)
            return
        self._lanes[lane] = deque([number])
        self._platform.spawn(self._drain(lane, self._lanes[lane]))

    async def _drain(self, lane: str, waiting: deque[int]) -> None:
        while waiting and self._lanes.get(lane) is waiting:
            number = waiting[0]
            delay, failed = 1.0, False
            while self._lanes.get(lane) is waiting and number in self._pending:
                pause = await self._push(number)
                if pause is None:
                    self._pending.pop(number, None)
                    self._platform.changed()
                    break
                # The first failure is tried again at once, the next ones after 2, 4, 8 ... seconds.
                if failed and not pause:
                    delay *= 2
                    pause = delay
                failed = True
                await asyncio.sleep(pause / self._hurry)
            waiting.popleft()
        if self._lanes.get(lane) is waiting:
            del self._lanes[lane]

    async def _push_again(self, number: int) -> None:
        try:
            await self._push(number)
        finally:
            self._repeating -= 1
            self._platform.changed()

    async def _push(self, number: int) -> float | None:
        """None when the webhook took it, otherwise the seconds it asked us to wait (0: it did not say)."""
        async with self._places:
            status, pause = await self.post(self.log[number], self.hook.secret)
        self.deliveries.append(Delivery(number, status))
        self._platform.changed()
        if 200 <= status <= 299:
            return None
        self.hook.last_error = f"Wrong response from the webhook: {status}" if status else "Webhook connection closed"
        self.hook.last_error_at = int(time.time())
        return pause

    async def post(self, update: dict[str, Any], secret: str) -> tuple[int, float]:
        """One HTTP request to the webhook: the status (0: none came) and its Retry-After."""
        headers = {SECRET_HEADER: secret} if secret else {}
        timeout = aiohttp.ClientTimeout(total=self.hook_timeout)
        try:
            async with self._platform.session.post(
                self.hook.url, json=update, headers=headers, timeout=timeout
            ) as response:
                await response.read()
                pause = response.headers.get("Retry-After", "0")
                return response.status, float(pause) if pause.isdigit() else 0.0
        except (aiohttp.ClientError, TimeoutError):
            return 0, 0.0
