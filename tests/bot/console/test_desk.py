"""The desk's pages: who waits and why, what was said, the moves of an agent."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace

from bot.wiring import House
from core.store.store import Tx
from core.values import Attachment, AttachmentKind, Author, Call, Problem, Role
from tests.bot.console.stage import AGENT, OTHER_AGENT, Gateway, Guest, Thinking, Visit, jpeg, wav
from tests.fakes.house import sure

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}'


async def waiting(house: House, name: str = "", *words: str) -> tuple[Guest, str]:
    guest = Guest(house, name)
    for text in (*words, "/human"):
        await guest.says(text)
    return guest, await guest.id()


async def test_who_waits_for_how_long_and_why(agent: Visit, house: House) -> None:
    await waiting(house, "Grace Hopper", "where is my order please?")
    page = (await agent.get("/console/desk")).text
    assert "Grace Hopper" in page and "asked for a person" in page and "where is my order please?" in page
    assert "data-since=" in page and "just now" in page


async def test_the_strained_are_listed_earlier_with_the_reason_until_somebody_comes(agent: Visit, house: House) -> None:
    _, calm = await waiting(house, "Calm Carl")
    hot = {by: (await waiting(house, f"Hot {by}"))[1] for by in ("voice", "words")}

    async def put(tx: Tx) -> None:
        for by, id in hot.items():
            await tx.conversations.put(replace(await tx.conversations.get(id), strained=by))  # type: ignore[type-var]

    await house.store.write(put)
    page = (await agent.get("/console/desk/list")).text
    assert [page.index(f't-{id}"') for id in (*hot.values(), calm)] == sorted(
        page.index(f't-{id}"') for id in (*hot.values(), calm)
    )
    assert "listed earlier: strained voice" in page and "listed earlier: strained words" in page
    assert page.count("listed earlier") == 2 and "which may be wrong" in page and "less than 10 minutes" in page
    await agent.post(f"/console/desk/{hot['voice']}/claim")
    assert (await agent.get("/console/desk/list")).text.count("listed earlier") == 1


async def test_the_transcript_shows_everything_with_the_bots_candidates(agent: Visit, house: House) -> None:
    house.brain.think = lambda question: replace(  # type: ignore[attr-defined]
        sure(question, "track-order", 0.95, "opening-hours"),
        transcript="where is it" if question.voices else "",
        ocr=("Order 4471902",) if question.photos else (),
    )
    guest = Guest(house)
    photo, voice = await agent.upload(jpeg()), await agent.upload(wav(), "voice", "note.wav")
    await guest.says("look at this please, thank you", (Attachment(AttachmentKind.PHOTO, blob=photo),))
    await guest.says("and hear this please, thank you", (Attachment(AttachmentKind.VOICE, blob=voice),))
    await guest.says("and this one please, thank you", (Attachment(AttachmentKind.OTHER, problem=Problem.STICKER),))
    page = (await agent.get(f"/console/desk/{await guest.id()}")).text
    assert f'<img src="/console/files/{photo}"' in page and f'<voice-note src="/console/files/{voice}"' in page
    assert "“where is it”" in page and "Order 4471902" in page and "could not be read: a sticker" in page
    assert "The bot&#39;s candidates" in page or "The bot's candidates" in page
    assert "Where is my order?" in page and "95 %" in page
    assert (await agent.get(f"/console/files/{photo}")).headers["content-type"] == "image/jpeg"


async def test_an_agent_takes_over_answers_notes_and_hands_back(agent: Visit, house: House) -> None:
    guest, id = await waiting(house)
    before = len(await guest.hears())
    # Answering needs the conversation; a note does not
    assert (await agent.post(f"/console/desk/{id}/say", data={"text": "too early"})).status_code == 409
    assert (await agent.post(f"/console/desk/{id}/note", data={"text": "a hard one"})).status_code == 204
    assert (await agent.post(f"/console/desk/{id}/claim")).status_code == 204
    photo = await agent.upload(jpeg("red"))
    data = {"text": "Hello, **I** am Mia.", "photo": photo}
    assert (await agent.post(f"/console/desk/{id}/say", data=data)).status_code == 204
    page = (await agent.get(f"/console/desk/{id}")).text
    assert 'data-state="mine"' in page and "a hard one" in page and "<strong>I</strong>" in page
    assert (await agent.post(f"/console/desk/{id}/hand-back")).status_code == 204
    await house.courier.idle()
    said = (await guest.hears())[before:]
    assert "Mia is here" in said[0] and said[1] == "Hello, **I** am Mia." and len(said) == 3
    assert not any("hard one" in line for line in said)


async def test_a_colleague_sees_who_has_it_and_cannot_interfere(agent: Visit, stranger: Visit, house: House) -> None:
    _, id = await waiting(house)
    await agent.post(f"/console/desk/{id}/claim")
    await stranger.log_in(OTHER_AGENT)
    page = (await stranger.get(f"/console/desk/{id}")).text
    assert 'data-state="other"' in page and "Mia has it" in page
    for move in ("claim", "hand-back", "resolve"):
        answer = await stranger.post(f"/console/desk/{id}/{move}", headers={"HX-Request": "true"})
        assert answer.status_code == 409, move
        assert "Mia" in answer.text or "Only the agent" in answer.text
    assert (await stranger.post(f"/console/desk/{id}/say", data={"text": "me too"})).status_code == 409


async def test_an_agent_says_which_entry_a_question_was_about(agent: Visit, stranger: Visit, house: House) -> None:
    guest = Guest(house)
    await guest.says("where is my order please?")
    id = await guest.id()
    turn = (await house.store.read(lambda tx: tx.turns.list(id)))[0].id
    page = (await agent.get(f"/console/desk/{id}")).text
    assert page.count("Which entry?") == 1 and f'id="a-{turn}"' in page and "says an agent" not in page
    # What the bot said comes first, any other entry is found by its words, all of them
    offered = (await agent.get(f"/console/desk/{id}/about/{turn}")).text
    assert offered.index("Where is my order?") < offered.index("When are you open?") < offered.index("None of the")
    assert "95 %" in offered and "Take back" not in offered
    found = (await agent.get(f"/console/desk/{id}/about/{turn}/entries", params={"q": "MUG  cracked"})).text
    assert "My item arrived damaged" in found and found.count("<button") == 1
    none = await agent.get(f"/console/desk/{id}/about/{turn}/entries", params={"q": '<img src=x> "mug'})
    assert "No entry says that." in none.text and "<img" not in none.text
    # Said, it stands beside the question
    answer = await agent.post(f"/console/desk/{id}/about", data={"turn": turn, "entry": "return-damaged"})
    assert answer.status_code == 204
    page = (await agent.get(f"/console/desk/{id}/parts")).text
    assert "About <b>My item arrived damaged, what now?</b>, says an agent" in page and "Change" in page
    offered = (await agent.get(f"/console/desk/{id}/about/{turn}")).text
    assert offered.count('aria-pressed="true"') == 1 and "Take back" in offered
    await agent.post(f"/console/desk/{id}/about", data={"turn": turn, "entry": "none"})
    assert "About <b>none of the entries</b>, says an agent" in (await agent.get(f"/console/desk/{id}/parts")).text
    await agent.post(f"/console/desk/{id}/about", data={"turn": turn})
    assert "says an agent" not in (await agent.get(f"/console/desk/{id}/parts")).text
    labels = await house.store.read(lambda tx: tx.labels.of(id))
    assert [(label.kind, label.entry) for label in labels] == [
        ("corrected", "return-damaged"),
        ("corrected", "none"),
        ("corrected", ""),
    ]
    # Nothing without the page's own token, a log-in, an entry, a question of this conversation
    data = {"turn": turn, "entry": "track-order"}
    assert (await agent.post(f"/console/desk/{id}/about", data=data, headers={"X-CSRF": "x"})).status_code == 403
    assert (await stranger.post(f"/console/desk/{id}/about", data=data)).status_code == 401
    assert (await stranger.get(f"/console/desk/{id}/about/{turn}")).status_code == 303
    for wrong in ({"turn": turn, "entry": "no-such"}, {"turn": id, "entry": "none"}):
        assert (await agent.post(f"/console/desk/{id}/about", data=wrong)).status_code == 400
    assert (await agent.get(f"/console/desk/{id}/about/{id}")).status_code == 400
    assert len(await house.store.read(lambda tx: tx.labels.of(id))) == 3


async def test_what_the_customer_tapped_stands_beside_the_question(agent: Visit, house: House) -> None:
    guest = Guest(house)
    await guest.says("where is my order please?")
    id = await guest.id()
    turn = (await house.store.read(lambda tx: tx.turns.list(id)))[0].id
    for kind, entry, words in (
        ("wrong", "track-order", "Not <b>Where is my order?</b>, says the customer"),
        ("chosen", "opening-hours", "About <b>When are you open?</b>, says the customer"),
        ("chosen", "gone-since", "About <b>gone-since</b>, says the customer"),
    ):
        await house.store.write(lambda tx, kind=kind, entry=entry: tx.labels.add(id, kind, entry=entry, turn=turn))
        assert words in (await agent.get(f"/console/desk/{id}")).text


async def test_a_prediction_after_the_claim_is_a_draft_that_can_be_used(agent: Visit, house: House) -> None:
    # Given a question whose answer is on its way when the agent claims
    brain: Thinking = house.brain  # type: ignore[assignment]
    brain.gate = asyncio.Event()
    guest = Guest(house)
    asking = asyncio.create_task(guest.says("where is my order please?"))
    while not brain.asked:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    id = await guest.id()
    await agent.post(f"/console/desk/{id}/claim")
    brain.gate.set()
    await asking
    # Then the agent sees it as a draft, and the customer only the human
    page = (await agent.get(f"/console/desk/{id}/parts")).text
    assert "The bot would have said" in page and "tracking page" in page
    assert f'data-turn="{brain.asked[0].id}">Use this answer' in page
    assert len(await guest.hears()) == 1
    # And the entry an agent takes is a label
    data = {"text": "See the page.", "entry": "track-order", "turn": brain.asked[0].id}
    assert (await agent.post(f"/console/desk/{id}/say", data=data)).status_code == 204
    labels = await house.store.read(lambda tx: tx.labels.of(id))
    assert [(label.kind, label.entry) for label in labels][-1] == ("agent_entry", "track-order")


async def test_what_the_bot_was_kept_from_saying_does_not_look_said(
    agent: Visit, stranger: Visit, house: House
) -> None:
    # Given an answer that waits to be sent when an agent claims
    _, id = await waiting(house)
    bot = Author("bot", "Bot", Role.BOT)

    async def queue(tx: Tx) -> None:
        said = await tx.transcript.append(id, bot, "See the tracking page.")
        later = house.store.clock.now() + 3_600_000
        await tx.outbox.add(id, [Call("say", {})], Role.BOT, message=said.id, not_before=later)
        refused = await tx.transcript.append(id, bot, "Refused by the platform.")
        await tx.transcript.add_facts(refused.id, {"delivery": "refused"})

    await house.store.write(queue)
    await agent.post(f"/console/desk/{id}/claim")
    await house.courier.idle()
    # Then the agent sees that it was withheld, a colleague because of whom, and what was refused is told as before
    page = (await agent.get(f"/console/desk/{id}")).text
    assert page.count("withheld: you had taken over") == 1 and page.count('class="said bot said withheld"') == 1
    assert page.count("not delivered") == 1
    await stranger.log_in(OTHER_AGENT)
    assert "withheld: Mia had taken over" in (await stranger.get(f"/console/desk/{id}")).text


async def test_a_conversation_is_found_by_what_was_said_and_stays_found_when_resolved(
    agent: Visit, house: House
) -> None:
    _, id = await waiting(house, "Grace Hopper", "the zip of my jacket is broken")
    await waiting(house, "Alan Turing", "where is my order please?")
    await agent.post(f"/console/desk/{id}/claim")
    assert (await agent.post(f"/console/desk/{id}/resolve")).status_code == 204
    for words, found in (("zip", True), ("hopper", True), ("ORDER", False), ("%", False)):
        page = (await agent.get("/console/desk/list", params={"q": words})).text
        assert ("Grace Hopper" in page) is found, words
    assert "resolved" in (await agent.get("/console/desk/list", params={"q": "zip"})).text


async def test_what_customers_write_stays_text(agent: Visit, house: House) -> None:
    guest = Guest(house, HOSTILE)
    part = Attachment(AttachmentKind.OTHER, problem=Problem.DOCUMENT, name=HOSTILE)
    await guest.says(f"{HOSTILE} [x](javascript:alert(3))", (part,))
    await guest.says("/human")
    id = await guest.id()
    await agent.post(f"/console/desk/{id}/claim")
    await agent.post(f"/console/desk/{id}/note", data={"text": HOSTILE})
    await agent.post(f"/console/desk/{id}/say", data={"text": f"{HOSTILE} [x](javascript:alert(3))"})
    await agent.post(f"/console/desk/{id}/say", data={"text": "x", "entry": HOSTILE[:200]})
    for path in ("desk", f"desk/{id}", f"desk/{id}/parts", f"desk/list?q={HOSTILE}", f"desk?q={HOSTILE}"):
        page = (await agent.get(f"/console/{path}")).text
        assert "<script>alert" not in page and "<img src=x" not in page and 'href="javascript' not in page, path
    assert "&lt;script&gt;alert(1)" in (await agent.get(f"/console/desk/{id}")).text


async def test_a_photo_from_the_web_chat_lives_as_long_as_its_conversation(agent: Visit, house: House) -> None:
    async with house.adapters["web"].running(house.hearing.hear):
        opened = (await agent.post("/api/v1/conversations")).json()
        url = f"/api/v1/conversations/{opened['id']}/messages"
        bearer = {"Authorization": f"Bearer {opened['token']}"}
        files = {"photo": ("mug.jpg", jpeg("red"), "image/jpeg")}
        for client_id in ("a", "a", "b"):
            answer = await agent.post(url, data={"client_id": client_id, "text": "/human"}, files=files, headers=bearer)
            assert answer.status_code == 202
        await house.answering.idle()
    (one,) = await house.store.read(lambda tx: tx.conversations.list())
    (kept,) = await house.store.read(lambda tx: tx.blobs.of(one.id))
    assert (await agent.get(f"/console/files/{kept.sha}")).status_code == 200
    page = (await agent.get(f"/console/desk/{one.id}")).text
    assert page.count(f'<img src="/console/files/{kept.sha}"') == 2  # "b" is another message, the second "a" is not


async def test_files_are_for_those_who_are_logged_in_and_never_a_page(
    agent: Visit, stranger: Visit, house: House
) -> None:
    sha = await agent.upload(jpeg())
    assert (await stranger.get(f"/console/files/{sha}")).status_code == 303
    seen = await agent.get(f"/console/files/{sha}")
    assert "sandbox" in seen.headers["content-security-policy"] and seen.headers["x-content-type-options"] == "nosniff"
    part = await agent.get(f"/console/files/{sha}", headers={"Range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)
    # A page that found its way among the blobs is a download
    evil = await house.store.keep(b"<html><script>alert(1)</script></html>")
    assert (await agent.get(f"/console/files/{evil}")).status_code == 400  # nobody ever wanted it
    await house.store.write(lambda tx: tx.blobs.refer(evil, "x", "x"))
    told = await agent.get(f"/console/files/{evil}")
    assert told.headers["content-type"] == "application/octet-stream"
    assert told.headers["content-disposition"].startswith("attachment")
    for path in ("0" * 64, "../../etc/passwd", "%2e%2e%2fpolydesk.db", "A" * 64):
        assert (await agent.get(f"/console/files/{path}")).status_code in (400, 404, 422)


async def test_what_is_no_photo_is_refused_by_name(agent: Visit, house: House) -> None:
    _, id = await waiting(house)
    for raw, why in ((b"<html></html>", "a document"), (b"", "an empty file"), (wav(), "cannot be read as a photo")):
        answer = await agent.post("/console/uploads?kind=photo", files={"file": ("<b>.jpg", raw)})
        assert answer.status_code == 400 and why in answer.text and "<b>" not in answer.text
        assert "send JPEG, PNG, WebP or GIF" in answer.text
    answer = await agent.post("/console/uploads?kind=voice", files={"file": ("x.ogg", jpeg())})
    assert "cannot be read as a voice note: send a recording such as OGG" in answer.text
    await agent.post(f"/console/desk/{id}/claim")
    page = await house.store.keep(b"{}")
    for photo in (page, "0" * 64, "../../x"):
        assert (await agent.post(f"/console/desk/{id}/say", data={"text": "x", "photo": photo})).status_code == 400


async def test_no_such_conversation_is_said_in_words(agent: Visit) -> None:
    answer = await agent.get("/console/desk/01234567-0000-7000-8000-000000000000")
    assert answer.status_code == 400 and "here is no such conversation" in answer.text
    assert (await agent.get("/console/desk/nonsense")).status_code == 422
    assert "here is no such page" in (await agent.get("/console/nowhere/at/all")).text


async def test_the_open_pages_hear_of_a_new_customer(gateway: Gateway) -> None:
    async with Visit(base_url=gateway.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=10) as mia:
        await mia.log_in(AGENT)
        async with mia.stream("GET", "/console/live") as stream:
            told = (json.loads(line[6:]) async for line in stream.aiter_lines() if line.startswith("data: "))
            assert (await anext(told))["waiting"] == 0
            gateway.brain.workers = {"text": 1, "media": 0}
            _, id = await waiting(gateway.house)
            async for now in told:
                if now["waiting"]:
                    break
            assert id == now["newest"] and now["rung"] > 0
            assert now["trouble"] == ["No media worker is running: photos and voice notes come to the desk."]


async def test_nothing_is_resolved_over_words_that_nobody_saw(agent: Visit, house: House) -> None:
    guest, id = await waiting(house)
    await agent.post(f"/console/desk/{id}/claim")

    async def seen() -> str:
        told = re.search(r"""hx-vals='{"seen": (\d+)}'""", (await agent.get(f"/console/desk/{id}")).text)
        assert told
        return told[1]

    before = await seen()
    await guest.says("one more thing: when are you open?")
    answer = await agent.post(f"/console/desk/{id}/resolve", data={"seen": before})
    assert answer.status_code == 409
    assert "has written in the meantime" in answer.text
    assert (await agent.post(f"/console/desk/{id}/resolve", data={"seen": await seen()})).status_code == 204
