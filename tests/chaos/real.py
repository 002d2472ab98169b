"""Schedules over real processes: `polydesk up` beside a fake Telegram, and `kill -9` at random moments."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.schedule import Result
from tests.chaos.verdict import Violation
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram.customer import Customer
from tests.fakes.telegram.view import Seen
from tests.flows.conftest import sweep
from tests.flows.installation import Installation
from workers.model.weights.fetch import prepare

_ROOT = Path(__file__).resolve().parents[2]
TOPICS = {
    "track-order": "Where is my order?",
    "cancel-order": "How do I cancel my order?",
    "opening-hours": "When are you open?",
    "return-item": "How can I send an item back?",
    "pay-invoice": "How can I pay by invoice?",
    "change-address": "How do I change my delivery address?",
    "gift-card": "Do you sell gift cards?",
    "repair-tent": "Can you repair my tent?",
}
_HUMAN = ("[handoff", "[trouble]", "[waiting]")
_PATIENCE = 150.0  # seconds until a customer who hears nothing counts as lost
_VICTIMS = ("gateway", "gateway", "gateway", "text", "text", "valkey")


def knowledge() -> str:
    """A knowledge base whose answers and fixed texts name themselves."""
    entries = [
        f"  - id: {id}\n    question: {question}\n    answer: This is the answer about {id}.\n"
        for id, question in TOPICS.items()
    ]
    fixed = ("handoff", "trouble", "waiting", "asked_again", "holding", "unsure_none", "clarify", "back")
    texts = [f'  {name}: "[{name}]"\n' for name in fixed]
    return "".join(["polydesk: 1\ntitle: Chaos shop\nlanguage: en\nmessages:\n", *texts, "entries:\n", *entries])


@dataclass
class Round:
    """One schedule: several customers, some accidents."""

    seed: int
    trace: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    questions: int = 0
    began: float = field(default_factory=time.monotonic)

    def note(self, words: str) -> None:
        self.trace.append(f"{time.monotonic() - self.began:10.3f}  {words}")

    def wrong(self, kind: str, words: str) -> None:
        self.violations.append(Violation(kind, words))

    def result(self) -> Result:
        lives = 1 + sum(times for what, times in self.injected.items() if what.startswith("kill -9"))
        seconds = time.monotonic() - self.began
        return Result(
            self.seed, tuple(self.violations), tuple(self.trace), self.injected, self.questions, lives, seconds
        )


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="polydesk-real-") as folder:
        try:
            yield Path(folder)
        finally:
            sweep(Path(folder) / "data")


def real(seeds: Sequence[int]) -> Iterator[Result]:
    """Live through a schedule per seed, one after the other, in one installation.

    What happens between the kills is the machine's business: a seed names the accidents, not their every consequence.
    """
    models = Path(os.environ.get("POLYDESK_TEST_MODELS") or _ROOT / "var" / "models")
    prepare(models)
    with _place() as folder, asyncio.Runner() as runner:
        (folder / "kb.yaml").write_text(knowledge())
        telegram = FakeTelegram(strict=False)
        environ = {"POLYDESK_TELEGRAM_TOKEN": TOKEN, "POLYDESK_TELEGRAM_API_URL": ""}
        installation = Installation(folder / "data", models, folder, environ)
        runner.run(_begin(telegram, installation))
        try:
            for seed in seeds:
                yield runner.run(_round(seed, telegram, installation))
        finally:
            with contextlib.suppress(Exception):
                installation.stop()
            runner.run(telegram.__aexit__(None, None, None))


async def _begin(telegram: FakeTelegram, installation: Installation) -> None:
    await telegram.__aenter__()
    installation.environ["POLYDESK_TELEGRAM_API_URL"] = telegram.url
    installation.start()
    await installation.ready()
    await installation.healthy()


async def _round(seed: int, telegram: FakeTelegram, installation: Installation) -> Result:
    dice = random.Random(f"real {seed}")
    round = Round(seed)
    customers = [telegram.customer(f"C{seed}-{number}") for number in range(dice.choice((2, 3, 4)))]
    days = [_day(round, random.Random(f"{seed} {one.id}"), one) for one in customers]
    await asyncio.gather(*days, _accidents(round, dice, telegram, installation))
    telegram.faults.clear()
    await installation.healthy()
    await _quiet(round, installation)
    for customer in customers:
        _judge(round, customer)
    return round.result()


async def _accidents(round: Round, dice: random.Random, telegram: FakeTelegram, installation: Installation) -> None:
    for _ in range(dice.choice((1, 1, 2, 3))):
        await asyncio.sleep(dice.choice((0.0, 0.02, 0.1, 0.3, 1.0, 4.0)) * dice.random())
        if dice.random() < 0.3:
            after = dice.random() < 0.5
            telegram.drop_next("sendMessage", after_effect=after)
            round.injected[f"a call cut off {'after' if after else 'before'} its effect"] += 1
        victim = dice.choice(_VICTIMS)
        try:
            pid = await asyncio.to_thread(installation.child, victim)
            os.kill(pid, signal.SIGKILL)
        except (AssertionError, ProcessLookupError):
            continue  # it is being started anew
        round.injected[f"kill -9 {victim}"] += 1
        round.note(f"!! kill -9 {victim}")


async def _day(round: Round, dice: random.Random, customer: Customer) -> None:
    """Two or three questions, each after the reply to the one before; whoever gets a human stops asking."""
    for topic in dice.sample(sorted(TOPICS), dice.choice((2, 2, 3))):
        await asyncio.sleep(dice.random())
        for _ in range(3):  # as often as we are told to ask again
            round.questions += 1
            before = len(_told(customer))
            round.note(f"{customer.user.name} asks about {topic}")
            await customer.says(TOPICS[topic])
            reply = await _reply(customer, before)
            if reply is None:
                round.wrong("lost", f"{customer.user.name} heard nothing about {topic} in {_PATIENCE:.0f} s")
                return
            round.note(f"{customer.user.name} hears {reply.text!r}")
            if any(sign in reply.text for sign in _HUMAN):
                return
            if "[asked_again]" not in reply.text:
                break


def _told(customer: Customer) -> list[Seen]:
    return [one for one in customer.seen if one.by_bot and "[holding]" not in one.text]


async def _reply(customer: Customer, before: int) -> Seen | None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        told = _told(customer)
        if len(told) > before:
            return told[-1]
        await asyncio.sleep(0.05)
    return None


async def _quiet(round: Round, installation: Installation) -> None:
    """Wait until nothing is pending and nothing is to be sent."""
    query = (
        "SELECT (SELECT count(*) FROM events WHERE state = 'heard') + "
        "(SELECT count(*) FROM outbox WHERE state IN ('ready', 'sending')) AS left"
    )
    end = time.monotonic() + _PATIENCE
    while (left := (await asyncio.to_thread(installation.rows, query))[0]["left"]) != 0:
        if time.monotonic() > end:
            round.wrong("stuck", f"{left} events or rows are left after {_PATIENCE:.0f} s")
            return
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)


def _judge(round: Round, customer: Customer) -> None:
    told = [one.text for one in _told(customer)]
    asked_again = sum("[asked_again]" in text for text in told)
    for topic in TOPICS:
        times = sum(f"answer about {topic}." in text for text in told)
        if times > 1 + asked_again:
            round.wrong("doubled", f"{customer.user.name} heard about {topic} {times} times: {told}")
