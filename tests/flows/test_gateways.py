"""Two gateways and three workers on one database, as the Procfile has them: gateways die, or freeze, at work."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import httpx
import psycopg
import pytest
import pytest_asyncio
from aiohttp import web

from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram.customer import Customer
from tests.flows.agent import Agent
from tests.flows.conftest import sweep
from tests.flows.installation import PATIENT, Browserless, environment, free_port, tracebacks
from tests.flows.servers import commands, postgres, redis

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "correct horse battery"
TAKEN_OVER = 20.0  # seconds; a lease of 8, a look every 2, and a machine that is busy
MAYBE = "may not have reached you"  # what a customer is told when nobody knows whether an answer did

ASKED = {
    "where is my order please?": "Look at the tracking page.",
    "how do i cancel my order?": "Press the cancel button.",
    "when are you open on saturday?": "From nine to five.",
}


class Balancer:
    """What stands before the gateways: posts go to them by turns, and 502 goes back where none answers."""

    def __init__(self, urls: list[str]) -> None:
        self._turns = itertools.cycle(urls)
        self.took: Counter[str] = Counter()
        self.shunned = ""
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Balancer]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._pass_on)
        runner = web.AppRunner(app)
        async with aiohttp.ClientSession() as self._session:
            await runner.setup()
            port = free_port()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.url = f"http://127.0.0.1:{port}"
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        url = next(url for url in self._turns if url != self.shunned)
        kept = {name: value for name, value in request.headers.items() if name.lower().startswith(("x-", "content-t"))}
        try:
            async with self._session.post(url + request.path_qs, data=await request.read(), headers=kept) as answer:
                self.took[url] += 1
                return web.Response(status=answer.status, body=await answer.read())
        except aiohttp.ClientError:
            return web.Response(status=502)


@dataclass
class Town:
    """The running processes."""

    data: Path
    environs: dict[str, dict[str, str]]
    urls: dict[str, str]
    database: str
    balancer: Balancer
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: str) -> None:
        with (self.data / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                commands()[command], cwd=self.data, env=self.environs[name], stdout=log, stderr=log
            )

    async def ready(self, name: str) -> None:
        async with httpx.AsyncClient(base_url=self.urls[name]) as http, asyncio.timeout(120):
            while True:
                dead = [one for one, process in self.running.items() if process.poll() is not None]
                assert not dead, "\n".join((self.data / f"{one}.log").read_text()[-3000:] for one in dead)
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    def kill(self, name: str) -> None:
        """`kill -9`."""
        process = self.running.pop(name)
        process.kill()
        process.wait(10)

    def bury(self) -> None:
        """Leave nothing running, whatever failed."""
        for process in self.running.values():
            process.kill()
            process.wait(10)

    def other(self, name: str) -> str:
        return next(one for one in self.urls if one != name)

    def rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        with psycopg.connect(self.database) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    with postgres() as database, redis() as broker:
        yield database, broker


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def telegram_of_two() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(hurry=4.0) as telegram:
        yield telegram


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    tiny: Path,
    servers: tuple[str, str],
    telegram_of_two: FakeTelegram,
) -> AsyncIterator[Town]:
    database, broker = servers
    data = tmp_path_factory.mktemp("gateways")
    (data / "models").symlink_to(models_dir)
    ports = {name: free_port() for name in ("one", "two")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    worker = environment(data, POLYDESK_REDIS_URL=broker, POLYDESK_BLOBS=str(data / "shared"))
    async with Balancer(list(urls.values())).running() as balancer:
        gateway = {
            **worker,
            "POLYDESK_DATABASE_URL": database,
            "POLYDESK_SECRET": "the-same-for-every-gateway",
            "POLYDESK_KB": str(tiny),
            "POLYDESK_TELEGRAM_TOKEN": TOKEN,
            "POLYDESK_TELEGRAM_API_URL": telegram_of_two.url,
            "POLYDESK_TELEGRAM_WEBHOOK_URL": balancer.url,
            "POLYDESK_TELEGRAM_SECRET": "a-secret_of-the-webhook",
        }
        environs = {name: {**gateway, "POLYDESK_PORT": str(port)} for name, port in ports.items()}
        workers = {"text-1": "text", "text-2": "text", "media": "media"}  # nobody here sends photos
        town = Town(data, environs | dict.fromkeys(workers, worker), urls, database, balancer)
        with contextlib.ExitStack() as stack:
            stack.callback(sweep, data)
            # Both gateways at once, on a database that holds nothing yet.
            for name in urls:
                town.start(name, "gateway")
            for name, queue in workers.items():
                town.start(name, queue)
            await asyncio.gather(*map(town.ready, urls))
            adding = ["polydesk", "user", "add", "grace", "--role", "admin"]
            secret = {**environs["one"], "POLYDESK_NEW_PASSWORD": PASSWORD}
            await asyncio.to_thread(subprocess.run, adding, cwd=data, env=secret, check=True, timeout=60)
            stack.callback(town.bury)
            yield town
            # The gateways first, so that nothing new is asked; all end in good order.
            for some in (list(urls), list(workers)):
                for name in some:
                    town.running[name].terminate()
                for name in some:
                    assert await asyncio.to_thread(town.running[name].wait, 30) == 0
            logs = "".join((data / f"{name}.log").read_text() for name in town.environs)
            assert not tracebacks(logs), tracebacks(logs)
            held = town.rows(f"SELECT name FROM leases WHERE until > {time.time() * 1000}")
            assert held == [], "a gateway that stops in good order lets go of everything"


def told(ada: Customer) -> list[str]:
    return [one.text for one in ada.seen if one.by_bot]


async def conversed(ada: Customer, questions: dict[str, str]) -> None:
    """Ask one question after the other, each after the answer to the one before."""
    for question, answer in questions.items():
        await ada.says(question)
        await ada.hears(answer, timeout=PATIENT)


async def test_many_conversations_over_both(town: Town, telegram_of_two: FakeTelegram) -> None:
    """Given deliveries that alternate between the gateways, then everybody is answered once, in order."""
    began = time.monotonic()
    people = [telegram_of_two.customer(f"Ada {number}") for number in range(10)]
    await asyncio.gather(*(conversed(ada, ASKED) for ada in people))
    await telegram_of_two.settled(PATIENT)
    await asyncio.sleep(0.5)
    for ada in people:
        answers = [text for text in told(ada) if any(known in text for known in ASKED.values())]
        assert len(answers) == len(told(ada)) == len(ASKED), told(ada)
        for text, known in zip(answers, ASKED.values(), strict=True):
            assert known in text
    assert min(town.balancer.took.values()) >= 10, town.balancer.took
    print(f"30 questions over two gateways in {time.monotonic() - began:.1f} s, {dict(town.balancer.took)}")


async def test_a_burst_over_both_is_one_turn(town: Town, telegram_of_two: FakeTelegram) -> None:
    """Given two messages of one customer, heard by different gateways at once, then they are answered as one."""
    for number in range(3):
        ada = telegram_of_two.customer(f"Burst {number}")
        await ada.says("where is")
        await ada.says("my order please?")
        await ada.hears("tracking page", timeout=PATIENT)
        await telegram_of_two.settled(PATIENT)
        await ada.hears_nothing(0.5)


async def test_a_web_chat_on_one_is_live_on_the_other(town: Town) -> None:
    ada = await Browserless(town.urls["one"]).open()
    there = httpx.AsyncClient(base_url=town.urls["two"], timeout=PATIENT, headers=ada.http.headers)
    try:
        async with there.stream("GET", f"/api/v1/conversations/{ada.id}/stream") as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith(":")
            await ada.says("where is my order please?")
            began = time.monotonic()
            async with asyncio.timeout(5):
                while "Look at the tracking page." not in (line := await anext(lines)):
                    pass
        assert line.startswith("data:")
        print(f"live on the other gateway {time.monotonic() - began:.2f} s after it was accepted")
        # What is posted to the other one joins the same conversation.
        words = {"client_id": "x", "text": "how do i cancel my order?"}
        assert (await there.post(f"/api/v1/conversations/{ada.id}/messages", data=words)).status_code == 202
        await ada.sees("Press the cancel button.")
        assert len(await ada.told()) == 2
    finally:
        await ada.close()
        await there.aclose()


async def test_typing_that_one_hears_of_is_waited_for_by_the_other(town: Town) -> None:
    """Given a fragment at one gateway, when the other is told that its writer goes on, then both are one turn."""
    for here, there in (("one", "two"), ("two", "one")):
        ada = await Browserless(town.urls[here]).open()
        try:
            chat = f"{town.urls[there]}/api/v1/conversations/{ada.id}"
            await ada.says("hello")
            for _ in range(3):
                signed = await ada.http.post(f"{chat}/composing", data={"client_id": "next"})
                assert signed.status_code == 204
                await asyncio.sleep(1.0)
            assert await ada.told() == []
            words = {"client_id": "next", "text": "where is my order please?"}
            assert (await ada.http.post(f"{chat}/messages", data=words)).status_code == 202
            await ada.sees("Look at the tracking page.")
            await asyncio.sleep(0.5)
            assert len(await ada.told()) == 1
        finally:
            await ada.close()


async def everybody_was_told_once(town: Town, people: list[Customer], answer: str) -> None:
    """Nothing is left to do, and everybody has the answer, once, or knows that it may be missing."""
    left = "SELECT (SELECT count(*) FROM events WHERE state = 'heard'), (SELECT count(*) FROM outbox WHERE state IN {})"
    async with asyncio.timeout(PATIENT):
        while await asyncio.to_thread(town.rows, left.format("('ready', 'sending')")) != [(0, 0)]:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)
    maybe = 0
    for ada in people:
        answers = [text for text in told(ada) if answer in text]
        notices = [text for text in told(ada) if MAYBE in text]
        assert len(answers) <= 1 and len(notices) <= 1, told(ada)
        assert len(answers) + len(notices) >= 1, told(ada)
        assert len(told(ada)) == len(answers) + len(notices), told(ada)
        maybe += len(notices)
    print(f"{maybe} of {len(people)} answers may or may not have arrived")


async def test_a_gateway_that_freezes_and_comes_back(town: Town, telegram_of_two: FakeTelegram) -> None:
    """Given a gateway that stands still for longer than its leases, then what it finds to do afterwards is done."""
    people = [telegram_of_two.customer(f"Cold {number}") for number in range(16)]
    question, answer = next(iter(ASKED.items()))
    frozen = town.running["one"]
    telegram_of_two.slow_next("sendMessage", 0.5, times=8)  # so that some words are on their way
    for number, ada in enumerate(people):
        await ada.says(question)
        await asyncio.sleep(0.02)
        if number == 12:
            frozen.send_signal(signal.SIGSTOP)
            town.balancer.shunned = town.urls["one"]
    stopped = time.monotonic()
    try:
        # What the frozen one has heard and not committed comes again after it is back.
        async with asyncio.timeout(TAKEN_OVER):
            while sum(not told(ada) for ada in people) > 4:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        print(f"all but four heard {time.monotonic() - stopped:.1f} s after one froze")
        await asyncio.sleep(max(0.0, 12 - (time.monotonic() - stopped)))
    finally:
        frozen.send_signal(signal.SIGCONT)
        town.balancer.shunned = ""
    await telegram_of_two.settled(PATIENT)
    for ada in people:
        await ada.telegram.until(lambda ada=ada: told(ada), TAKEN_OVER)
    await everybody_was_told_once(town, people, answer)
    await town.ready("one")


@pytest.mark.parametrize("victim", ["one", "two"])
async def test_kill_a_gateway_with_work_in_its_hands(town: Town, telegram_of_two: FakeTelegram, victim: str) -> None:
    """Given questions on their way through both, when one is killed, then the other answers what is left, once."""
    left = town.other(victim)
    grace = Agent(town.urls[left])
    await grace.log_in("grace", PASSWORD)
    people = [telegram_of_two.customer(f"{victim} {number}") for number in range(16)]
    visitor = await Browserless(town.urls[victim]).open()
    holders = Counter(row[0] for row in town.rows("SELECT gateway FROM leases WHERE name NOT LIKE '%:%'"))
    question, answer = next(iter(ASKED.items()))
    async with grace.http.stream("GET", "/console/live") as live:
        events = live.aiter_lines()
        # When
        for number, ada in enumerate(people):
            await ada.says(question)
            if number == 8:
                await visitor.says(question)
            await asyncio.sleep(0.02)
            if number == 12:
                town.kill(victim)
        killed = time.monotonic()
        # Then everybody hears of it
        for ada in people:
            await ada.telegram.until(lambda ada=ada: told(ada), TAKEN_OVER)
        print(f"{victim} killed; the last customer heard {time.monotonic() - killed:.1f} s later; holders {holders}")
        await telegram_of_two.settled(PATIENT)
        # The web chat goes on at the other gateway, live at its desk.
        visitor.http.base_url = httpx.URL(town.urls[left])
        await visitor.sees(answer, TAKEN_OVER)
        assert len(await visitor.told()) == 1
        await visitor.says("I want a person please.")
        began = time.monotonic()
        async with asyncio.timeout(10):
            async for line in events:
                if line.startswith("data:") and json.loads(line[5:])["waiting"]:
                    break
        print(f"the desk showed it {time.monotonic() - began:.2f} s later")
    await everybody_was_told_once(town, people, answer)
    id = (await grace.found("I want a person"))[0]
    await grace.does(id, "claim")
    await grace.does(id, "resolve")
    await visitor.close()
    await grace.close()
    # The killed one comes back.
    town.start(victim, "gateway")
    await town.ready(victim)
    ada = telegram_of_two.customer("Afterwards")
    await conversed(ada, ASKED)
    assert len(told(ada)) == 3
