"""An agent at the console, over HTTP."""

from __future__ import annotations

import asyncio
import re

import httpx

from tests.flows.installation import PATIENT


class Agent:
    """Somebody who logs in and works through the desk's own pages; what they post carries the page's token."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=30, follow_redirects=True)

    async def log_in(self, name: str, password: str) -> None:
        page = await self.http.post(
            "/console/login", data={"name": name, "password": password, "next": "/console/desk"}
        )
        assert page.status_code == 200, page.text[-500:]
        token = re.search(r'"X-CSRF": "([0-9a-f]+)"', page.text)
        assert token, page.text[-500:]
        self.http.headers["X-CSRF"] = token[1]

    async def close(self) -> None:
        await self.http.aclose()

    async def found(self, words: str) -> list[str]:
        """The conversations that the desk's search finds."""
        page = await self.http.get("/console/desk/list", params={"q": words})
        page.raise_for_status()
        return re.findall(r'data-id="([0-9a-f-]{36})"', page.text)

    async def finds(self, words: str) -> str:
        """The one conversation with these words."""
        async with asyncio.timeout(PATIENT):
            while not (ids := await self.found(words)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert len(ids) == 1, ids
        return ids[0]

    async def page(self, id: str) -> str:
        """The desk's page of a conversation."""
        page = await self.http.get(f"/console/desk/{id}")
        page.raise_for_status()
        return page.text

    async def sees(self, id: str, words: str) -> str:
        """The page, once it shows these words."""
        page = ""
        try:
            async with asyncio.timeout(PATIENT):
                while words not in (page := await self.page(id)):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError as late:
            shown = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition('id="talk"')[2]))
            raise AssertionError(f"the page never showed {words!r}: {shown[:3000]}") from late
        return page

    async def moves(self, id: str, move: str, **form: str) -> httpx.Response:
        """`claim`, `say`, `note`, `hand-back` or `resolve`."""
        return await self.http.post(f"/console/desk/{id}/{move}", data=form)

    async def does(self, id: str, move: str, **form: str) -> None:
        answer = await self.moves(id, move, **form)
        assert answer.status_code == 204, (move, answer.status_code, answer.text[-500:])
