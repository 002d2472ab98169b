"""Knowledge, references, users, web chat and settings: what goes in comes out, and only what is allowed goes in."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from core.errors import BadInput, Broken, Refused
from core.knowledge.entries import Case, Desk, Entry, KnowledgeBase
from core.store.store import Store, Tx
from core.store.trouble import Conflict

DAY = 24 * 3600 * 1000


def sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


# knowledge

SHOES = Entry("return-shoes", "Can I return shoes?", {"en": "Yes."}, photos=(sha("shoe"),))
MUGS = Entry("broken-mug", "My mug broke", {"en": "Sorry."}, variants=("cracked mug",))
SHOP = KnowledgeBase(
    "Shop",
    "en",
    (SHOES, MUGS),
    0.05,
    {"welcome": {"en": "Hi"}},
    Desk("Europe/Berlin", {"mon": ((540, 1020),)}, ("2026-12-25",)),
    (Case("none", text="a poem"),),
)


async def test_a_draft_is_what_was_put_in(store: Store) -> None:
    assert await store.read(lambda tx: tx.knowledge.draft("kb")) is None
    await store.write(lambda tx: tx.knowledge.replace("kb", SHOP, by="ada"))
    draft = await store.read(lambda tx: tx.knowledge.draft("kb"))
    assert draft is not None and draft.knowledge == SHOP
    assert await store.read(lambda tx: tx.knowledge.head("kb")) == replace(SHOP, entries=())
    assert await store.read(lambda tx: tx.knowledge.bases()) == (("kb", "Shop"),)
    await store.write(lambda tx: tx.knowledge.put("kb", Entry("new", "New?", {"en": "Yes"})))
    draft = await store.read(lambda tx: tx.knowledge.draft("kb"))
    assert draft is not None
    assert [entry.id for entry in draft.knowledge.entries] == ["return-shoes", "broken-mug", "new"]


async def test_two_admins_do_not_overwrite_each_other(store: Store) -> None:
    await store.write(lambda tx: tx.knowledge.replace("kb", SHOP))
    seen = await store.read(lambda tx: tx.knowledge.get("kb", "broken-mug"))
    other = await store.read(lambda tx: tx.knowledge.get("kb", "return-shoes"))
    assert seen is not None and other is not None
    hers = replace(MUGS, question="It broke")
    await store.write(lambda tx: tx.knowledge.put("kb", hers, by="ada", revision=seen.revision))
    with pytest.raises(Conflict):
        await store.write(lambda tx: tx.knowledge.put("kb", MUGS, by="bob", revision=seen.revision))
    with pytest.raises(Conflict):
        await store.write(lambda tx: tx.knowledge.delete("kb", "broken-mug", revision=seen.revision))
    with pytest.raises(Conflict):
        await store.write(lambda tx: tx.knowledge.put("kb", SHOES, revision=0))
    with pytest.raises(Conflict):
        await store.write(lambda tx: tx.knowledge.replace("kb", SHOP, revision=1))
    # but another entry than the one that changed can be edited
    await store.write(lambda tx: tx.knowledge.put("kb", SHOES, by="bob", revision=other.revision))
    now = await store.read(lambda tx: tx.knowledge.get("kb", "broken-mug"))
    assert now is not None and (now.entry, now.updated_by) == (hers, "ada")
    with pytest.raises(BadInput):
        await store.write(lambda tx: tx.knowledge.put("nowhere", MUGS))


async def test_publishing_numbers_releases_and_one_is_live(store: Store, clock) -> None:
    await store.write(lambda tx: tx.knowledge.replace("kb", SHOP))
    assert await store.read(lambda tx: tx.knowledge.live("kb")) is None
    await store.write(lambda tx: tx.knowledge.publish("kb", sha("one"), digest="d1", by="ada", note="first"))
    await store.write(lambda tx: tx.knowledge.publish("kb", sha("two"), digest="d2"))
    back = await store.write(lambda tx: tx.knowledge.rollback("kb", 1, by="bob"))
    assert (back.number, back.blob, back.digest, back.live) == (3, sha("one"), "d1", True)
    assert await store.read(lambda tx: tx.knowledge.live("kb")) == back
    rows = await store.read(lambda tx: tx.knowledge.releases("kb"))
    assert [(row.number, row.live) for row in rows] == [(3, True), (2, False), (1, False)]
    with pytest.raises(BadInput):
        await store.write(lambda tx: tx.knowledge.rollback("kb", 9))
    with pytest.raises(BadInput):
        await store.write(lambda tx: tx.knowledge.publish("kb", "../../etc/passwd"))

    # Given the draft drops a photo, the release still wants it, and so does the rollback
    await store.write(lambda tx: tx.knowledge.delete("kb", "return-shoes"))
    assert await store.read(lambda tx: tx.blobs.wanted(sha("shoe")))
    assert {one.sha for one in await store.read(lambda tx: tx.blobs.of("release:kb:3"))} == {sha("one"), sha("shoe")}


# blobs' references


async def test_a_blob_is_wanted_until_the_last_lets_go(store: Store, clock) -> None:
    async def refer(tx: Tx) -> None:
        await tx.blobs.refer(sha("x"), "one", "photo", clock.now() + 100)
        await tx.blobs.refer(sha("x"), "one", "photo", clock.now() + 50)  # the longer wish counts
        await tx.blobs.refer(sha("x"), "two", "photo")

    await store.write(refer)
    assert await store.write(lambda tx: tx.blobs.release("two")) == 1
    assert await store.read(lambda tx: tx.blobs.orphans(clock.now() + 99)) == ()
    assert await store.read(lambda tx: tx.blobs.orphans(clock.now() + 100)) == (sha("x"),)
    clock.time += 100
    assert not await store.read(lambda tx: tx.blobs.wanted(sha("x")))
    assert await store.read(lambda tx: tx.blobs.known(sha("x")))
    with pytest.raises(BadInput):
        await store.write(lambda tx: tx.blobs.refer("not a sha", "one", "photo"))


# users, web, settings


async def test_users(store: Store, clock) -> None:
    user = await store.write(lambda tx: tx.users.add(" ada ", "admin", "hash-1"))
    assert (user.name, user.created_at) == ("ada", clock.now()) and "hash-1" not in repr(user)
    for name, role in (("ada", "agent"), ("  ", "agent"), ("bob", "boss")):
        with pytest.raises(BadInput):
            await store.write(lambda tx, name=name, role=role: tx.users.add(name, role, "h"))
    await store.write(lambda tx: tx.users.set_password("ada", "hash-2"))
    await store.write(lambda tx: tx.users.disable("ada"))
    assert await store.read(lambda tx: tx.users.get("ada")) == replace(user, password="hash-2", disabled=True)
    assert len(await store.read(lambda tx: tx.users.list())) == 1
    with pytest.raises(BadInput):
        await store.write(lambda tx: tx.users.disable("nobody"))


async def test_the_web_chat_replays_what_was_added_or_changed(store: Store) -> None:
    await store.write(lambda tx: tx.web.open("s", "hash"))
    assert await store.read(lambda tx: tx.web.check("s", "hash"))
    assert not await store.read(lambda tx: tx.web.check("s", "other"))
    assert not await store.read(lambda tx: tx.web.check("nobody", ""))
    first = await store.write(lambda tx: tx.web.append("s", {"text": "Hi"}))
    second = await store.write(lambda tx: tx.web.append("s", {"text": "Yes?"}))
    assert await store.write(lambda tx: tx.web.replace("s", first, {"text": "Hello"})) == 3
    changed = await store.read(lambda tx: tx.web.after("s", second))
    assert [(one.seq, one.cursor, one.payload) for one in changed] == [(first, 3, {"text": "Hello"})]
    assert [one.seq for one in await store.read(lambda tx: tx.web.after("s", 0))] == [2, 1]
    with pytest.raises(Refused):
        await store.write(lambda tx: tx.web.replace("s", 99, {}))
    with pytest.raises(Refused):
        await store.write(lambda tx: tx.web.append("nobody", {}))
    assert len(await store.read(lambda tx: tx.web.after("s", 0))) == 2


async def test_settings(store: Store) -> None:
    assert await store.read(lambda tx: tx.settings.get("seeded", False)) is False
    await store.write(lambda tx: tx.settings.put("seeded", {"from": "kb.yaml"}))
    await store.write(lambda tx: tx.settings.put("seeded", {"from": "other"}))
    assert await store.read(lambda tx: tx.settings.get("seeded")) == {"from": "other"}
    await store.write(lambda tx: tx.settings.drop("seeded"))
    assert await store.read(lambda tx: tx.settings.get("seeded")) is None


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(Broken):
        await store.read(lambda tx: tx.settings.put("a", 1))
