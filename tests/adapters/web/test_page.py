"""The chat page's words: complete in every language, chosen by the browser's wish."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from adapters.web.page import languages, routes, spoken
from core.clock import WallClock
from core.knowledge.entries import KnowledgeBase
from core.store.store import Store
from core.texts import languages as texts
from tests.migrated import migrated

WEB = Path(__file__).resolve().parents[3] / "adapters" / "web"


def used() -> set[str]:
    """Every English word that page and scripts ask a translation for."""
    page = (WEB / "static/chat.html").read_text()
    scripts = "".join(path.read_text() for path in (WEB / "static").glob("*.js"))
    return {*re.findall(r"\{\{(.+?)\}\}", page), *re.findall(r'say\("([^"]+)"', scripts)}


@pytest.mark.parametrize("language", languages())
def test_every_language_says_everything_and_nothing_else(language: str) -> None:
    words = json.loads((WEB / "words" / f"{language}.json").read_text())
    assert set(words) == used()
    assert all(value.strip() for value in words.values())
    assert [key for key, value in words.items() if ("{name}" in key) != ("{name}" in value)] == []


def test_the_page_speaks_what_the_bot_speaks() -> None:
    assert {"en", *languages()} == set(texts())


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("ja,fr;q=0.5", "fr"),
        ("ja", "en"),
        ("de;q=0.2,en-US;q=0.7", "en"),
        ("fr;q=x, *;q=0.1, ;;;", "en"),
        ("../../etc/passwd", "en"),
    ],
)
def test_the_browsers_wishes_count_in_their_order(header: str, language: str) -> None:
    assert spoken(header) == language


async def test_the_page_carries_the_shops_name_as_text(tmp_path: Path) -> None:
    store = await Store.open(migrated(tmp_path / "web.db"), tmp_path / "blobs", WallClock())
    evil = "</title><script>alert(1)</script>"
    await store.write(lambda tx: tx.knowledge.set_head("default", KnowledgeBase(evil)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=routes(store))), base_url="http://web"
    ) as http:
        page = (await http.get("/", headers={"Accept-Language": "de-AT"})).text
        assert '<html lang="de">' in page and "Nachricht schreiben" in page and "{{" not in page
        assert "<script>alert" not in page and "&lt;script&gt;" in page
        for name in re.findall(r'(?:src|href)="(/chat/[^"]+)"', page):
            assert (await http.get(name)).status_code == 200, name
    await store.close()
