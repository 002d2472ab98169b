"""Conversations that cannot be read again, or not now: it is said, and harms no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.slack import gaps as room
from core.errors import Retry
from core.values import Address, InboundEvent
from tests.adapters.slack.gap_stage import HISTORY, Notes, at_door, counts, in_messages, reading
from tests.adapters.slack.stage import address
from tests.adapters.stage import Ear
from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(hurry=600) as platform:
        platform.events.patience = 1.0
        yield platform


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel", "internal_error", "missing_scope"])
async def test_one_that_cannot_be_read_is_said_and_harms_no_other(slack: FakeSlack, error: str) -> None:
    ear, ada, bob = Ear(), slack.customer("Ada"), slack.customer("Bob")
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    notes.stands(address(slack, bob.dm.id), bob.id, bob.writes_unheard("the last").ts)
    ada.writes_unheard("from Ada")
    bob.writes_unheard("from Bob")
    slack.fail_next(HISTORY, error, times=4 if error == "internal_error" else 1)
    async with reading(slack, ear, notes) as gaps:
        gaps.read(await gaps.standing())
        told = await notes.told()
        assert counts(told) == [(f"conversation of {ada.id}", 0, True), (f"conversation of {bob.id}", 1, False)]
        assert error in told[0].problem
        # Trouble that may pass is looked at again from the same point, even if live words were heard since
        notes.stands(address(slack, ada.dm.id), ada.id, (await ada.says("live")).ts)
        gaps.read(await gaps.standing())
        await notes.told()
    assert ("from Ada" in ear.texts) == (error == "internal_error")
    assert ear.texts.count("from Bob") == 1


async def test_without_the_scope_nothing_is_read(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    ada.writes_unheard("missed")
    slack.workspace.scopes.discard("im:history")
    async with at_door(slack, "Socket Mode", ear, notes):
        (told,) = await notes.told()
    assert "im:history" in told.problem and ear.heard == []


async def test_slack_says_how_long_to_wait(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    ada.writes_unheard("missed")
    slack.fail_next(HISTORY, retry_after=1)
    async with reading(slack, ear, notes) as gaps:
        gaps.read(await gaps.standing())
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 1, False)]
    first, second = slack.calls_of(HISTORY)
    assert second.at - first.at >= 1.0


async def test_who_is_throttled_for_too_long_is_said(slack: FakeSlack) -> None:
    ear, ada, bob = Ear(), slack.customer("Ada"), slack.customer("Bob")
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    notes.stands(address(slack, bob.dm.id), bob.id, bob.writes_unheard("the last").ts)
    slack.fail_next(HISTORY, retry_after=60)
    async with reading(slack, ear, notes, budget=5.0) as gaps:
        gaps.read(await gaps.standing())
        told = await notes.told()
    assert [one.found for one in told] == [0, 0] and all("slowly" in one.problem for one in told)
    assert len(slack.calls_of(HISTORY)) == 1


async def test_reading_keeps_to_slacks_pace(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_TIER_3", (3, 2.0))
    ear = Ear()
    notes = Notes(ear)
    for number in range(7):
        one = slack.customer(f"Customer {number}")
        notes.stands(address(slack, one.dm.id), one.id, one.writes_unheard("the last").ts)
    async with reading(slack, ear, notes) as gaps:
        gaps.read(await gaps.standing())
        assert len(await notes.told()) == 7
    moments = [call.at for call in slack.calls_of(HISTORY)]
    assert len(moments) == 7 and min(later - sooner for sooner, later in zip(moments, moments[3:], strict=False)) >= 1.5


async def test_what_cannot_be_committed_is_tried_again(slack: FakeSlack) -> None:
    ear, ada = Ear(), slack.customer()
    notes = in_messages(slack, ear, ada, ada.writes_unheard("the last").ts)
    ada.writes_unheard("do not lose me")
    troubles = iter([Retry("the database is locked", 2.5), ZeroDivisionError()])

    def stumble(event: InboundEvent) -> None:
        if trouble := next(troubles, None):
            raise trouble

    ear.trouble = stumble
    async with reading(slack, ear, notes) as gaps:
        gaps.read(await gaps.standing())
        assert counts(await notes.told()) == [(f"conversation of {ada.id}", 1, False)]
    assert ear.texts == ["do not lose me"]


async def test_conversations_of_another_workspace_are_not_asked_for(slack: FakeSlack) -> None:
    ear = Ear()
    notes = Notes(ear)
    notes.stands(Address("slack", "T0OTHER", "D0OTHER"), "U0OTHER", "1.000001")
    async with at_door(slack, "Socket Mode", ear, notes):
        assert await notes.told() == []
    assert not slack.calls_of(HISTORY)
