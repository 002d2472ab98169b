"""Nothing twice, nothing lost: deliveries that repeat, deliveries that fail, processes that die in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BrainGone
from core.store.sweep import sweep
from core.texts import say
from tests.fakes.house import sure
from tests.regressions.doors import by_webhook, everywhere, on_slack, on_telegram, once_each
from tests.regressions.ground import Ground, OnSlack, OnTelegram, SlackGround
from tests.regressions.house import AND_HOURS, AND_ORDER, HOURS, ORDER, House, SlowBrain, heard, life

ASK_AGAIN = say("asked_again", "en")
HOUR = 3600 * 1000


@on_slack
async def test_01_the_same_slack_event_four_times_is_answered_once(house: House) -> None:
    # Given a Slack that never sees our acknowledgement: it delivers at 0 s, at once again, after 1 and after 5 min
    fake, ada = house.ground.fake, house.ground.person()
    fake.ignore_acks(100)
    await ada.says(ORDER)
    assert await house.answers(ada, 1) == [AND_ORDER]
    # Then it was the same event each time, in an envelope of its own
    event = fake.events.deliveries[0].event_id
    attempts = [one for one in fake.events.deliveries if one.event_id == event]
    assert [one.attempt for one in attempts] == [0, 1, 2, 3]
    assert len({one.envelope for one in attempts}) == (4 if attempts[0].envelope else 1)
    assert len(house.brain.asked) == 1 and len(await house.keys()) == 1


@everywhere
async def test_01_a_delivery_that_comes_two_days_late_is_still_known(house: House) -> None:
    fake, ada = house.ground.fake, house.ground.person()
    await ada.says(ORDER)
    assert await house.answers(ada, 1) == [AND_ORDER]
    # When 47 hours have passed, and what is over was swept away
    house.clock.ahead += 47 * HOUR
    await sweep(house.store, retention_days=365)
    fake.redeliver(min(fake.updates.log) if isinstance(ada, OnTelegram) else next(iter(fake.events.log)))
    await house.settle()
    assert heard(ada) == [AND_ORDER] and len(await house.keys()) == 1


@on_slack
async def test_02_only_the_first_retry_arrives_and_is_answered_once(house: House) -> None:
    ada = house.ground.person()
    house.ground.fake.lose_next(1)
    await ada.says(ORDER)
    assert await house.answers(ada, 1) == [AND_ORDER]
    outcomes = [(one.attempt, one.outcome) for one in house.ground.fake.events.deliveries]
    assert outcomes[:2] == [(0, "connection_failed"), (1, "ok")]


@everywhere
async def test_02_what_could_not_be_committed_is_not_acknowledged_and_comes_again(house: House) -> None:
    ada = house.ground.person()
    # Given a disk that is full (or, where Telegram is polled and so nobody is waiting, a busy database) this once
    slack = isinstance(ada, OnSlack)
    house.refuse_writes(1, "database or disk is full" if slack else "database is locked")
    await ada.says(ORDER)
    assert await house.answers(ada, 1) == [AND_ORDER]
    assert len(house.brain.asked) == 1 and len(await house.keys()) == 1
    if slack:
        first = house.ground.fake.events.deliveries[:2]
        assert [one.attempt for one in first] == [0, 1] and first[0].outcome != "ok" and first[1].outcome == "ok"
    elif statuses := [one.status for one in house.ground.fake.updates.deliveries]:
        assert statuses == [503, 200]


@on_slack
@pytest.mark.parametrize("first", ["message", "app_mention"])
async def test_03_message_and_app_mention_of_one_post_are_answered_once(house: House, first: str) -> None:
    fake, ada = house.ground.fake, house.ground.fake.customer("Ada")
    channel = fake.channel()
    with fake.held() as event_ids:
        post = await ada.mentions(ORDER, channel=channel)
        event_ids.sort(key=lambda event_id: fake.events.log[event_id]["event"]["type"] != first)
    await house.until(lambda: len(fake.everything(channel)) > 1)
    await house.settle()
    assert len({one.event_id for one in fake.events.deliveries}) >= 2
    answers = [one for one in fake.everything(channel) if one.by_bot]
    assert [one.thread_ts for one in answers] == [post.ts] and len(house.brain.asked) == 1


@on_slack
async def test_03_a_mention_that_comes_when_all_was_said_changes_nothing(house: House) -> None:
    fake, ada = house.ground.fake, house.ground.fake.customer("Ada")
    channel = fake.channel()
    with fake.held() as event_ids:
        await ada.mentions(ORDER, channel=channel)
        late = event_ids.pop()
    await house.until(lambda: len(fake.everything(channel)) > 1)
    fake.redeliver(late)
    await house.settle()
    assert len([one for one in fake.everything(channel) if one.by_bot]) == 1 and len(house.brain.asked) == 1


@on_telegram
async def test_04_a_telegram_update_that_is_repeated_is_answered_once(house: House) -> None:
    fake, ada = house.ground.fake, house.ground.person()
    fake.duplicate_next(3)
    await ada.says(ORDER)
    assert await house.answers(ada, 1) == [AND_ORDER]
    await ada.says(HOURS)
    assert await house.answers(ada, 2) == [AND_ORDER, AND_HOURS]
    # An old update that comes again is no new question, though newer ones were confirmed.
    fake.redeliver(min(fake.updates.log))
    await house.settle()
    assert heard(ada) == [AND_ORDER, AND_HOURS] and len(house.brain.asked) == 2


@on_telegram
async def test_04_updates_out_of_order_are_each_answered_once(house: House) -> None:
    fake = house.ground.fake
    people = [house.ground.person(name) for name in ("Ada", "Bob", "Cleo")]
    with fake.held() as numbers:
        for person in people:
            await person.says(ORDER)
        numbers.reverse()
    fake.redeliver(numbers[0])
    for person in people:
        assert await house.answers(person, 1) == [AND_ORDER]
    assert len(house.brain.asked) == 3


@by_webhook
async def test_04_two_messages_of_one_chat_out_of_order_are_read_in_the_order_they_were_written(house: House) -> None:
    fake, ada = house.ground.fake, house.ground.person()
    # Given a brain that takes its time, as real ones do
    gate = house.brain.hold("terms")
    with fake.held() as numbers:
        await ada.says("I bought a tent in May, that was before the new terms.")
        await ada.says("Now it came damaged, what do those terms say?")
        numbers.reverse()
    await house.until(lambda: [one for one in house.brain.asked if "May" in one.text and "Now" in one.text])
    gate.set()
    await house.answers(ada, 1)
    asked = house.brain.asked[-1].text
    assert asked.index("May") < asked.index("Now")


@everywhere
async def test_05_a_gateway_killed_between_posting_and_recording_does_not_post_twice(
    ground: Ground, tmp_path: Path
) -> None:
    ada = ground.person()
    # Given a platform that shows the answer at once, and a gateway that dies before it hears of that
    ground.fake.slow_next(ground.posting, 3.0)
    async with life(ground, tmp_path) as house:
        await ada.says(ORDER)
        await house.until(ada.seen)
        await house.killed()
        assert await house.rows(ada) == ["sending"]
    # When the next one starts
    async with life(ground, tmp_path, speed=10) as house:
        said = [AND_ORDER] if isinstance(ground, SlackGround) else [AND_ORDER, ASK_AGAIN]
        await house.delivered(ada)
        assert await house.answers(ada, len(said)) == said
        # Then Slack was read, and had it; Telegram cannot be read, so the agent sees that it may be missing.
        assert await house.rows(ada) == (["sent"] if len(said) == 1 else ["unknown", "sent"])
        # and the customer is understood as before.
        await ada.says(HOURS)
        assert await house.answers(ada, len(said) + 1) == [*said, AND_HOURS]


@once_each
async def test_05_what_never_left_is_posted_by_the_next_gateway(ground: Ground, tmp_path: Path) -> None:
    ada = ground.person()
    async with life(ground, tmp_path) as house:
        gate = house.brain.hold(ORDER)
        await ada.says(ORDER)
        await house.until(lambda: house.brain.asked)
        await house.killed()
        gate.set()
    async with life(ground, tmp_path) as house:
        assert await house.answers(ada, 1) == [AND_ORDER]


@once_each
async def test_05_a_worker_killed_with_the_question_in_its_hands_is_asked_again_and_answers_once(
    ground: Ground, tmp_path: Path
) -> None:
    ada, brain = ground.person(), SlowBrain()
    brain.think = lambda question: BrainGone("died", held=True) if question.attempt == 1 else sure(question, "terms")
    async with life(ground, tmp_path, brain) as house:
        await ada.says(HOURS)
        await house.until(lambda: any("Clause 40." in text for text in ada.seen()))
        await house.settle()
        whole = "\n".join(ada.seen())
        assert whole.count("Clause 1.") == whole.count("Clause 40.") == 1
        assert [question.attempt for question in brain.asked] == [1, 2]
