"""The knowledge pages: edit, try, publish, roll back, import, export; nothing wrong gets through, nothing is lost."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace

from bot.wiring import KB_ID, House
from core.errors import BrainGone
from core.knowledge.entries import KnowledgeBase
from tests.bot.console.stage import KNOWLEDGE, Guest, Thinking, Visit, jpeg, wav

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
BASE = "/console/knowledge"


async def form(admin: Visit, id: str) -> dict[str, object]:
    """What the page of an entry would send back."""
    page = (await admin.get(f"{BASE}/entry/{id}")).text
    revision = re.search(r'name="revision" id="revision" value="(\d+)"', page)
    entry = KNOWLEDGE.entry(id)
    assert revision is not None and entry is not None
    return {
        "id": id,
        "revision": revision[1],
        "question": entry.question,
        "variants": "\n".join(entry.variants),
        "answer_en": entry.answer["en"],
        "intent": entry.intent,
        "enabled": "1",
    }


async def draft(house: House) -> KnowledgeBase:
    return await house.publishing.draft()


async def test_an_entry_is_added_edited_disabled_and_deleted(admin: Visit, house: House) -> None:
    photo = await admin.upload(jpeg())
    new = {
        "id": "gift-card",
        "question": "How do I use a gift card?",
        "variants": "redeem my card\n\n  gift voucher code \nredeem my card",
        "answer_en": "Type the code at the till.",
        "answer_de": "Gib den Code an der Kasse ein.",
        "photos": photo,
        "media": photo,
        "tags": "cards, , pay",
        "enabled": "1",
        "revision": "0",
    }
    added = await admin.post(f"{BASE}/entry", data=new)
    assert added.headers["hx-redirect"] == f"{BASE}/entry/gift-card"
    entry = (await draft(house)).entry("gift-card")
    assert entry is not None
    assert entry.variants == ("redeem my card", "gift voucher code") and entry.tags == ("cards", "pay")
    assert entry.photos == (photo,) and entry.media == (photo,) and entry.answer["de"].startswith("Gib")
    assert entry.intent == "gift-card" and entry.enabled
    # The page shows what was saved, and saving again with its revision works
    page = (await admin.get(f"{BASE}/entry/gift-card")).text
    assert f"/console/files/{photo}" in page and "Gib den Code" in page
    edited = {**new, "enabled": "", "photos": [], "revision": re.findall(r'id="revision" value="(\d+)"', page)[0]}
    saved = await admin.post(f"{BASE}/entry", data=edited)
    assert saved.status_code == 200 and saved.headers["hx-trigger"] == "draft" and "Saved to the draft" in saved.text
    entry = (await draft(house)).entry("gift-card")
    assert entry is not None and not entry.enabled and entry.photos == ()
    revision = re.findall(r'id="revision" value="(\d+)"', saved.text)[0]
    gone = await admin.post(f"{BASE}/entry/gift-card/delete", data={"revision": revision})
    assert gone.headers["hx-redirect"] == BASE
    assert (await draft(house)).entry("gift-card") is None


async def test_search_looks_at_questions_variants_answers_and_tags(admin: Visit) -> None:
    for words, found in (
        ("cracked", "return-damaged"),
        ("NINE TO", "opening-hours"),
        ("tracking order", "track-order"),
    ):
        page = (await admin.get(f"{BASE}/list", params={"q": words})).text
        assert re.findall(r"/entry/([a-z-]+)", page) == [found]
    assert "Nothing found" in (await admin.get(f"{BASE}/list", params={"q": "xyzzy"})).text


async def test_every_mistake_is_named_and_nothing_is_changed(admin: Visit, house: House) -> None:
    before = await draft(house)
    good = {"id": "new-one", "question": "Is it?", "answer_en": "Yes.", "revision": "0", "enabled": "1"}
    for wrong, why in (
        ({"id": "Not An Id"}, "expected an id"),
        ({"id": "none"}, "reserved"),
        ({"question": "  "}, "question"),
        ({"answer_xxxx!": "?"}, "language tag"),
        ({"photos": "0" * 64}, "deleted meanwhile"),
        ({"photos": "../../etc/passwd"}, "deleted meanwhile"),
        ({"revision": "x"}, ""),
    ):
        answer = await admin.post(f"{BASE}/entry", data={**good, **wrong}, headers={"HX-Request": "true"})
        assert answer.status_code in (400, 422), wrong
        assert why in answer.text, wrong
        assert "<form" not in answer.text  # a part for the place of troubles: the form on the page stays as it is
    assert await draft(house) == before


async def test_saving_without_an_edit_changes_nothing(admin: Visit, house: House) -> None:
    entry = KNOWLEDGE.entry("track-order")
    assert entry is not None
    block = replace(entry, answer={"en": "One line.\n\n- and a list\n"})  # as a YAML block ends
    await house.store.write(lambda tx: tx.knowledge.put(KB_ID, block))
    data = {**await form(admin, "track-order"), "answer_en": "One line.\r\n\r\n- and a list\r\n"}
    assert (await admin.post(f"{BASE}/entry", data=data)).status_code == 200
    assert (await draft(house)).entry("track-order") == block


async def test_who_was_slower_is_told_and_can_decide(admin: Visit, house: House) -> None:
    mine = await form(admin, "track-order")
    theirs = {**mine, "question": "Where did my order go?"}
    assert (await admin.post(f"{BASE}/entry", data=theirs)).status_code == 200
    refused = await admin.post(f"{BASE}/entry", data={**mine, "question": "Where is my parcel?"})
    assert refused.status_code == 409
    assert "ada changed this entry" in refused.text and "Nothing you typed is lost" in refused.text
    revision = re.findall(r'data-overwrite="(\d+)"', refused.text)[0]
    again = await admin.post(f"{BASE}/entry", data={**mine, "question": "Where is my parcel?", "revision": revision})
    assert again.status_code == 200
    entry = (await draft(house)).entry("track-order")
    assert entry is not None and entry.question == "Where is my parcel?"
    # A deletion of what somebody else has changed since is refused too, and an id cannot be taken twice
    gone = await admin.post(f"{BASE}/entry/track-order/delete", data={"revision": mine["revision"]})
    assert gone.status_code == 400 and "reload" in gone.text
    taken = await admin.post(f"{BASE}/entry", data={**mine, "revision": "0"})
    assert taken.status_code == 409 and "already" in taken.text


async def test_publish_and_roll_back_are_live_at_once(admin: Visit, house: House) -> None:
    async def heard(question: str) -> str:
        guest = Guest(house)  # each a new one: the same customer would not be told the same thing twice
        await guest.says(question)
        return (await guest.hears())[-1]

    edited = {**await form(admin, "track-order"), "answer_en": "It is at the *front desk*."}
    await admin.post(f"{BASE}/entry", data=edited)
    assert "tracking page" in await heard("where is my order today?")
    page = (await admin.get(f"{BASE}/releases")).text
    assert "1 change to publish" in page and "front desk" in page and "- variants" not in page
    # Published: the next question has it
    published = await admin.post(f"{BASE}/publish", data={"note": "front desk"})
    assert published.headers["hx-redirect"] == f"{BASE}/releases"
    assert "It is at the *front desk*." in await heard("where is my order now, please?")
    # Rolled back: the next question has the old one again, and the draft is untouched
    assert (await admin.post(f"{BASE}/rollback/1")).status_code == 204
    assert "tracking page" in await heard("and where is my order now?")
    rows = await house.store.read(lambda tx: tx.knowledge.releases(KB_ID))
    assert [(row.number, row.live, row.by, row.note) for row in rows] == [
        (3, True, "ada", "back to release 1"),
        (2, False, "ada", "front desk"),
        (1, False, "seed", ""),
    ]
    assert "front desk" in (await admin.get(f"{BASE}/releases/2")).text
    assert (await admin.post(f"{BASE}/discard")).status_code == 204
    assert await draft(house) == KNOWLEDGE
    assert (await admin.post(f"{BASE}/rollback/99")).status_code == 400


async def test_a_try_shows_what_the_customer_would_get_and_why(admin: Visit, house: House) -> None:
    brain: Thinking = house.brain  # type: ignore[assignment]
    think = brain.think

    def thorough(question):  # type: ignore[no-untyped-def]
        from core.asking import Candidate, Unread
        from core.values import Problem

        made = think(question)
        return replace(
            made,
            candidates=(Candidate("track-order", 0.95, {"text": 0.5, "photo": 0.91}), *made.candidates[1:]),
            transcript="where is it" if question.voices else "",
            ocr=("Order 4471902",) if question.photos else (),
            unread=tuple(Unread(blob, Problem.DAMAGED) for blob in question.photos[1:]),
            evidence={"nearest": {"photo": photo, "similarity": 0.87}},
        )

    brain.think = thorough
    photo, voice = await admin.upload(jpeg()), await admin.upload(wav(), "voice", "note.wav")
    damaged = await admin.upload(jpeg("blue"))
    data = {"text": "my order", "photo": [photo, damaged], "voice": voice, "history": "hello\n\nI am Ada"}
    page = (await admin.post(f"{BASE}/try", data=data)).text
    assert "Answers" in page and "95 %" in page and "tracking page" in page and "not it" in page
    assert "“where is it”" in page and "Order 4471902" in page and "a damaged file" in page
    assert "photo" in page and "0.91" in page and f'<img src="/console/files/{photo}"' in page and "0.87" in page
    asked = brain.asked[-1]
    assert (asked.text, asked.photos, asked.voices) == ("my order", (photo, damaged), (voice,))
    assert asked.explain
    assert asked.history == ("hello", "I am Ada")
    # The live release is asked, or the draft as it is now
    assert json.loads(house.store.blobs.get(asked.release))["number"] == 1  # they are the same: workers know this one
    await admin.post(f"{BASE}/entry/track-order/variant", data={"text": "gimme my stuff"})
    await admin.post(f"{BASE}/try", data=data)
    asked = brain.asked[-1]
    assert json.loads(house.store.blobs.get(asked.release))["number"] == 0
    await admin.post(f"{BASE}/try", data={"text": "my order", "which": "live"})
    assert json.loads(house.store.blobs.get(brain.asked[-1].release))["number"] == 1


async def test_a_try_that_cannot_be_answered_says_so(admin: Visit, house: House) -> None:
    assert (await admin.post(f"{BASE}/try", data={"text": "  "})).status_code == 400
    house.brain.think = lambda question: BrainGone("no worker serves the queue `text`")  # type: ignore[attr-defined]
    answer = await admin.post(f"{BASE}/try", data={"text": "hello"})
    assert answer.status_code == 503 and "o worker serves" in answer.text


async def test_words_that_were_tried_become_a_variant(admin: Visit, house: House) -> None:
    for _ in range(2):
        answer = await admin.post(f"{BASE}/entry/track-order/variant", data={"text": "  gimme my\nstuff "})
        assert answer.status_code == 200 and "gimme my stuff" in answer.text
    entry = (await draft(house)).entry("track-order")
    assert entry is not None and entry.variants == ("gimme my stuff",)
    assert (await admin.post(f"{BASE}/entry/nowhere/variant", data={"text": "x"})).status_code == 400


async def test_a_preview_for_every_platform_is_safe(admin: Visit) -> None:
    answer = f'**Bold** {HOSTILE} [x](javascript:alert(3)) [y](https://example.com/"onmouseover=alert(4))\n\n- one'
    page = (await admin.post(f"{BASE}/preview", data={"answer_en": answer})).text
    for platform in ("telegram", "slack", "web"):
        assert f'class="screen {platform}"' in page
    assert page.count("Bold</") == 3
    assert "<script>" not in page and "<img src=x" not in page and 'href="javascript' not in page
    assert not re.search(r"<[a-z]+[^>]* onmouseover", page)
    long = (await admin.post(f"{BASE}/preview", data={"answer_en": "word " * 2000})).text
    assert long.split('class="screen slack"')[0].count('class="bubble"') > 1  # Telegram splits it


async def test_what_people_write_into_entries_stays_text(admin: Visit, house: House) -> None:
    data = {"id": "evil", "question": HOSTILE, "variants": HOSTILE, "answer_en": HOSTILE, "intent": HOSTILE}
    answer = await admin.post(f"{BASE}/entry", data={**data, "tags": HOSTILE, "revision": "0", "enabled": "1"})
    assert answer.status_code == 204
    pages = ("", "/entry/evil", "/list", "/releases", "/files", f"/new?question={HOSTILE}", f"?q={HOSTILE}")
    for path in pages:
        text = (await admin.get(f"{BASE}{path}")).text
        assert "<script>alert" not in text and "<img src=x" not in text, path
    tried = (await admin.post(f"{BASE}/try", data={"text": HOSTILE})).text
    assert "<script>alert" not in tried and "<img src=x" not in tried


async def test_what_was_taken_out_can_be_brought_in_again(admin: Visit, house: House) -> None:
    photo = await admin.upload(jpeg())
    await admin.post(f"{BASE}/entry", data={**await form(admin, "return-damaged"), "photos": photo})
    before = await draft(house)
    whole = (await admin.get(f"{BASE}/export.zip")).content
    table = (await admin.get(f"{BASE}/export.csv")).content
    assert "kb.yaml" in zipfile.ZipFile(io.BytesIO(whole)).namelist()
    await admin.post(f"{BASE}/discard")
    answer = await admin.post(f"{BASE}/import", files={"file": ("kb.zip", whole)}, data={"merge": ""})
    assert answer.status_code == 200 and "3 entries now" in answer.text
    assert await draft(house) == before
    # A table keeps what it has no column for
    changed = table.replace(b"When are you open?", b"When do you open?")
    answer = await admin.post(f"{BASE}/import", files={"file": ("kb.csv", changed)}, data={"merge": "1"})
    assert answer.status_code == 200
    after = await draft(house)
    assert after.entry("opening-hours").question == "When do you open?"  # type: ignore[union-attr]
    assert after.entry("return-damaged") == before.entry("return-damaged")


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, raw in members.items():
            file.writestr(name, raw)
    return out.getvalue()


async def test_malicious_and_broken_files_are_refused_with_their_place(admin: Visit, house: House) -> None:
    before = await draft(house)
    head = b"polydesk: 1\ntitle: T\nentries:\n  - id: a\n    question: Q?\n    answer: A\n"
    link = zipfile.ZipInfo("kb.yaml")
    link.external_attr = 0o120777 << 16
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as file:
        file.writestr(link, "/etc/passwd")
    for name, raw, why in (
        ("kb.zip", archive({"../../evil.yaml": b"x"}), "paths inside the archive"),
        ("kb.zip", archive({"/etc/passwd": b"x"}), "paths inside the archive"),
        ("kb.zip", linked.getvalue(), "a link"),
        ("kb.zip", archive({"kb.yaml": head, "big": b"0" * 30_000_000}), "times its size"),
        ("kb.zip", b"PK\x03\x04 not really", "not a zip"),
        ("kb.zip", archive({"readme.txt": b"x"}), "kb.yaml"),
        ("broken.yaml", b"polydesk: 1\ntitle: x\ncolour: red\n", "broken.yaml:3: colour: unknown field"),
        ("kb.zip", archive({"kb.yaml": head + b"    photos: [a.jpg]\n", "a.jpg": b"none"}), "entries[0].photos[0]"),
        ("kb.zip", archive({"kb.yaml": head + b"    photos: [../../etc/passwd]\n"}), "inside the uploaded folder"),
        ("kb.zip", archive({"kb.yaml": head + b"    photos: [a.jpg]\n", "a.jpg": b"<html></html>"}), "a.jpg"),
        ("kb.yaml", head + b"    answr: B\n", "kb.yaml:7"),
        ("kb.yaml", b"\xff\xfe\x00", "UTF-8"),
        ("kb.yaml", b"a: &a [1]\nb: *a\n", "kb.yaml:"),
        ("kb.csv", b"id,question\nNot An Id,Q\n", "kb.csv:2"),
        ("kb.exe", b"MZ", "expected a .zip"),
        ("../../<b>.csv", b"id,nonsense\n", "unknown column"),
    ):
        answer = await admin.post(f"{BASE}/import", files={"file": (name, raw)}, headers={"HX-Request": "true"})
        assert answer.status_code == 400, (name, why, answer.text)
        assert why in answer.text and "<b>." not in answer.text, (name, why, answer.text)
    assert await draft(house) == before


async def test_a_release_whose_draft_breaks_a_rule_is_not_published(admin: Visit, house: House) -> None:
    await house.store.write(lambda tx: tx.knowledge.set_head(KB_ID, KnowledgeBase("", language="!")))
    answer = await admin.post(f"{BASE}/publish", headers={"HX-Request": "true"})
    assert answer.status_code == 400 and "2 things to mend" in answer.text
    rows = await house.store.read(lambda tx: tx.knowledge.releases(KB_ID))
    assert len(rows) == 1


async def test_numbers_that_no_database_holds_and_kinds_that_are_none_are_refused(admin: Visit) -> None:
    huge = "9" * 30
    assert (await admin.get(f"/console/knowledge/releases/{huge}")).status_code == 422
    assert (await admin.post(f"/console/knowledge/rollback/{huge}")).status_code == 422
    gone = await admin.post("/console/knowledge/entry/track-order/delete", data={"revision": huge})
    assert gone.status_code == 422
    assert (await admin.post("/console/knowledge/entry", data={"id": "x", "revision": huge})).status_code == 400
    for kind in ("", "sticker", "nonsense"):
        assert (await admin.post(f"/console/uploads?kind={kind}", files={"file": jpeg()})).status_code == 422
