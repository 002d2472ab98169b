"""Learning in a running installation: started on the page, trained by a real worker, promoted, used at once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from core.knowledge.files import load
from core.values import Author, Role
from tests.bot.console.stage import ADMIN, PASSWORD, Guest, furnished
from tests.flows.agent import Agent
from tests.flows.installation import PATIENT, Browserless, Installation, processes_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.models]

MIA = Author("mia", "Mia", Role.AGENT)
WORDS = "forget it, I don't want it any more"
SAID = {
    WORDS: "order-cancel",
    "stop the purchase please": "order-cancel",
    "has the courier got it by now": "track-order",
    "till what time can I drop by": "opening-hours",
    "do you open early": "opening-hours",
    "any news about my package": "track-order",
    "I'd like to cancel my order": "order-cancel",
    "when is my parcel coming": "track-order",
    "what are your opening hours": "opening-hours",
    "cancel my order please": "order-cancel",
}
CASES = """cases:
  - {text: where has my order got to, expect: track-order}
  - {text: please cancel my order, expect: order-cancel}
  - {text: what are your opening hours, expect: opening-hours}
"""


async def lived(data: Path, tiny: Path) -> None:
    """A database of conversations in each of which an agent said what the question was about."""
    kb = data / "kb"
    kb.mkdir(parents=True)
    (kb / "kb.yaml").write_text((tiny / "kb.yaml").read_text() + CASES)
    async with furnished(data, load(kb)) as house:
        for text, entry in SAID.items():
            guest = Guest(house)
            await guest.says(text)
            talk = await guest.id()
            turn = (await house.store.read(lambda tx, talk=talk: tx.turns.list(talk)))[0].id
            await house.desk.correct(talk, MIA, turn, entry)
            await house.desk.resolve(talk, MIA)


class Page:
    """The training page, without its eyes."""

    def __init__(self, url: str) -> None:
        self.agent = Agent(url)

    async def state(self) -> str:
        answer = await self.agent.http.get("/console/training/state")
        answer.raise_for_status()
        return answer.text

    async def does(self, what: str, **wished: str) -> str:
        answer = await self.agent.http.post(f"/console/training/{what}", data=wished)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def child(self, data: Path) -> int:
        """The process that trains, waited for."""
        async with asyncio.timeout(PATIENT):
            while not (found := [pid for pid, cmd in processes_of(data).items() if "-m workers.training" in cmd]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return found[0]

    async def ended(self, seconds: float = 2 * PATIENT) -> tuple[list[str], str]:
        """The stages that were seen, and the page once the training is over."""
        stages: dict[str, None] = {}
        end = time.monotonic() + seconds
        while True:
            page = await self.state()
            if "A training is running" not in page:
                return list(stages), page
            stages |= dict.fromkeys(re.findall(r"<p><b>(.*?)</b>", page))
            assert time.monotonic() < end, stages
            await asyncio.sleep(0.1)


async def test_a_phrase_that_only_the_past_taught_is_answered_after_the_promotion(
    installations: list[Installation], models_dir: Path, tiny: Path, tmp_path: Path
) -> None:
    data = tmp_path / "shop"
    await lived(data, tiny)
    shop = Installation(data, models_dir)
    installations.append(shop)
    shop.start()
    await shop.ready()
    page = Page(shop.url)
    await page.agent.log_in(ADMIN, PASSWORD)
    before = await Browserless(shop.url).open()
    await before.says(WORDS)
    assert "cancel button" not in (await before.hears())[0]["text"]
    # A training that an admin stops ends at once, and leaves nothing
    async with asyncio.timeout(PATIENT):
        while "No train worker" in await page.state():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    idle = memory(shop.child("train"))
    await page.does("start")
    child = await page.child(data)
    (stop,) = re.findall(r"/console/training/([0-9a-f-]{36}/stop)", await page.state())
    assert f"Stopped by {ADMIN}." in await page.does(stop)
    async with asyncio.timeout(PATIENT):
        while child in processes_of(data) or list(data.glob("training*/*")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    # One whose worker is killed is told of, and goes on where it stood
    await page.does("start", strategy="fixed")
    async with asyncio.timeout(PATIENT):
        while not list(data.glob("training-kept/*/model/work/heard.db")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    os.kill(shop.child("train"), signal.SIGKILL)
    _, told = await page.ended()
    assert "died before it was done. Start it again." in told
    (again,) = set(re.findall(r"/console/training/([0-9a-f-]{36}/again)", told))
    await page.does(again)
    # While the gateway starts anew
    await asyncio.sleep(1.5)
    os.kill(shop.child("gateway"), signal.SIGKILL)
    await asyncio.sleep(1.0)
    await shop.healthy()
    stages, told = await page.ended()
    assert "May be promoted" in told, (stages, told, shop.logs())
    assert stages
    # Then nothing has changed yet, and the report is there
    assert "The model that ships with Polydesk" in told
    (report,) = set(re.findall(r"/console/training/[0-9a-f-]{36}/report", told))
    shown = (await page.agent.http.get(report)).text
    assert "<svg" in shown and "it was asked for with --strategy" in shown and "strategy: fixed weights" in told
    rests = {path.name for path in data.glob("training-kept/*/*")}
    assert rests == {"training", "outcome.json"}  # no word of a customer
    assert "going on with the training that was interrupted" in (data / "log" / "train.log").read_text()
    # And the next question is answered by what the past taught
    (promote,) = re.findall(r"/console/training/([0-9a-f-]{36}/promote)", told)
    assert "Back to the shipped model" in await page.does(promote)
    after = await Browserless(shop.url).open()
    await after.says(WORDS)
    assert "cancel button" in (await after.hears())[0]["text"]
    predicted = [json.loads(row["prediction"])["model"] for row in shop.rows("SELECT * FROM turns ORDER BY id")][-1]
    assert "+" in predicted
    for chat in (before, after):
        await chat.close()
    await page.agent.close()
    assert idle < 90, f"the idle train worker takes {idle:.0f} MB"
    assert (await asyncio.to_thread(shop.stop)) == 0


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
