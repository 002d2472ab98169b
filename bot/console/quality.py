"""The quality page: the error budget, what became of it, what others would mean."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import Response

from bot.console.front import Front
from bot.console.quality_view import Quality, look
from bot.console.sessions import Visitor
from bot.wiring import KB_ID
from core.errors import BadInput
from core.store.store import Tx

_FRESH_MS = 5 * 60_000  # thousands of conversations are not read again for every glance
SMALLEST, LARGEST = 0.1, 50.0  # percent


def router(front: Front) -> APIRouter:
    """Everything under /console/quality; for admins."""
    routes = APIRouter(prefix="/quality", dependencies=[Depends(front.admin)])
    home = front.home
    reading = asyncio.Lock()
    kept: dict[str, Quality] = {}

    async def fresh(budget: float) -> Quality:
        """The figures, one reading at a time for however many look."""
        async with reading:
            known = kept.get(KB_ID)
            if known is None or home.store.clock.now() - known.at > _FRESH_MS or known.budget != budget:
                kept[KB_ID] = known = await look(home)
            return known

    @routes.get("")
    async def page(visitor: Visitor = Depends(front.admin)) -> Response:
        return front.page("quality.html", visitor, **await _budgets())

    @routes.get("/figures")
    async def figures(visitor: Visitor = Depends(front.admin)) -> Response:
        budgets = await _budgets()
        return front.page("quality_figures.html", visitor, quality=await fresh(budgets["live"]), **budgets)

    @routes.post("/budget")
    async def change(
        percent: Annotated[float, Form(allow_inf_nan=False)], visitor: Visitor = Depends(front.admin)
    ) -> Response:
        if not SMALLEST <= percent <= LARGEST:
            raise BadInput(f"an error budget is between {SMALLEST:g} and {LARGEST:g} %")

        async def put(tx: Tx) -> None:
            draft = await tx.knowledge.draft(KB_ID)
            if draft is None:
                raise BadInput("there is no knowledge base yet: polydesk kb import PATH")
            changed = replace(draft.knowledge, error_budget=round(percent / 100, 6))
            await tx.knowledge.set_head(KB_ID, changed, revision=draft.revision)

        await home.store.write(put)
        home.bell.ring(KB_ID)
        return front.page("quality_budget.html", visitor, saved=True, **await _budgets())

    async def _budgets() -> dict[str, Any]:
        release = await home.publishing.live()
        draft = await home.publishing.draft()
        return {"live": release.knowledge.error_budget if release else draft.error_budget, "draft": draft.error_budget}

    return routes
