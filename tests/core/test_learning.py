"""Learning over a real store, with a trainer played by hand: what is sent, promoted, stopped, started again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core import learning as rules
from core import wire
from core.errors import BadInput, NotAllowed, Retry
from core.history import AGENT
from core.knowledge.files import load
from core.knowledge.history import load_history
from core.learning import Learning
from core.snapshot import read, unpacked
from core.training import News, Options, Order, Outcome
from core.values import Author, Role
from tests.core.conftest import KNOWLEDGE, Road, Seconds, attended, heard, later, outcome, row
from tests.fakes.trainer import FakeTrainer

MIA = Author("mia", "Mia", Role.AGENT)


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
    begun = await heard(learning, trainer, outcome=await outcome(road, passed=False))
    with pytest.raises(NotAllowed, match="worse on: cases"):
        await learning.promote(begun.id, by="ada")
    with pytest.raises(BadInput, match="no such training"):
        await learning.promote("nothing", by="ada")
    second = await heard(learning, trainer, problem="out of memory")
    assert (await row(road, second.id)).problem == "out of memory"
    with pytest.raises(NotAllowed, match="made no model"):
        await learning.promote(second.id, by="ada")


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
    refused = await heard(learning, trainer, problem="train without it", refused=True)
    last = await heard(learning, trainer, outcome=await outcome(road))
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
    first = await heard(learning, trainer, outcome=await outcome(road))
    await taught(road)
    begun = await heard(learning, trainer, problem="The training process was killed")
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
    begun = await heard(learning, trainer, outcome=await outcome(road))
    assert not await learning.stop(begun.id, by="bob")
    found = await row(road, begun.id)
    assert (found.outcome, found.stopped_by, trainer.stopped) == (await outcome(road), "", {})
    assert (await learning.promote(begun.id, by="ada")).number == 2
    # The worker has stopped it, but the gateway was killed before it could note so: the worker says who it was
    second = await heard(learning, trainer, problem="Stopped by bob", stopped_by="bob")
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
