"""The contract of adapters, held against Slack's, over Socket Mode and over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.contract import AdapterContract, Shown, Stage
from adapters.slack.adapter import SlackAdapter
from core.values import Address
from tests.adapters.slack.stage import by_http, by_sockets, last_event_of, served, words
from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, FakeSlack
from tests.fakes.slack.checks import elements_of


class SlackStage:
    """The fake Slack and Ada in her direct messages."""

    def __init__(self, slack: FakeSlack, adapter: SlackAdapter) -> None:
        self.adapter = adapter
        self._slack = slack
        self._ada = slack.customer("Ada")

    async def says(self, text: str) -> None:
        await self._ada.says(text)

    async def repeats(self) -> None:
        self._slack.redeliver(last_event_of(self._slack, self._ada))

    async def taps(self, key: str) -> None:
        post = self._ada.dm.posts[self._ada.seen[-1].ts]
        (label,) = (one["text"]["text"] for _, one in elements_of(post.blocks) if one["value"] == key)
        await self._ada.taps(label, on=post)

    async def seen(self) -> list[Shown]:
        return [Shown(words(one.shown), one.buttons) for one in self._ada.seen if one.by_bot]


class TestSlackBySocketMode(AdapterContract):
    address = Address("slack", "T0NORTHWIND", "C0HELP", "1790000000.000100")
    secrets = (BOT_TOKEN, APP_TOKEN, SIGNING_SECRET)

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        return self._stage()

    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[Stage]:
        async with FakeSlack(hurry=600) as slack:
            slack.events.patience = 1.0
            yield SlackStage(slack, by_sockets(slack))


class TestSlackByEventsApi(TestSlackBySocketMode):
    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[Stage]:
        async with FakeSlack(hurry=600) as slack:
            adapter = by_http(slack)
            async with served(adapter) as address:
                await slack.use_events_api(address)
                yield SlackStage(slack, adapter)
