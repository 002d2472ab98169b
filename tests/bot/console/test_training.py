"""The training page at the gateway's door: who may, what it says, what a report may do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import cast

from bot.console.guard import POLICY
from bot.console.training import _STRATEGIES
from bot.wiring import House
from core import wire
from core.knowledge.entries import Release
from core.training import STRATEGIES, Check, News, Options, Outcome
from tests.bot.console.stage import ADMIN, KNOWLEDGE, Guest, Visit
from tests.fakes.trainer import FakeTrainer

PAGE = b"<!doctype html><title>Report</title><p>my cup <script>alert(1)</script> is in pieces"


def trainer(house: House) -> FakeTrainer:
    return cast(FakeTrainer, house.learning._trainer)


async def ended(house: House, passed: bool = True, model: bytes = b"a model") -> str:
    """Start a training by the page's own road and let its worker say what came of it."""
    begun = await house.learning.start(by=ADMIN)
    checks = (Check("the right entry in the cases", 0.8, 0.85 if passed else 0.7, passed),)
    why = "it is not worse in anything that was compared" if passed else "it is worse on: the right entry in the cases"
    kept, report = await house.store.keep(model), await house.store.keep(PAGE)
    await house.learning.hear(News(begun.id, 1, outcome=Outcome(kept, report, passed, why, checks)))
    return begun.id


async def text(visit: Visit, path: str = "/console/training/state") -> str:
    answer = await visit.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


async def test_only_admins_train(agent: Visit, stranger: Visit) -> None:
    for method, path in (
        ("GET", ""), ("GET", "/state"), ("GET", "/taught"), ("POST", "/start"), ("POST", "/shipped"),
        ("GET", f"/{'0' * 36}/report"), ("POST", f"/{'0' * 36}/promote"), ("POST", f"/{'0' * 36}/stop"),
        ("POST", f"/{'0' * 36}/again"),
    ):  # fmt: skip
        assert (await agent.request(method, f"/console/training{path}")).status_code == 403, path
        assert (await stranger.request(method, f"/console/training{path}")).status_code in (303, 401), path
    assert "/console/training" not in (await agent.get("/console/desk")).text


async def test_what_there_is_to_learn_from_is_counted_by_who_said_it(house: House, admin: Visit) -> None:
    assert "No past question has a known answer yet" in await text(admin, "/console/training/taught")
    guest = Guest(house)
    await guest.says("where is my order?")
    assert 'href="/console/training" aria-current="page"' in (await admin.get("/console/training")).text


async def test_it_is_started_followed_and_promoted_here(house: House, admin: Visit) -> None:
    page = await text(admin)
    assert "The model that ships with Polydesk" in page and "No train worker is running" in page
    house.brain.workers["train"] = 1
    assert "No train worker" not in await text(admin)
    started = await admin.post("/console/training/start")
    assert started.status_code == 200 and "Waiting for a worker" in started.text
    again = await admin.post("/console/training/start")
    assert again.status_code == 409 and f"started by {ADMIN}" in again.text
    (order,) = trainer(house).sent
    await house.learning.hear(News(order.training, 1, "listening", 3, 10))
    page = await text(admin)
    assert "Reading what customers asked" in page and "3 of 10" in page and 'max="10" value="3"' in page
    await house.learning.hear(News(order.training, 2, problem="The training process was killed"))
    assert "The training process was killed." in await text(admin)
    id = await ended(house)
    page = await text(admin)
    assert "May be promoted: it is not worse in anything that was compared." in page and "80.0 % → 85.0 %" in page
    promoted = await admin.post(f"/console/training/{id}/promote")
    assert promoted.status_code == 200 and "Back to the shipped model" in promoted.text
    assert "in force" in promoted.text and f"{id}/promote" not in promoted.text
    releases = (await admin.get("/console/knowledge/releases")).text
    assert "the trained model" in releases
    back = await admin.post("/console/training/shipped")
    assert "The model that ships with Polydesk" in back.text and f"{id}/promote" in back.text
    assert (await admin.post("/console/training/shipped")).status_code == 400


async def test_it_is_started_as_wished_and_told_how(house: House, admin: Visit) -> None:
    page = await text(admin)
    assert (
        "Fine-tune the text encoder (minutes to hours on a CPU; for the built-in encoder and English knowledge bases)"
        in page
    )
    assert set(STRATEGIES) == {*_STRATEGIES} == {*re.findall(r'name="strategy" value="(\w+)"', page)}
    assert 'value="auto" checked' in page and " disabled>" not in page
    refused = await admin.post("/console/training/start", data={"strategy": "magic"})
    assert refused.status_code == 400 and "There is no strategy" in refused.text
    started = await admin.post("/console/training/start", data={"finetune": "true", "strategy": "serial"})
    assert started.status_code == 200 and "with fine-tuning · strategy: serial" in started.text
    (order,) = trainer(house).sent
    assert order.options == Options(finetune=True, strategy="serial")
    lasting = ((30, "less than a minute"), (840, "about 14 min"), (7500, "about 2 h 5 min"))
    for seq, (seconds, words) in enumerate(lasting, 1):
        await house.learning.hear(News(order.training, seq, "fine-tuning", 4, 90, seconds))
        page = await text(admin)
        assert "Fine-tuning the text encoder" in page and f"{words} left of this step" in page
    await house.learning.stop(order.training, by=ADMIN)
    assert "with fine-tuning · strategy: serial" in await text(admin)
    # What was taken where the choice was left open is told, as what came of fine-tuning is
    begun = await house.learning.start(by=ADMIN)
    made = [await house.store.keep(raw) for raw in (b"model", PAGE)]
    told = Outcome(
        made[0], made[1], True, "fine", strategy="late", tuned="of 20 questions 15 are understood, 17 with it"
    )
    await house.learning.hear(News(begun.id, 1, outcome=told))
    page = await text(admin)
    assert "strategy: automatic (learned gate)" in page and "Fine-tuning: of 20 questions 15" in page


async def test_what_cannot_be_fine_tuned_says_why(house: House, admin: Visit) -> None:
    await house.publishing.bring_in(replace(KNOWLEDGE, language="de"), by=ADMIN)
    await house.publishing.publish(by=ADMIN)
    page = await text(admin)
    assert "Not possible here: the language of this knowledge base is de." in page and " disabled>" in page
    refused = await admin.post("/console/training/start", data={"finetune": "true"})
    assert refused.status_code == 400 and "English knowledge bases only" in refused.text


async def test_it_is_stopped_here_and_another_one_may_start(house: House, admin: Visit) -> None:
    begun = await house.learning.start(by=ADMIN)
    assert "Stop this training" in await text(admin)
    stopped = await admin.post(f"/console/training/{begun.id}/stop")
    assert stopped.status_code == 200 and f"Stopped by {ADMIN}." in stopped.text
    assert "Stop this training" not in stopped.text and '<span class="chip">stopped</span>' in stopped.text
    assert trainer(house).stopped == {begun.id: ADMIN}
    # Somebody else's page was a second behind: nothing is wrong
    assert (await admin.post(f"/console/training/{begun.id}/stop")).status_code == 200
    assert (await admin.post(f"/console/training/{'0' * 36}/stop")).status_code == 400
    assert (await admin.post("/console/training/start")).status_code == 200
    trainer(house).away = True
    running = await house.store.read(lambda tx: tx.trainings.running("default"))
    assert running is not None
    refused = await admin.post(f"/console/training/{running.id}/stop")
    assert refused.status_code == 503 and "Stop this training" in await text(admin)


async def test_one_that_broke_off_is_started_again_here(house: House, admin: Visit) -> None:
    begun = await house.learning.start(by=ADMIN, options=Options(strategy="early"))
    await house.learning.hear(News(begun.id, 1, problem="The training process was killed"))
    page = await text(admin)
    assert f"{begun.id}/again" in page and "Start again" in page
    again = await admin.post(f"/console/training/{begun.id}/again")
    assert again.status_code == 200 and "strategy: early" in again.text and f"{begun.id}/again" not in again.text
    assert trainer(house).sent[-1].snapshot == begun.snapshot
    assert (await admin.post(f"/console/training/{begun.id}/again")).status_code == 409
    running = await house.store.read(lambda tx: tx.trainings.running("default"))
    assert running is not None
    await admin.post(f"/console/training/{running.id}/stop")
    page = await text(admin)
    # The folder was cleared: nothing is left to go on with
    assert f"{running.id}/again" not in page and f"{begun.id}/again" not in page
    assert (await admin.post(f"/console/training/{begun.id}/again")).status_code == 400
    refused = await house.learning.start(by=ADMIN)
    await house.learning.hear(News(refused.id, 1, problem="train without it", refused=True))
    assert "Train without it." in (page := await text(admin)) and "Start again" not in page
    last = await house.learning.start(by=ADMIN)
    await house.learning.hear(News(last.id, 1, problem="The training process was killed"))
    assert f"{last.id}/again" in await text(admin)
    house.store.blobs.delete(last.snapshot)  # a day has gone by
    assert "Start again" not in await text(admin)
    assert (await admin.post(f"/console/training/{last.id}/again")).status_code == 400


async def test_what_failed_the_gate_can_be_looked_at_only(house: House, admin: Visit) -> None:
    id = await ended(house, passed=False)
    page = await text(admin)
    assert "Cannot be promoted: it is worse on: the right entry in the cases." in page
    assert f"{id}/promote" not in page and f"{id}/report" in page
    refused = await admin.post(f"/console/training/{id}/promote")
    assert refused.status_code == 409 and "did not pass the gate" in refused.text
    live = await house.publishing.live()
    assert live is not None and live.model == ""


async def test_what_it_was_compared_with_is_told_as_it_was(house: House, admin: Visit) -> None:
    first = await ended(house)
    assert "Compared with the shipped model." in await text(admin)
    await house.learning.promote(first, by=ADMIN)
    await ended(house, model=b"a second model")
    assert "Compared with the trained model that was in force." in await text(admin)
    begun = await house.learning.start(by=ADMIN)
    kept, report = await house.store.keep(b"a third model"), await house.store.keep(PAGE)
    outcome = Outcome(kept, report, True, "fine", (Check("the cases", 0.8, 0.85, True),))
    gone = replace(outcome, instead="the model in force cannot be had (<b>its blob is missing</b>)")
    await house.learning.hear(News(begun.id, 1, outcome=gone))
    page = await text(admin)
    assert "Compared with the shipped model, as the model in force cannot be had (&lt;b&gt;its blob" in page
    assert page.count("Compared with") == 3
    begun = await house.learning.start(by=ADMIN)
    await house.learning.hear(News(begun.id, 1, outcome=replace(outcome, passed=False, why="no cases", checks=())))
    assert (await text(admin)).count("Compared with") == 3  # it was compared with nothing
    assert wire.loads(Outcome, '{"model": "a", "report": "b", "passed": true, "why": "c"}').instead == ""


async def test_a_report_runs_nothing_and_loads_nothing(house: House, admin: Visit) -> None:
    id = await ended(house)
    answer = await admin.get(f"/console/training/{id}/report")
    assert answer.content == PAGE and answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy != POLICY and "sandbox" in policy and "script-src" not in policy and "default-src 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store"
    row = await house.store.read(lambda tx: tx.trainings.get(id))
    assert row is not None and row.outcome is not None
    house.store.blobs.delete(row.outcome.report)
    assert (await admin.get(f"/console/training/{id}/report")).status_code == 400
    assert f"{id}/report" not in await text(admin)
    for wrong in ("../../etc/passwd", "x" * 36, "0" * 36):
        assert (await admin.get(f"/console/training/{wrong}/report")).status_code in (400, 404, 422)


async def test_a_draft_is_tried_with_the_model_in_force(house: House, admin: Visit) -> None:
    id = await ended(house)
    await house.learning.promote(id, by=ADMIN)
    await admin.post("/console/quality/budget", data={"percent": "1"})
    assert (await admin.post("/console/knowledge/try", data={"text": "where is my order?"})).status_code == 200
    live = await house.publishing.live()
    asked = house.brain.asked[-1]  # type: ignore[attr-defined]
    tried = wire.loads(Release, house.store.blobs.get(asked.release))
    assert live is not None and tried.number == 0 and tried.model == live.model != ""
