"""The quality page: what people said about answers is counted, and nothing is promised that is not proven."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from bot.console.front import Front
from bot.console.quality_view import MOST, Asked, judged, look
from bot.doors import Doors
from bot.wiring import House
from core.asking import Prediction, Question
from core.store.store import Tx
from core.store.turns import TurnRecord
from core.values import Author, Role
from tests.bot.console.stage import AGENT, Guest, Visit
from tests.fakes.house import sure

BASE = "/console/quality"
NOW = 1_800_000_000_000
DAY = 86_400_000
MIA = Author(AGENT, "Mia", Role.AGENT)


def asked(
    sure: float = 0.99,
    *,
    days: float = 1,
    automatic: bool = True,
    wrong: bool | None = None,
    mistaken: bool | None = None,
    model: str = "m",
    release: str = "",
) -> Asked:
    return Asked(int(NOW - days * DAY), model, sure, automatic, wrong, mistaken, release)


def words(html: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub(r"<meter.*?</meter>|<[^>]+>", " ", html).split())


def test_automatic_answers_are_counted_by_period() -> None:
    some = [asked(wrong=True), asked(wrong=False), *[asked() for _ in range(38)], asked(0.2, automatic=False)]
    some += [asked(days=60, wrong=True), asked(days=60)]
    month, quarter = judged(some, 0.02, NOW).periods
    assert (month.questions, month.automatic, month.checked, month.wrong) == (41, 40, 2, 1)
    assert (quarter.questions, quarter.automatic, quarter.checked, quarter.wrong) == (43, 42, 3, 2)
    assert month.error == 1 / 40 and month.interval[0] < 1 / 40 < month.interval[1] < 0.14


def test_without_labels_it_is_an_estimate_that_names_what_is_missing() -> None:
    # Half of the questions are sure enough for a proof of 5 % to begin
    some = [asked(0.99) for _ in range(100)] + [asked(0.5, automatic=False) for _ in range(100)]
    offers = {offer.budget: offer for offer in judged(some, 0.02, NOW).offers}
    assert list(offers) == [0.01, 0.02, 0.05]
    five = offers[0.05]
    assert (five.guaranteed, five.share, five.surest, five.needed, five.wanted) == (False, 0.5, 0, 59, 120)
    # Nobody was 99.5 % sure
    (half,) = (offer for offer in judged(some, 0.005, NOW).offers if offer.budget == 0.005)
    assert (half.wanted, half.share) == (0, 0.0)


def test_enough_labels_without_a_mistake_are_a_proof() -> None:
    some = [asked(0.99, mistaken=False) for _ in range(60)] + [asked(0.3, automatic=False) for _ in range(60)]
    offers = {offer.budget: offer for offer in judged(some, 0.02, NOW).offers}
    assert offers[0.05].guaranteed and offers[0.05].share == 0.5
    assert not offers[0.02].guaranteed
    # One mistake among the surest, and it is none
    worse = judged([*some, asked(0.99, mistaken=True)], 0.05, NOW).offers[-1]
    assert (worse.guaranteed, worse.surest, worse.mistakes) == (False, 61, 1)


def test_another_model_says_nothing_about_this_one() -> None:
    some = [asked(0.99, mistaken=False, model="old", days=40) for _ in range(80)] + [asked(0.99)]
    found = judged(some, 0.05, NOW)
    assert (found.model, found.questions, found.left_out, found.labelled) == ("m", 1, 80, 0)
    assert not any(offer.guaranteed for offer in found.offers)
    assert found.periods[1].questions == 81


def test_questions_asked_before_entries_were_edited_prove_nothing_about_them() -> None:
    some = [asked(0.99, mistaken=False, release=name) for name in ("old", "new") for _ in range(40)]
    assert judged(some, 0.05, NOW).offers[-1].guaranteed
    found = judged(some, 0.05, NOW, edited={"old"})
    assert (found.questions, found.labelled, found.edited) == (80, 40, 40)
    assert (found.offers[-1].guaranteed, found.offers[-1].surest, found.offers[-1].share) == (False, 40, 1.0)


async def _last(id: str, tx: Tx) -> TurnRecord | None:
    return await tx.turns.last(id)


async def test_the_page_counts_what_customers_and_agents_said(admin: Visit, house: House) -> None:
    def think(question: Question) -> Prediction:
        if "two" in question.text:  # two entries too close to each other: no threshold answers that
            return replace(sure(question, "track-order", 0.99, "opening-hours"), rivals=("opening-hours",))
        return sure(question, "track-order", 0.99 if "order" in question.text else 0.2, "opening-hours")

    house.brain.think = think  # type: ignore[attr-defined]
    guests = [Guest(house) for _ in range(4)]
    for guest, text in zip(guests, ("where is my order?", "my order please", "two things", "hm?"), strict=True):
        await guest.says(text)
    # An agent says that the second was about something else, and what the last was about
    for guest, entry in ((guests[1], "opening-hours"), (guests[3], "track-order")):
        id = await guest.id()
        turn = await house.store.read(partial(_last, id))
        assert turn is not None
        await house.desk.claim(id, MIA)
        await house.desk.say(id, MIA, "Nine to five.", entry=entry, turn=turn.id)
    found = await look(house)
    month = found.periods[0]
    assert (month.questions, month.automatic, month.checked, month.wrong) == (4, 2, 1, 1)
    assert (found.labelled, found.questions, found.left_out) == (2, 4, 0)
    assert found.offers[-1].share == 0.5  # the two rivals are never answered
    told = words((await admin.get(f"{BASE}/figures")).text)
    assert "Last 30 days 4 2 (50 %) 1 1 of 2: 50.0 %" in told
    assert "Estimated, not guaranteed: 2 labelled questions, about 120 are needed" in told
    assert "in force" in told
    assert "before entries were edited" not in told
    # What is published with the same entries changes nothing, what is published with others does
    draft = await house.publishing.draft()
    for title, question, labelled in (("New", "", 2), ("New", "Where is it?", 0)):
        first = replace(draft.entries[0], question=question or draft.entries[0].question)
        await house.publishing.bring_in(replace(draft, title=title, entries=(first, *draft.entries[1:])))
        await house.publishing.publish()
        found = await look(house)
        assert (found.labelled, found.edited, found.questions) == (labelled, 2 - labelled, 4)
    await admin.post(f"{BASE}/budget", data={"percent": "3"})
    await admin.post("/console/knowledge/publish")
    told = words((await admin.get(f"{BASE}/figures")).text)
    assert (
        "2 labelled ones were asked before entries were edited, and prove nothing about them as they are now." in told
    )


async def test_what_is_missing_for_a_proof_is_said(house: House) -> None:
    front = Front(house, Doors(house.adapters))
    sure = [asked(0.99) for _ in range(100)] + [asked(0.4, automatic=False) for _ in range(100)]

    def told(some: list[Asked]) -> str:
        page = front.page("quality_figures.html", None, quality=judged(some, 0.05, NOW), live=0.05, draft=0.02)
        return words(bytes(page.body).decode())

    assert "5 % in force 50 % Estimated, not guaranteed: 0 labelled questions, about 120 are needed" in told(sure)
    many = [asked(0.4, mistaken=False) for _ in range(300)] + [asked(0.99, mistaken=False) for _ in range(50)]
    assert "only 50 of the 350 labelled questions are among the surest, at least 59 are needed" in told(sure + many)
    bad = [asked(0.99, mistaken=number < 20) for number in range(100)]
    assert "20 of the 100 surest labelled answers were wrong, too many to prove it" in told(bad)
    assert "2 % draft 0 % Estimated, not guaranteed: no question was sure enough" in told([asked(0.3)])
    good = [asked(0.99, mistaken=False) for _ in range(100)]
    assert "5 % in force 100 % Guaranteed with 95 % confidence, for questions like the 100 labelled ones" in told(good)


async def test_nothing_asked_yet_is_said(admin: Visit) -> None:
    assert "of the automatic answers may be wrong" in (await admin.get(BASE)).text
    told = words((await admin.get(f"{BASE}/figures")).text)
    assert "no question was asked in the last 90 days" in told and "Last 30 days 0 0 0 –" in told


async def test_the_budget_is_changed_in_the_draft_and_published_like_everything_else(
    admin: Visit, house: House
) -> None:
    before = await house.publishing.draft()
    answer = await admin.post(f"{BASE}/budget", data={"percent": "0.5"})
    assert answer.status_code == 200 and "2 % is in force until you publish 0.5 %" in words(answer.text)
    after = await house.publishing.draft()
    assert after == replace(before, error_budget=0.005)
    live = await house.publishing.live()
    assert live is not None and live.knowledge.error_budget == 0.02
    assert "error_budget" in (await admin.get("/console/knowledge/releases")).text
    await admin.post("/console/knowledge/publish")
    live = await house.publishing.live()
    assert live is not None and live.knowledge.error_budget == 0.005
    assert "0.5 % is in force." in words((await admin.get(BASE)).text)
    # The figures follow at once
    await Guest(house).says("where is my order?")
    await admin.get(f"{BASE}/figures")
    await admin.post(f"{BASE}/budget", data={"percent": "3"})
    await admin.post("/console/knowledge/publish")
    assert "3 % in force" in words((await admin.get(f"{BASE}/figures")).text)


async def test_budgets_that_are_none_are_refused(admin: Visit, house: House) -> None:
    before = await house.publishing.draft()
    for percent, status in (
        ("0", 400),
        ("51", 400),
        ("-1", 400),
        ("nan", 422),
        ("", 422),
        ("two", 422),
        ("1e400", 422),
    ):
        answer = await admin.post(f"{BASE}/budget", data={"percent": percent}, headers={"HX-Request": "true"})
        assert answer.status_code == status, (percent, answer.text)
    assert await house.publishing.draft() == before


async def test_the_page_is_for_admins(agent: Visit, stranger: Visit) -> None:
    for path in (BASE, f"{BASE}/figures"):
        assert (await agent.get(path)).status_code == 403
        assert (await stranger.get(path)).status_code == 303
    assert (await agent.post(f"{BASE}/budget", data={"percent": "1"})).status_code == 403
    assert "/console/quality" not in (await agent.get("/console/desk")).text
    assert MOST >= 1000
