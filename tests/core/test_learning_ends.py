"""Every way in which a training may end for the books, whatever its worker does and says."""

from __future__ import annotations

import pytest

from core import learning as rules
from core.errors import BadInput, Retry
from core.knowledge.entries import Release
from core.learning import Learning
from core.training import News, Outcome
from tests.core.conftest import Road, Seconds, attended, heard, later, outcome, row
from tests.fakes.trainer import FakeTrainer


async def test_a_worker_that_dies_leaves_a_sentence_and_room_for_another_try(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    begun = await learning.start(by="ada")
    trainer.working = {"worker": frozenset({begun.id})}
    await later(learning, trainer, seconds, 1000)
    assert (await row(road, begun.id)).running
    trainer.working = {}
    await later(learning, trainer, seconds, rules.LOST - 1)
    assert (await row(road, begun.id)).running
    # Another worker that comes and does not hold it changes nothing
    trainer.working = {"worker": frozenset()}
    await later(learning, trainer, seconds, 2)
    assert "died before it was done. Start it again." in (await row(road, begun.id)).problem
    # What it says of its end after all changes nothing
    trainer.said.append(News(begun.id, 4, problem="Stopped by bob", stopped_by="bob"))
    await attended(learning, trainer)
    assert (await row(road, begun.id)).stopped_by == ""
    assert (await learning.again(begun.id, by="bob")).running


async def test_a_worker_that_was_only_cut_off_is_told_to_end_what_was_given_up(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    begun = await learning.start(by="ada")
    trainer.working = {"worker": frozenset({begun.id})}
    await attended(learning, trainer)
    trainer.working = {}
    await later(learning, trainer, seconds, rules.LOST + 1)
    assert "died before it was done" in (await row(road, begun.id)).problem and trainer.given_up == [begun.id]
    # Where that was lost, by whichever gateway attends when it is back
    trainer.given_up.clear()
    anew = Learning(road.store, road.publishing, road.bell, "default", trainer, 365, seconds)
    trainer.working = {"worker": frozenset({begun.id, "a training of another shop"})}
    await attended(anew, trainer)
    assert (set(trainer.given_up), trainer.stopped) == ({begun.id}, {})


async def test_an_order_that_was_sent_although_nobody_said_so_is_ended_where_it_is_taken(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    trainer.lossy = True
    with pytest.raises(Retry):
        await learning.start(by="ada")
    (order,) = trainer.sent
    assert "no worker could be asked" in (await row(road, order.training)).problem
    trainer.working = {"worker": frozenset({order.training})}
    await attended(learning, trainer)
    assert set(trainer.given_up) == {order.training}


async def test_a_worker_that_was_cut_off_and_came_to_an_end_has_not_worked_in_vain(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, "listening", 1, 9))
    await later(learning, trainer, seconds, rules.LOST + 1)
    assert "died" in (await row(road, begun.id)).problem
    told = await outcome(road)
    trainer.said.append(News(begun.id, 2, outcome=told))
    await attended(learning, trainer)
    found = await row(road, begun.id)
    assert (found.outcome, found.problem, found.broken_off) == (told, "", False)
    assert {one.sha for one in await road.store.read(lambda tx: tx.blobs.of(f"training:{begun.id}"))} == {
        told.model,
        told.report,
    }
    assert (await learning.promote(begun.id, by="ada")).number == 2
    with pytest.raises(BadInput, match="did not break off"):
        await learning.again(begun.id, by="ada")
    # Not where another one went on with what it learned from
    await learning.ship(by="ada")
    begun = await heard(learning, trainer, problem="The training process was killed")
    again = await learning.again(begun.id, by="ada")
    trainer.said.append(News(begun.id, 2, outcome=told))
    await attended(learning, trainer)
    assert (await row(road, begun.id)).broken_off and (await row(road, again.id)).running


async def test_what_comes_to_its_end_while_it_is_started_again_is_not_trained_twice(
    road: Road, learning: Learning, trainer: FakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await heard(learning, trainer, problem="The training process was killed")
    told, live = await outcome(road), road.publishing.live

    async def late() -> Release | None:
        await learning.hear(News(begun.id, 2, outcome=told))
        return await live()

    monkeypatch.setattr(road.publishing, "live", late)
    with pytest.raises(BadInput, match="look at the newest one"):
        await learning.again(begun.id, by="ada")
    assert await road.store.read(lambda tx: tx.trainings.running("default")) is None


async def test_news_that_cannot_be_noted_end_their_training_and_keep_nobody_from_being_heard(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    begun = await heard(learning, trainer, outcome=Outcome("no blob", "", False, "so"))
    assert "what its worker said cannot be noted" in (await row(road, begun.id)).problem
    begun = await heard(learning, trainer, outcome=await outcome(road))
    assert (await row(road, begun.id)).outcome is not None


async def test_news_stay_until_they_are_noted(road: Road, learning: Learning, trainer: FakeTrainer) -> None:
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, outcome=await outcome(road)))
    trainer.deaf = True  # as if this gateway were killed before it could say that it has heard
    with pytest.raises(Retry):
        await learning.attend()
    assert trainer.said
    trainer.deaf = False
    await attended(learning, trainer)
    assert (await row(road, begun.id)).outcome is not None and not trainer.said


async def test_what_waits_to_be_heard_is_heard_before_anybody_is_given_up(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    begun = await heard(learning, trainer, "waiting")
    trainer.said += [News(begun.id, seq, "listening", seq, 9000) for seq in range(2, 400)]
    trainer.said.append(News(begun.id, 400, outcome=await outcome(road)))
    while trainer.said:
        await learning.attend()
        seconds.now += rules.LOST + 1
    assert (await row(road, begun.id)).outcome is not None


async def test_a_gateway_that_starts_anew_hears_the_rest(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    begun = await heard(learning, trainer, "waiting")
    other = Learning(road.store, road.publishing, road.bell, "default", trainer, 365, seconds)
    trainer.said.append(News(begun.id, 2, outcome=await outcome(road)))
    await attended(other, trainer)
    assert (await row(road, begun.id)).outcome is not None
    # And one that was killed meanwhile is noticed by whoever attends then
    second = await other.start(by="ada")
    trainer.said.append(News(second.id, 1, "waiting"))
    await attended(other, trainer)
    await later(learning, trainer, seconds, rules.LOST + 1)
    assert "died" in (await row(road, second.id)).problem


async def test_a_broker_that_forgets_is_noticed_and_one_that_is_away_is_not_blamed(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    begun = await learning.start(by="ada")
    await attended(learning, trainer)
    trainer.away = True
    seconds.now += 1000
    with pytest.raises(Retry):
        await learning.attend()
    trainer.away = False
    await attended(learning, trainer)
    assert (await row(road, begun.id)).running
    await later(learning, trainer, seconds, rules.LOST + 1)
    assert "forgot" in (await row(road, begun.id)).problem
    # Without any worker it waits for one to be started, but not for ever
    trainer.working = {}
    begun = await learning.start(by="ada")
    await later(learning, trainer, seconds, rules.LATEST - 1)
    assert (await row(road, begun.id)).running
    await later(learning, trainer, seconds, 2)
    assert "no train worker was running for 10 minutes" in (await row(road, begun.id)).problem
    # A worker that is busy with what was given up has not forgotten the next one, whoever is idle beside it
    for idle in ({}, {"other": frozenset[str]()}):
        trainer.working = {"worker": frozenset({"an old one"}), **idle}
        begun = await learning.start(by="ada")
        await later(learning, trainer, seconds, rules.LATEST - 1)
        assert (await row(road, begun.id)).running
        await later(learning, trainer, seconds, 2)
        assert "no train worker was free for 10 minutes" in (await row(road, begun.id)).problem
