"""The one place where concrete classes meet."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from pydantic import SecretStr

from adapters.registry import adapter
from bot.brain import CeleryBrain
from bot.line import Line
from bot.measures import Measures
from bot.missed import Missed
from bot.settings import Settings, data_folder
from bot.trainer import CeleryTrainer
from core.answering import Answering, Room
from core.bell import Bell
from core.clock import WallClock
from core.composing import Composing
from core.delivery import Courier
from core.desk import Desk
from core.errors import SettingsError
from core.fetching import Fetcher
from core.hearing import Hearing
from core.learning import Learning
from core.leases import Alone, Holding, Leases
from core.live import Live
from core.ports import Adapter, CatchesUp
from core.publishing import Publishing
from core.speaking import Mouth
from core.store.blobs import BlobFolder
from core.store.store import Store
from core.timers import Patience, Timers

BOT_ID = "default"
KB_ID = "default"


@dataclass(frozen=True, slots=True)
class House:
    """Everything a gateway is made of."""

    settings: Settings
    store: Store
    bell: Bell
    brain: CeleryBrain
    adapters: dict[str, Adapter]
    live: Live
    courier: Courier
    answering: Answering
    hearing: Hearing
    desk: Desk
    timers: Timers
    publishing: Publishing
    learning: Learning
    measures: Measures = field(default_factory=Measures)
    holding: Holding = field(default_factory=Alone)

    def wake(self, conversation: str) -> None:
        """Have both lanes of a conversation look."""
        self.answering.wake(conversation)
        self.courier.wake(conversation)

    async def look_around(self, platforms: Collection[str]) -> None:
        """Take over the conversations that have something to do and no gateway that does it.

        Only on `platforms`: whoever cannot reach one must not keep its conversations from a gateway that can.
        """
        for conversation in await self.store.read(lambda tx: tx.leases.neglected(platforms)):
            self.wake(conversation)


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[House]:
    """Build everything, in the order in which it depends on each other, and take it down the other way round."""
    if settings.redis_url is None:
        raise SettingsError(
            ["POLYDESK_REDIS_URL: a gateway needs a Redis or Valkey server; `polydesk up` brings one along"]
        )
    clock = WallClock()
    patience = Patience()
    data_folder(settings)
    store = await Store.open(settings.database, settings.blob_folder, clock, exclusive=True)
    try:
        gateway, redis_url = uuid.uuid4().hex, settings.redis_url.get_secret_value()
        line = Line(redis_url, gateway) if settings.postgres else None
        leases = Leases(store, clock, gateway, line.call) if line else None
        holding = leases or Alone()
        bell = Bell(line.ring if line else None)
        composing = Composing(line.ring if line else None)
        brain = CeleryBrain(redis_url, gateway)
        trainer = CeleryTrainer(redis_url)
        adapters = open_doors(settings, store, bell, composing)
        live = Live(store, store.blobs)
        courier = Courier(store, adapters, live, bell, clock, holding)
        mouth = Mouth(adapters)
        measures = Measures()
        measures.count_workers(lambda: brain.workers)
        for platform, door in adapters.items():
            if isinstance(door, CatchesUp):
                door.catch_up_from(Missed(platform, store, bell, measures))
        fetcher = Fetcher(adapters, store.blobs, clock)
        room = Room(
            *(store, brain, adapters, fetcher, live, courier, bell, clock, measures.turn, holding, composing),
            notice=settings.tone_notice,
        )
        answering = Answering(room)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(brain.running())
            await stack.enter_async_context(trainer.running())
            publishing = Publishing(store, bell, clock, KB_ID, brain)
            if leases is not None:
                await stack.enter_async_context(leases.running())
            home = House(
                settings=settings,
                store=store,
                bell=bell,
                brain=brain,
                adapters=adapters,
                live=live,
                courier=courier,
                answering=answering,
                hearing=Hearing(store, answering, bell, idle_ms=patience.idle, bot_id=BOT_ID, kb_id=KB_ID),
                desk=Desk(store, live, mouth, courier, bell, clock),
                timers=Timers(store, live, mouth, courier, bell, clock, patience),
                publishing=publishing,
                learning=Learning(store, publishing, bell, KB_ID, trainer, settings.retention_days),
                measures=measures,
                holding=holding,
            )
            if line is not None:
                await stack.enter_async_context(line.running(partial(_rung, bell, composing), home.wake, bell.ring_all))
            yield home
            await answering.close()
            await courier.close()
    finally:
        await store.close()


def open_doors(settings: Settings, store: Store, bell: Bell, composing: Composing) -> dict[str, Adapter]:
    """The adapters that the settings ask for; the web chat is always one."""
    web = adapter("web")(store=store, bell=bell, composing=composing)
    return {"web": web, **open_platforms(settings, store.blobs)}


def _rung(bell: Bell, composing: Composing, topic: str) -> None:
    """What rang at another gateway: a sign that somebody writes there, or news for open pages."""
    if not composing.hear(topic):
        bell.hear(topic)


def open_platforms(settings: Settings, blobs: BlobFolder) -> dict[str, Adapter]:
    """The adapters of the platforms whose tokens are set."""
    doors: dict[str, Adapter] = {}
    if settings.telegram_token is not None:
        doors["telegram"] = adapter("telegram")(
            token=settings.telegram_token.get_secret_value(),
            api_url=settings.telegram_api_url or None,
            webhook_url=settings.telegram_webhook_url or None,
            secret=_open(settings.telegram_secret),
            blob=blobs.get,
        )
    if settings.slack_bot_token is not None:
        doors["slack"] = adapter("slack")(
            bot_token=settings.slack_bot_token.get_secret_value(),
            app_token=_open(settings.slack_app_token),
            signing_secret=_open(settings.slack_signing_secret),
            api_url=settings.slack_api_url or None,
            blob=blobs.get,
        )
    return doors


def _open(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
