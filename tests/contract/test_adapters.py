"""The contract of adapters, held against each of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.contract import AdapterContract, Shown, Stage
from adapters.telegram.adapter import TelegramAdapter
from core.values import Address
from tests.adapters.telegram.stage import served
from tests.fakes.telegram import TOKEN, FakeTelegram


class TelegramStage:
    """The fake Telegram and Ada, who pressed Start some time ago."""

    def __init__(self, telegram: FakeTelegram, adapter: TelegramAdapter) -> None:
        self.adapter = adapter
        self._telegram = telegram
        self._ada = telegram.customer("Ada")

    async def says(self, text: str) -> None:
        await self._ada.says(text)

    async def repeats(self) -> None:
        self._telegram.redeliver(max(self._telegram.updates.log))

    async def taps(self, key: str) -> None:
        await self._ada.taps_data(self._ada.seen[-1], key)

    async def seen(self) -> list[Shown]:
        return [Shown(one.text, one.buttons) for one in self._ada.seen if one.by_bot]


class TestTelegramByPolling(AdapterContract):
    address = Address("telegram", "123456", "5151", "7")
    secrets = (TOKEN,)

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        return self._stage()

    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[Stage]:
        async with FakeTelegram() as telegram:
            yield TelegramStage(telegram, TelegramAdapter(TOKEN, api_url=telegram.url, blob=lambda name: b""))


class TestTelegramByWebhook(TestTelegramByPolling):
    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[Stage]:
        async with FakeTelegram(hurry=50) as telegram:

            def build(address: str) -> TelegramAdapter:
                return TelegramAdapter(TOKEN, api_url=telegram.url, webhook_url=address, blob=lambda name: b"")

            async with served(build) as adapter:
                yield TelegramStage(telegram, adapter)
