"""The edge: who is not the platform is turned away, and leaves nothing behind."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.fakes.slack import FakeSlack
from tests.regressions.doors import by_webhook, slack_http
from tests.regressions.house import AND_ORDER, ORDER, House, heard

JSON = "application/json"


async def _event(house: House) -> tuple[str, bytes, Any]:
    """The body of an event that Slack would send, kept back before it did, with the person it is about."""
    fake, ada = house.ground.fake, house.ground.person()
    with fake.held() as event_ids:
        await ada.says(ORDER)
        body = json.dumps(fake.events.log[event_ids.pop()]).encode()
    return fake.events.url, body, ada


def _forged(fake: FakeSlack, body: bytes) -> dict[str, dict[str, str]]:
    good, now = fake.events.signed(body), int(time.time())
    old = fake.events.signed(body, at=now - 301)
    return {
        "no signature": good | {"X-Slack-Signature": ""},
        "no timestamp": good | {"X-Slack-Request-Timestamp": ""},
        "another secret": fake.events.signed(body, secret="0" * 32),
        "another body": fake.events.signed(body + b" "),
        "old": old,
        "old, made younger": old | {"X-Slack-Request-Timestamp": str(now)},
        "of the future": fake.events.signed(body, at=now + 310),
    }


@slack_http
async def test_20_an_event_that_slack_did_not_sign_just_now_is_refused(house: House) -> None:
    fake = house.ground.fake
    url, body, ada = await _event(house)
    answers = {name: await fake.events.post(url, body, JSON, headers) for name, headers in _forged(fake, body).items()}
    await house.settle()
    assert {name: status for name, (status, _, _) in answers.items()} == dict.fromkeys(answers, 401)
    assert await house.keys() == [] and ada.seen() == [] and house.brain.asked == []


@slack_http
async def test_20_a_tap_that_slack_did_not_sign_is_refused(house: House) -> None:
    fake, ada = house.ground.fake, house.ground.person()
    await ada.says(ORDER)
    await house.answers(ada, 1)
    before = await house.keys()
    body = b"payload=%7B%22type%22%3A%22block_actions%22%7D"
    form = "application/x-www-form-urlencoded"
    status, _, _ = await fake.events.post(fake.events.url, body, form, fake.events.signed(body, secret="guessed"))
    await house.settle()
    assert status == 401 and await house.keys() == before


@slack_http
async def test_20_a_body_replayed_within_the_window_is_known_and_later_it_is_too_old(house: House) -> None:
    fake = house.ground.fake
    url, body, ada = await _event(house)
    headers = fake.events.signed(body)
    assert [(await fake.events.post(url, body, JSON, headers))[0] for _ in range(3)] == [200] * 3
    assert await house.answers(ada, 1) == [AND_ORDER]
    # A stranger who recorded it cannot make it another event, neither by new retry headers nor by time.
    retried = headers | {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    assert (await fake.events.post(url, body, JSON, retried))[0] == 200
    assert (await fake.events.post(url, body, JSON, fake.events.signed(body, at=int(time.time()) - 400)))[0] == 401
    await house.settle()
    assert len(await house.keys()) == 1 and heard(ada) == [AND_ORDER]


@by_webhook
@pytest.mark.parametrize(("secret", "status"), [("", 401), ("guessed", 403), ("x" * 64, 403)])
async def test_20_an_update_without_telegrams_secret_is_refused(house: House, secret: str, status: int) -> None:
    fake, ada = house.ground.fake, house.ground.person()
    with fake.held() as numbers:
        await ada.says(ORDER)
        update = fake.updates.log[numbers[0]]
        assert await fake.post_webhook(update, secret=secret) == status
        await house.answering.idle()
        assert await house.keys() == [] and ada.seen() == [] and house.brain.asked == []
    # Telegram's own delivery of it is taken.
    assert await house.answers(ada, 1) == [AND_ORDER]


@by_webhook
async def test_20_an_update_that_is_replayed_is_known_by_its_number(house: House) -> None:
    fake, ada = house.ground.fake, house.ground.person()
    await ada.says(ORDER)
    assert await house.answers(ada, 1) == [AND_ORDER]
    update = fake.updates.log[min(fake.updates.log)]
    assert [await fake.post_webhook(update, secret=fake.updates.hook.secret) for _ in range(3)] == [200] * 3
    await house.settle()
    assert len(await house.keys()) == 1 and heard(ada) == [AND_ORDER] and len(house.brain.asked) == 1
