"""Learning over a real store, with a trainer played by hand: every way in which a training may end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core import learning as rules
from core import wire
from core.errors import BadInput, NotAllowed, Retry
from core.history import AGENT
from core.knowledge.entries import Release
from core.knowledge.files import load
from core.knowledge.history import load_history
from core.learning import Learning
from core.snapshot import read, unpacked
from core.store.trainings import TrainingRow
from core.training import News, Options, Order, Outcome
from core.values import Author, Role
from tests.core.conftest import KNOWLEDGE, Road
from tests.fakes.trainer import FakeTrainer

MIA = Author("mia", "Mia", Role.AGENT)


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


class Seconds:
    """A monotonic clock that tests turn."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def learning(road: Road, trainer: FakeTrainer, seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> Learning:
    monkeypatch.setattr(rules, "_WAIT", 0.02)
    return Learning(road.store, road.publishing, road.bell, "default", trainer, 365, seconds)


async def attended(learning: Learning, trainer: FakeTrainer) -> None:
    """Until all that was said is heard, and everybody was looked for."""
    await learning.attend()
    while trainer.said:
        await learning.attend()


async def later(learning: Learning, trainer: FakeTrainer, seconds: Seconds, by: float) -> None:
    """Look now, and again after a while."""
    await attended(learning, trainer)
    seconds.now += by
    await attended(learning, trainer)


async def outcome(road: Road, passed: bool = True) -> Outcome:
    model, report = await road.store.keep(b"a model"), await road.store.keep(b"<p>a report")
    return Outcome(model, report, passed, "it is not worse" if passed else "it is worse on: cases")


async def row(road: Road, id: str) -> TrainingRow:
    found = await road.store.read(lambda tx: tx.trainings.get(id))
    assert found is not None
    return found


async def taught(road: Road) -> None:
    customer = road.customer()
    await customer.says("my cup is in pieces")
    await road.settle()
    conversation = (await road.conversation()).id
    turn = (await road.store.read(lambda tx: tx.turns.list(conversation)))[0].id
    await road.desk.correct(conversation, MIA, turn, "return-damaged")
    await road.desk.resolve(conversation, MIA)


async def test_what_is_live_and_what_turns_taught_is_sent_as_train_reads_it(
    road: Road, learning: Learning, trainer: FakeTrainer, tmp_path: Path
) -> None:
    await taught(road)
    assert await learning.taught() == {AGENT: 1}
    begun = await learning.start(by="ada")
    (order,) = trainer.sent
    assert (order.training, begun.taught, begun.release) == (begun.id, {AGENT: 1}, 1)
    snapshot = read(road.store.blobs.get(order.snapshot))
    assert await road.store.read(lambda tx: tx.blobs.wanted(snapshot.turns))
    kb, history = unpacked(snapshot, tmp_path / "room", road.store.blobs)
    assert load(kb).entries[0].question == KNOWLEDGE.entries[0].question
    assert history is not None
    (example,) = load_history(history).examples
    assert (example.text, example.expect, example.by) == ("my cup is in pieces", "return-damaged", AGENT)


async def test_it_goes_on_to_a_model_that_is_promoted_by_a_tap(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    begun = await learning.start(by="ada")
    with pytest.raises(NotAllowed, match="started by ada"):
        await learning.start(by="bob")
    trainer.said += [News(begun.id, 1, "waiting"), News(begun.id, 2, "listening", 3, 9)]
    trainer.working = {"worker": frozenset({begun.id})}
    await attended(learning, trainer)
    assert ((await row(road, begun.id)).stage, (await row(road, begun.id)).done) == ("listening", 3)
    with pytest.raises(NotAllowed, match="not ended yet"):
        await learning.promote(begun.id, by="ada")
    trainer.said.append(News(begun.id, 3, outcome=await outcome(road)))
    await attended(learning, trainer)
    assert (await row(road, begun.id)).outcome == await outcome(road)
    # Nothing happens by itself
    assert (await road.publishing.live()).model == ""  # type: ignore[union-attr]
    await learning.promote(begun.id, by="ada")
    assert (await road.publishing.live()).model == (await outcome(road)).model  # type: ignore[union-attr]
    # The next one is compared with it
    assert (await learning.start(by="ada")).before == (await outcome(road)).model
    await learning.ship(by="ada")
    assert (await road.publishing.live()).model == ""  # type: ignore[union-attr]


async def test_what_fails_the_gate_is_never_promoted(road: Road, learning: Learning, trainer: FakeTrainer) -> None:
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, outcome=await outcome(road, passed=False)))
    await attended(learning, trainer)
    with pytest.raises(NotAllowed, match="worse on: cases"):
        await learning.promote(begun.id, by="ada")
    with pytest.raises(BadInput, match="no such training"):
        await learning.promote("nothing", by="ada")
    second = await learning.start(by="ada")
    trainer.said.append(News(second.id, 1, problem="out of memory"))
    await attended(learning, trainer)
    assert (await row(road, second.id)).problem == "out of memory"
    with pytest.raises(NotAllowed, match="made no model"):
        await learning.promote(second.id, by="ada")


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
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, problem="The training process was killed"))
    await attended(learning, trainer)
    again = await learning.again(begun.id, by="ada")
    trainer.said.append(News(begun.id, 2, outcome=told))
    await attended(learning, trainer)
    assert (await row(road, begun.id)).broken_off and (await row(road, again.id)).running


async def test_what_comes_to_its_end_while_it_is_started_again_is_not_trained_twice(
    road: Road, learning: Learning, trainer: FakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, problem="The training process was killed"))
    await attended(learning, trainer)
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
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, outcome=Outcome("no blob", "", False, "so")))
    await attended(learning, trainer)
    assert "what its worker said cannot be noted" in (await row(road, begun.id)).problem
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, outcome=await outcome(road)))
    await attended(learning, trainer)
    assert (await row(road, begun.id)).outcome is not None


async def test_a_model_is_promoted_over_the_one_it_was_compared_with_alone(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    ends = []
    for _ in range(2):
        begun = await learning.start(by="ada")
        told = await outcome(road)
        blob = await road.store.keep(f"model {len(ends)}".encode())
        trainer.said.append(News(begun.id, 1, outcome=replace(told, model=blob)))
        await attended(learning, trainer)
        ends.append(begun.id)
    await learning.promote(ends[0], by="ada")
    with pytest.raises(NotAllowed, match="compared with another one"):
        await learning.promote(ends[1], by="ada")
    await learning.ship(by="ada")
    await learning.promote(ends[1], by="ada")


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
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, "waiting"))
    await attended(learning, trainer)
    trainer.said += [News(begun.id, seq, "listening", seq, 9000) for seq in range(2, 400)]
    trainer.said.append(News(begun.id, 400, outcome=await outcome(road)))
    while trainer.said:
        await learning.attend()
        seconds.now += rules.LOST + 1
    assert (await row(road, begun.id)).outcome is not None


async def test_a_gateway_that_starts_anew_hears_the_rest(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, "waiting"))
    await attended(learning, trainer)
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


async def test_how_it_is_wished_goes_along_and_what_cannot_be_done_is_refused(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    with pytest.raises(BadInput, match="no strategy 'magic': choose one of auto, fixed"):
        await learning.start(by="ada", options=Options(strategy="magic"))
    wished = Options(finetune=True, strategy="attention")
    begun = await learning.start(by="ada", options=wished)
    assert (trainer.sent[-1].options, (await row(road, begun.id)).options) == (wished, wished)
    await learning.stop(begun.id, by="ada")
    await road.publishing.bring_in(replace(KNOWLEDGE, language="de-AT"), by="ada")
    await road.publishing.publish(by="ada")
    with pytest.raises(BadInput, match="English knowledge bases only, and the language of this one is de-AT"):
        await learning.start(by="ada", options=wished)
    begun = await learning.start(by="ada")
    assert (await row(road, begun.id)).options == Options()


def test_an_order_of_an_earlier_version_is_read() -> None:
    assert wire.load(Order, {"training": "t", "snapshot": "s"}) == Order("t", "s", Options(False, "auto"))
    came = '{"model": "m", "report": "r", "passed": true, "why": "so"}'
    said = wire.loads(News, f'{{"training": "t", "seq": 1, "outcome": {came}}}')
    assert said.outcome == Outcome("m", "r", True, "so") and not said.stopped_by and not said.refused
    order = Order("t", "s", Options(True, "serial"))
    assert wire.loads(Order, wire.dumps(order)) == order


async def test_one_that_broke_off_is_started_again_on_what_it_learned_from(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    wished = Options(finetune=True)
    await taught(road)
    begun = await learning.start(by="ada", options=wished)
    with pytest.raises(NotAllowed, match="stop it"):
        await learning.again(begun.id, by="ada")
    trainer.said.append(News(begun.id, 1, problem="The training process was killed"))
    await attended(learning, trainer)
    again = await learning.again(begun.id, by="bob")
    assert (again.by, again.snapshot, again.options) == ("bob", begun.snapshot, wished)
    turns = read(road.store.blobs.get(begun.snapshot)).turns
    wants = await road.store.read(lambda tx: tx.blobs.of(f"training:{again.id}"))
    assert turns and {begun.snapshot, turns} <= {one.sha for one in wants}
    assert trainer.sent[-1] == Order(again.id, begun.snapshot, wished)
    # The newest on what was learned from is gone on with, and once that was stopped or refused, or ended well, none
    trainer.said.append(News(again.id, 1, problem="The training process was killed"))
    await attended(learning, trainer)
    with pytest.raises(BadInput, match="was gone on with since"):
        await learning.again(begun.id, by="bob")
    third = await learning.again(again.id, by="bob")
    trainer.stopped.clear()
    await learning.stop(third.id, by="bob")
    # What it was to go on with may rest under the name of an earlier one
    assert trainer.stopped == dict.fromkeys((begun.id, again.id, third.id), "bob")
    refused = await learning.start(by="ada")
    trainer.said.append(News(refused.id, 1, problem="train without it", refused=True))
    await attended(learning, trainer)
    last = await learning.start(by="ada")
    trainer.said.append(News(last.id, 1, outcome=await outcome(road)))
    await attended(learning, trainer)
    for id in (third.id, refused.id, last.id):
        with pytest.raises(BadInput, match="did not break off"):
            await learning.again(id, by="ada")
    for id in (begun.id, again.id):
        with pytest.raises(BadInput, match="was gone on with since"):
            await learning.again(id, by="ada")
    assert await road.store.read(lambda tx: tx.trainings.running("default")) is None


async def test_what_broke_off_is_not_gone_on_with_under_another_model_or_without_its_turns(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    first = await learning.start(by="ada")
    trainer.said.append(News(first.id, 1, outcome=await outcome(road)))
    await attended(learning, trainer)
    await taught(road)
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, problem="The training process was killed"))
    await attended(learning, trainer)
    await learning.promote(first.id, by="ada")
    with pytest.raises(NotAllowed, match="another model is in force"):
        await learning.again(begun.id, by="ada")
    await learning.ship(by="ada")
    turns = read(road.store.blobs.get(begun.snapshot)).turns
    for gone in (turns, begun.snapshot):
        road.store.blobs.delete(gone)
        with pytest.raises(BadInput, match="is gone by now"):
            await learning.again(begun.id, by="ada")
    assert await road.store.read(lambda tx: tx.trainings.running("default")) is None


async def test_an_admin_stops_one_that_waits_or_runs(
    road: Road, learning: Learning, trainer: FakeTrainer, seconds: Seconds
) -> None:
    waits = await learning.start(by="ada")
    assert await learning.stop(waits.id, by="bob")
    found = await row(road, waits.id)
    assert (found.running, found.stopped_by, found.problem) == (False, "bob", "Stopped by bob")
    assert trainer.stopped == {waits.id: "bob"}
    runs = await learning.start(by="ada")
    trainer.said.append(News(runs.id, 1, "listening", 3, 9))
    trainer.working = {"worker": frozenset({runs.id})}
    await attended(learning, trainer)
    assert await learning.stop(runs.id, by="eve")
    # What its worker says of it then, or has said before it knew, changes nothing
    trainer.said.append(News(runs.id, 2, outcome=await outcome(road)))
    trainer.said.append(News(runs.id, 3, problem="Stopped by eve", stopped_by="eve"))
    await attended(learning, trainer)
    assert ((await row(road, runs.id)).outcome, (await row(road, runs.id)).stopped_by) == (None, "eve")
    # The next one waits for the worker to be free, and is not given up meanwhile
    after = await learning.start(by="ada")
    await later(learning, trainer, seconds, rules.LOST + 1)
    assert (await row(road, after.id)).running
    with pytest.raises(BadInput, match="no such training"):
        await learning.stop("nothing", by="ada")


async def test_a_stop_that_comes_when_it_has_ended_changes_nothing(
    road: Road, learning: Learning, trainer: FakeTrainer
) -> None:
    begun = await learning.start(by="ada")
    trainer.said.append(News(begun.id, 1, outcome=await outcome(road)))
    await attended(learning, trainer)
    assert not await learning.stop(begun.id, by="bob")
    found = await row(road, begun.id)
    assert (found.outcome, found.stopped_by, trainer.stopped) == (await outcome(road), "", {})
    assert (await learning.promote(begun.id, by="ada")).number == 2
    # The worker has stopped it, but the gateway was killed before it could note so: the worker says who it was
    second = await learning.start(by="ada")
    trainer.said.append(News(second.id, 1, problem="Stopped by bob", stopped_by="bob"))
    await attended(learning, trainer)
    assert (await row(road, second.id)).stopped_by == "bob"
    # Where the broker cannot be told, it goes on
    third = await learning.start(by="ada")
    trainer.away = True
    with pytest.raises(Retry):
        await learning.stop(third.id, by="bob")
    assert (await row(road, third.id)).running


async def test_a_broker_that_is_away_starts_nothing(road: Road, learning: Learning, trainer: FakeTrainer) -> None:
    trainer.away = True
    with pytest.raises(Retry):
        await learning.start(by="ada")
    assert await road.store.read(lambda tx: tx.trainings.running("default")) is None
    trainer.away = False
    assert (await learning.start(by="ada")).running
