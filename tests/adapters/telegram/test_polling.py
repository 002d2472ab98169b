"""Receiving by long polling from the fake Telegram."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

from adapters.telegram.adapter import TelegramAdapter
from core.errors import Broken, Retry
from core.values import AttachmentKind, Choice, EventKind, InboundEvent, Problem, Reply
from tests.adapters.stage import Ear, picture
from tests.adapters.telegram.stage import adapter_for, connected
from tests.fakes.telegram import FakeTelegram


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as platform:
        yield platform


async def test_a_text_is_heard_and_confirmed(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer("Ada", "de")
    async with connected(telegram, ear):
        said = await ada.says("Wo ist mein Paket?")
        await telegram.settled()
    (event,) = ear.heard
    assert (event.kind, event.text, event.message) == (EventKind.CREATED, "Wo ist mein Paket?", str(said.id))
    assert event.address.chat == event.author.id == str(ada.id)
    assert event.author.language == "de"


async def test_an_album_is_several_events_of_one_group(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear) as adapter:
        await ada.album([picture("red"), picture("green"), picture("blue")], caption="all broken", caption_on=1)
        await telegram.settled()
        files = [await adapter.fetch(event.attachments[0]) for event in ear.heard]
    assert [event.text for event in ear.heard] == ["", "all broken", ""]
    assert len({event.group for event in ear.heard}) == 1 and ear.heard[0].group
    assert len(set(files)) == 3


async def test_a_voice_note_can_be_fetched(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear) as adapter:
        await ada.sends_voice(b"OggS and so on", seconds=3)
        await telegram.settled()
        (attachment,) = ear.heard[0].attachments
        assert (attachment.kind, attachment.seconds) == (AttachmentKind.VOICE, 3.0)
        assert await adapter.fetch(attachment) == b"OggS and so on"


async def test_what_cannot_be_read_is_heard_with_its_problem(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear):
        await ada.sends_sticker()
        await ada.sends_document(b"%PDF", mime="application/pdf", name="a.pdf")
        await ada.sends_document(b"x", mime="image/png", name="scan.png", size=21 * 1024 * 1024)
        await telegram.settled()
    problems = [event.attachments[0].problem for event in ear.heard]
    assert problems == [Problem.STICKER, Problem.DOCUMENT, Problem.TOO_LARGE]


async def test_edits_taps_and_blocks_are_heard(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear) as adapter:
        said = await ada.says("Wher?")
        await telegram.settled()
        await ada.edits(said, "Where?")
        for call in adapter.render(ear.heard[0].address, Reply("Did you mean?", (Choice("k7", "Returns"),))):
            await adapter.send(call)
        await ada.taps("Returns")
        await ada.blocks_bot()
        await ada.unblocks_bot()
        await telegram.settled()
    assert [event.kind for event in ear.heard] == [
        EventKind.CREATED,
        EventKind.EDITED,
        EventKind.TAPPED,
        EventKind.BLOCKED,
        EventKind.UNBLOCKED,
    ]
    assert ear.heard[0].message == ear.heard[1].message
    assert ear.heard[2].tap == "k7"


async def test_a_tap_is_answered_while_it_is_still_being_heard(telegram: FakeTelegram) -> None:
    # Given an ear that takes its time over taps
    ear, ada = Ear(), telegram.customer()
    done = asyncio.Event()
    ear.trouble = lambda event: done.wait() if event.kind is EventKind.TAPPED else None
    async with connected(telegram, ear) as adapter:
        await ada.says("hi")
        await telegram.settled()
        (call,) = adapter.render(ear.heard[0].address, Reply("?", (Choice("k7", "Yes"),)))
        await adapter.send(call)
        # When the customer taps, then the spinner stops before the tap is committed
        query = await ada.taps("Yes")
        await telegram.until(lambda: query.answered)
        assert len(ear.heard) == 1
        done.set()
        await telegram.settled()
    assert ear.heard[-1].tap == "k7"


async def test_an_expired_tap_is_heard_all_the_same(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear) as adapter:
        await ada.says("hi")
        await telegram.settled()
        (call,) = adapter.render(ear.heard[0].address, Reply("?", (Choice("k7", "Yes"),)))
        await adapter.send(call)
        telegram.fail_next("answerCallbackQuery", 400, description="Bad Request: query is too old")
        await ada.taps("Yes")
        await telegram.settled()
    assert ear.heard[-1].tap == "k7"


async def test_only_what_we_understand_is_asked_for(telegram: FakeTelegram) -> None:
    async with connected(telegram, Ear()):
        await telegram.until(lambda: telegram.calls_of("getUpdates"))
        await telegram.until(lambda: len(telegram.calls_of("setMyCommands")) >= 8)
    assert telegram.updates.allowed == ["message", "edited_message", "callback_query", "my_chat_member"]
    assert [command["command"] for command in telegram.world.commands[""]] == ["start", "help", "human"]
    assert telegram.world.commands["de"][2]["description"] == "Mit einem Menschen sprechen"


# Nothing is lost ------------------------------------------------------------------------------------------------------


async def test_what_was_not_committed_comes_again_after_a_crash(telegram: FakeTelegram) -> None:
    # Given a gateway that dies while it hears
    dying, ada = Ear(), telegram.customer()
    hangs = asyncio.Event()
    dying.trouble = lambda event: hangs.wait() if event.text == "two" else None

    async def crash() -> None:
        async with connected(telegram, dying):
            await asyncio.sleep(60)

    process = asyncio.create_task(crash())
    await ada.says("one")
    await ada.says("two")
    await ada.says("three")
    await telegram.until(lambda: [event.text for event in dying.asked] == ["one", "two"])
    process.cancel()
    hangs_until_the_end = asyncio.gather(process, return_exceptions=True)
    await asyncio.wait({hangs_until_the_end}, timeout=0.1)
    # When another one starts
    ear = Ear()
    async with connected(telegram, ear):
        await telegram.settled()
    hangs.set()
    await hangs_until_the_end
    # Then it hears everything that was not confirmed, what was heard already under the same id
    assert ear.texts[-2:] == ["two", "three"]
    assert set(ear.texts) <= {"one", "two", "three"}
    known = {event.text: event.id for event in dying.asked}
    assert all(event.id == known.get(event.text, event.id) for event in ear.heard)


async def test_what_was_committed_but_not_confirmed_comes_again_under_the_same_id(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    # Given that the gateway stops between the commit and the next getUpdates
    stopped = asyncio.Event()

    def stop(event: InboundEvent) -> None:
        stopped.set()

    ear.trouble = stop
    telegram.fail_next("getUpdates", 500, times=1000, where=lambda arguments: "offset" in arguments)
    async with connected(telegram, ear):
        await ada.says("once")
        await stopped.wait()
    telegram.faults.clear()
    # When it starts again
    async with connected(telegram, ear):
        await telegram.settled()
    assert ear.texts == ["once", "once"]
    assert ear.heard[0].id == ear.heard[1].id


async def test_a_duplicate_has_the_same_id(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear):
        telegram.duplicate_next(3)
        await ada.says("thrice")
        await telegram.until(lambda: len(ear.heard) == 3)
    assert len({event.id for event in ear.heard}) == 1


async def test_the_database_away_for_a_moment_delays_only(telegram: FakeTelegram) -> None:
    ear, ada, ben = Ear(), telegram.customer("Ada"), telegram.customer("Ben")
    failures = iter([1, 2])

    def away(event: InboundEvent) -> None:
        if event.text == "one" and next(failures, None):
            raise Retry("the database is locked", 0.01)

    ear.trouble = away
    async with connected(telegram, ear):
        with telegram.held():
            await ada.says("one")
            await ada.says("two")
            await ben.says("hello")
        await telegram.settled(timeout=15)
    # Then each chat kept its order, and the other one did not wait
    assert [text for text in ear.texts if text != "hello"] == ["one", "two"]
    assert ear.texts.index("hello") == 0


async def test_nothing_is_given_up_while_nothing_can_be_committed(
    telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a database that somebody must mend, then every update waits for it, however long that takes."""
    monkeypatch.setattr("adapters.telegram.intake.MENDING", 0.01)
    monkeypatch.setattr("adapters.telegram.polling.FIRST_PAUSE", 0.01)
    ear, ada = Ear(), telegram.customer()

    def broken(event: InboundEvent) -> None:
        if len(ear.asked) <= 6:
            raise Broken("the database failed: nobody knows why")

    ear.trouble = broken
    with capture_logs() as lines:
        async with connected(telegram, ear):
            await ada.says("do not lose me")
            await telegram.settled(timeout=15)
    assert ear.texts == ["do not lose me"] and len(ear.asked) == 7
    assert not [line for line in lines if line["event"] == "telegram.given_up"]


async def test_an_event_that_the_gateway_stumbles_over_does_not_stop_the_others(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()

    def stumble(event: InboundEvent) -> None:
        if event.text == "poison":
            raise ZeroDivisionError

    ear.trouble = stumble
    with capture_logs() as lines:
        async with connected(telegram, ear):
            await ada.says("poison")
            await ada.says("good")
            await telegram.settled(timeout=15)
    assert ear.texts == ["good"]
    assert [event.text for event in ear.asked].count("poison") == 3
    assert [line for line in lines if line["event"] == "telegram.given_up"]


async def test_strange_updates_do_not_stop_the_others(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear):
        telegram.push_update({"message": {"chat": 7, "photo": [[]], "date": "x"}})
        telegram.push_update({"message": None})
        telegram.push_update({"telepathy": {"thought": "hm"}})
        await ada.says("still here?")
        await telegram.settled()
    assert ear.texts == ["still here?"]


async def test_update_ids_that_start_anew_are_not_missed(telegram: FakeTelegram) -> None:
    """After a week without updates Telegram counts on from a random number."""
    ear, ada = Ear(), telegram.customer()
    async with connected(telegram, ear):
        said = await ada.says("before")
        await telegram.settled()
        update = dict(telegram.updates.log[max(telegram.updates.log)])
        telegram.push_update({**update, "update_id": 17, "message": {**update["message"], "text": "after"}})
        await telegram.until(lambda: ear.texts == ["before", "after"])
        assert said.text == "before"
        await telegram.settled()


# Trouble on the way ---------------------------------------------------------------------------------------------------


async def test_a_broken_connection_is_tried_again(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    telegram.drop_next("getUpdates", after_effect=False)
    telegram.fail_next("getUpdates", 502)
    async with connected(telegram, ear):
        await ada.says("hello?")
        await telegram.until(lambda: ear.texts, timeout=15)
        await telegram.settled()
    assert ear.texts == ["hello?"]


async def test_an_answer_that_got_lost_loses_nothing(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    telegram.drop_next("getUpdates", after_effect=True)
    await ada.says("hello?")
    async with connected(telegram, ear):
        await telegram.settled(timeout=15)
    assert ear.texts == ["hello?"]


async def test_a_second_poller_is_named_and_outlived(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    with capture_logs() as lines:
        async with connected(telegram, ear):
            await telegram.until(lambda: telegram.calls_of("getUpdates"))
            # When another program polls with the same token
            rival = f"{telegram.url}/bot{telegram.token}/getUpdates"
            async with aiohttp.ClientSession() as session, session.post(rival, json={"timeout": 0}) as answer:
                assert answer.status == 200
            await telegram.until(lambda: any(line["event"] == "telegram.conflict" for line in lines))
            await ada.says("still here?")
            await telegram.settled(timeout=15)
    (line,) = [line for line in lines if line["event"] == "telegram.conflict"]
    assert "another program" in line["advice"] and line["log_level"] == "error"
    assert ear.texts == ["still here?"]


async def test_a_webhook_left_over_is_removed(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    url = f"{telegram.url}/bot{telegram.token}/setWebhook"
    async with aiohttp.ClientSession() as session:
        await session.post(url, json={"url": "https://old.example/hook", "secret_token": "x"})
    async with connected(telegram, ear):
        await ada.says("hello?")
        await telegram.settled()
    assert ear.texts == ["hello?"]


async def test_a_wrong_token_says_where_to_get_one(telegram: FakeTelegram) -> None:
    for token in ("123456:wrong", "", "no token", "12/../34"):
        adapter = TelegramAdapter(token, api_url=telegram.url, blob=lambda name: b"")
        with pytest.raises(Broken, match=r"refuses the token.*@BotFather.*POLYDESK_TELEGRAM_TOKEN"):
            async with adapter.running(Ear().hear):
                pass
    with pytest.raises(Broken):
        await adapter.whoami()


async def test_a_server_that_is_not_there_is_worth_another_try(telegram: FakeTelegram) -> None:
    adapter = TelegramAdapter(telegram.token, api_url="http://127.0.0.1:9", blob=lambda name: b"")
    with pytest.raises(Retry, match="cannot be reached"):
        async with adapter.running(Ear().hear):
            pass


async def test_a_server_that_is_no_bot_api_is_named(telegram: FakeTelegram) -> None:
    adapter = TelegramAdapter(telegram.token, api_url=f"{telegram.url}/elsewhere", blob=lambda name: b"")
    with pytest.raises(Broken, match="POLYDESK_TELEGRAM_API_URL"):
        async with adapter.running(Ear().hear):
            pass


async def test_it_can_stop_and_start_again_and_leaves_no_task_behind(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    adapter = adapter_for(telegram)
    before = asyncio.all_tasks()
    for words in ("first", "second"):
        async with adapter.running(ear.hear):
            await ada.says(words)
            await telegram.settled()
        assert {task for task in asyncio.all_tasks() - before if "telegram" in task.get_name()} == set()
    assert ear.texts == ["first", "second"]
    assert (await adapter.whoami()).username == "polydesk_bot"


async def test_a_hearing_in_progress_is_finished_before_the_end(telegram: FakeTelegram) -> None:
    ear, ada = Ear(), telegram.customer()
    ear.trouble = lambda event: asyncio.sleep(0.3)
    async with connected(telegram, ear):
        await ada.says("slowly")
        await telegram.until(lambda: ear.asked)
    assert ear.texts == ["slowly"]
