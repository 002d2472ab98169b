"""What becomes of words that are on their way: sends that break, wait, or may have arrived."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from core.delivery import Courier
from core.errors import Broken, OutcomeUnknown, Retry, Throttled
from core.live import Live
from core.store.tables import outbox
from core.values import Author, Call, Role, Sent
from tests.core.conftest import Road

WHOLE = "where is my order please?"
ASK_AGAIN = "My last message may not have reached you. If an answer is missing, please ask again and I'll repeat it."


async def test_a_send_that_breaks_does_not_block_what_comes_after_it(road: Road) -> None:
    road.platform.trouble.append(KeyError("a bug of an adapter"))  # type: ignore[arg-type]
    customer = road.customer()
    await customer.says(WHOLE)
    await road.settle()
    await customer.says("and where is the other order?")
    await road.settle()
    # The customer hears that something may be missing, and then the next answer
    assert [text.split("\n")[-1] for text in road.platform.texts("c1")] == [ASK_AGAIN, "See the tracking page."]
    id = (await road.conversation()).id
    messages = await road.store.read(lambda tx: tx.transcript.list(id))
    said = [message.facts.get("delivery") for message in messages if message.author.role == "bot"]
    assert said == ["unknown", None, None]


async def test_however_much_may_be_missing_it_is_said_once(road: Road) -> None:
    road.platform.trouble += [OutcomeUnknown("broke off"), OutcomeUnknown("again"), OutcomeUnknown("and again")]
    await road.customer().says(WHOLE)
    await road.settle()
    assert road.platform.texts("c1") == []
    id = (await road.conversation()).id
    rows = await road.store.read(lambda tx: tx.outbox.list(id))
    assert [row.state for row in rows] == ["unknown", "unknown"]


async def test_what_was_being_sent_when_we_were_killed_is_not_said_twice(road: Road) -> None:
    # Given a gateway that died between sending and recording
    await road.customer().says(WHOLE)
    road.platform.gate = asyncio.Event()
    await road.until(lambda: road.brain.asked)
    await road.answering.idle()
    await road.under_way((await road.conversation()).id)
    await road.courier.close()
    road.platform.gate = None
    # When another one starts
    courier = Courier(road.store, {"fake": road.platform}, Live(road.store, road.store.blobs), road.bell, road.clock)
    await courier.recover()
    await road.until(lambda: road.platform.texts("c1"))
    await courier.idle()
    await courier.close()
    # Then the customer hears how to ask again, and the agent sees what may be missing
    assert road.platform.texts("c1") == [ASK_AGAIN]
    id = (await road.conversation()).id
    rows = await road.store.read(lambda tx: tx.outbox.list(id))
    assert [row.state for row in rows] == ["unknown", "sent"]


async def test_a_platform_that_can_be_read_is_read(road: Road) -> None:
    road.platform.trouble.append(OutcomeUnknown("broke off", readable=True))
    looked: list[Call] = []

    async def look(call: Call) -> Sent:
        looked.append(call)
        return Sent("41")

    await road.customer().says(WHOLE)
    await road.until(lambda: not road.platform.trouble)
    road.platform.send = look  # type: ignore[method-assign]
    await road.until(lambda: looked)
    await road.settle()
    assert looked[0].since and looked[0].key
    id = (await road.conversation()).id
    rows = await road.store.read(lambda tx: tx.outbox.list(id))
    assert [(row.state, row.message_id) for row in rows] == [("sent", "41")]


async def test_a_message_in_doubt_is_no_secret_when_a_human_claims(road: Road) -> None:
    road.platform.trouble.append(OutcomeUnknown("broke off", readable=True))
    customer = road.customer()
    await customer.says(WHOLE)
    await road.until(lambda: not road.platform.trouble)
    await customer.says("and where is the other order?")  # its answer stands behind the one in doubt
    await road.answering.idle()
    id = (await road.conversation()).id
    await road.desk.claim(id, Author("bea", "Bea", role=Role.AGENT))
    await road.settle()
    messages = await road.store.read(lambda tx: tx.transcript.list(id))
    said = [message.facts.get("delivery") for message in messages if message.author.role == Role.BOT]
    assert said == ["unknown", "superseded"]
    assert road.platform.texts("c1") == ["Bea is here for you now."]


async def test_a_token_that_must_be_mended_keeps_the_words(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.delivery._LONGEST_PAUSE", 0.05)
    road.platform.trouble += [Broken("the token is refused"), Broken("the token is refused")]
    await road.customer().says(WHOLE)
    await road.until(lambda: road.platform.texts("c1"))
    assert len(road.platform.texts("c1")) == 1


async def test_what_was_postponed_leaves_after_a_restart_too(road: Road) -> None:
    road.platform.trouble.append(Throttled("slow down", after=0.6))
    await road.customer().says(WHOLE)
    await road.settle()
    await road.courier.close()
    # Given another courier on the same store, as after a restart
    courier = Courier(road.store, {"fake": road.platform}, Live(road.store, road.store.blobs), road.bell, road.clock)
    await courier.recover()
    await road.until(lambda: road.platform.texts("c1"))
    await courier.close()


@pytest.mark.parametrize("trouble", [None, OutcomeUnknown("broke off")])
async def test_an_outcome_is_recorded_however_broken_the_database_was(
    road: Road, monkeypatch: pytest.MonkeyPatch, trouble: OutcomeUnknown | None
) -> None:
    """Given a database that fails as nobody foresaw just when the call is made, then its row is settled later."""
    monkeypatch.setattr("core.delivery.MENDING", 0.05)
    real, failures = road.store.write, iter(range(3))
    road.platform.trouble += [trouble] if trouble else []
    send, gone = road.platform.send, asyncio.Event()

    async def sending(call: Call) -> Sent:
        gone.set()
        return await send(call)

    async def broken(work):  # type: ignore[no-untyped-def]
        if gone.is_set() and next(failures, None) is not None:
            raise Broken("the database failed: nobody knows why")
        return await real(work)

    road.platform.send = sending  # type: ignore[method-assign]
    road.store.write = broken  # type: ignore[method-assign]
    await road.customer().says(WHOLE)
    await road.until(lambda: gone.is_set())
    await road.settle()
    id = (await road.conversation()).id
    rows = await road.store.read(lambda tx: tx.outbox.list(id))
    assert [row.state for row in rows] == (["unknown", "sent"] if trouble else ["sent"])


async def test_words_are_kept_however_often_they_were_tried(road: Road) -> None:
    # Given a row that was tried more often than a float can be doubled
    road.platform.trouble.append(Retry("no network"))
    await road.customer().says(WHOLE)
    await road.settle()
    await road.store.write(lambda tx: tx.sql.run(update(outbox).values(attempts=1_030, not_before=0)))
    road.platform.trouble.append(Retry("no network"))
    id = (await road.conversation()).id
    road.courier.wake(id)
    await road.settle()
    # Then it waits for its next turn
    (row,) = await road.store.read(lambda tx: tx.outbox.list(id))
    assert (row.state, row.attempts) == ("ready", 1_031)
