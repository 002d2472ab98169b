"""What was backed up comes back, into either database."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import select

from core.errors import BadInput, Broken
from core.knowledge.entries import Entry, KnowledgeBase
from core.store.backup import backup
from core.store.restore import check, restore
from core.store.store import Store, Tx
from core.store.tables import metadata
from core.store.upgrade import HEAD
from core.values import Address, Author, Call, EventKind, InboundEvent, Role

SHOP = KnowledgeBase("Shop", entries=(Entry("a", "Größe?", {"en": "42\n😀"}),))


async def fill(store: Store) -> str:
    photo = await store.keep(b"photo")
    event = InboundEvent("e", EventKind.CREATED, Address("web", "us", "c"), Author("a"), at=1, text="näh\n\x00 \u2028")

    async def work(tx: Tx) -> None:
        heard = await tx.ledger.remember(event, 10**9, "bot", "kb")
        assert heard is not None and heard.conversation is not None
        here = heard.conversation.id
        await tx.outbox.add(here, [Call("say", {"text": "x"}), Call("say", {})], Role.BOT)
        await tx.turns.record("t", here, question={"id": "t"})
        await tx.labels.add(here, "wrong")
        await tx.labels.add("", "tried")
        await tx.knowledge.replace("kb", SHOP)
        await tx.knowledge.publish("kb", photo)
        await tx.users.add("ada", "admin", "hash")

    await store.write(work)
    return photo


async def dump(store: Store) -> dict[str, list[dict[str, object]]]:
    async def work(tx: Tx) -> dict[str, list[dict[str, object]]]:
        found = {}
        for table in metadata.sorted_tables:
            rows = await tx.sql.rows(select(table).order_by(*table.primary_key))
            found[table.name] = [dict(row._mapping) for row in rows]
        return found

    return await store.read(work)


async def test_everything_comes_back(store: Store, url, tmp_path, clock, request) -> None:
    photo = await fill(store)
    before = await dump(store)
    target = tmp_path / "backup.tar"
    backup(url, tmp_path / "blobs", target)  # while the store is open
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.tar"]

    # into another SQLite database
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    restore(elsewhere, tmp_path / "other-blobs", target)
    other = await Store.open(elsewhere, tmp_path / "other-blobs", clock)
    assert await dump(other) == before
    assert await other.fetch(photo) == b"photo"
    await other.close()
    assert check(elsewhere) == "ok"

    # and over itself, only when forced
    await store.write(lambda tx: tx.settings.put("later", 1))
    with pytest.raises(BadInput, match="holds something"):
        restore(url, tmp_path / "blobs", target)
    restore(url, tmp_path / "blobs", target, force=True)
    assert await dump(store) == before


async def test_a_shop_may_outgrow_sqlite(postgres, tmp_path, clock, request) -> None:
    small = await Store.open(f"sqlite:///{tmp_path / 'small.db'}", tmp_path / "blobs", clock)
    await fill(small)
    before = await dump(small)
    await small.close()
    backup(f"sqlite:///{tmp_path / 'small.db'}", None, tmp_path / "backup.tar")
    import psycopg

    with psycopg.connect(postgres.format("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE grown")
    url = postgres.format("grown")
    restore(url, None, tmp_path / "backup.tar")
    big = await Store.open(url, None, clock)
    assert await dump(big) == before
    assert await big.read(lambda tx: tx.knowledge.draft("kb")) is not None
    await big.close()


async def test_a_running_gateway_is_not_overwritten(tmp_path, clock) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    store = await Store.open(url, None, clock, exclusive=True)
    backup(url, None, tmp_path / "backup.tar")
    with pytest.raises(Broken, match="stop it first"):
        restore(url, None, tmp_path / "backup.tar", force=True)
    await store.close()


def archive(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, raw in members.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_json", ".json"))
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return path


def test_what_is_no_backup_is_refused(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    about = {"polydesk": 1, "revision": HEAD}
    (tmp_path / "words").write_text("not a tar")
    for source in (
        tmp_path / "nothing",
        tmp_path / "words",
        archive(tmp_path / "empty.tar"),
        archive(tmp_path / "other.tar", polydesk_json=b"[]"),
        archive(tmp_path / "later.tar", polydesk_json=json.dumps(about | {"polydesk": 2}).encode()),
        archive(tmp_path / "old.tar", polydesk_json=json.dumps(about | {"revision": "0000"}).encode()),
        archive(tmp_path / "bad.tar", polydesk_json=json.dumps(about).encode(), **{"blobs__" + "0" * 64: b"other"}),
    ):
        with pytest.raises(BadInput):
            restore(url, tmp_path / "blobs", source)
    with pytest.raises(BadInput, match="exists"):
        backup(url, None, tmp_path / "words")
    with pytest.raises(Broken, match="no database"):
        backup(f"sqlite:///{tmp_path / 'nowhere.db'}", None, tmp_path / "b.tar")


async def test_a_backup_that_does_not_fit_changes_nothing(store: Store, url, tmp_path) -> None:
    await fill(store)
    before = await dump(store)
    about = json.dumps({"polydesk": 1, "revision": HEAD}).encode()
    row = json.dumps({"id": "x", "conversation": "nobody", "kind": "wrong", "at": 1, "detail": {}}).encode()
    source = archive(tmp_path / "torn.tar", polydesk_json=about, tables__labels_jsonl=row)
    source = archive(tmp_path / "torn.tar", polydesk_json=about, tables__labels_jsonl=row)
    with pytest.raises(Exception, match="refused"):
        restore(url, None, source, force=True)
    assert await dump(store) == before
