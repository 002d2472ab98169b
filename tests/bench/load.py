"""A whole installation under load: capacity, half of it with 64 and with 1,000 customers, five times it, and a soak.

    python tests/bench/load.py [--minutes 4]             # every stage but the soak
    python tests/bench/load.py --soak 30 --rate 3        # half an hour with kills at random, 3 messages a second

Each customer asks eight typed questions, one photo with words and one voice note of 5 to 8 s, in any order, each once.
Exit status 1 when anybody hears nothing or reads an answer twice. The crowd runs on the same machine as the
installation, of which it takes its share.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from core.values import AttachmentKind  # noqa: E402
from tests.bench.crowd import Crowd, Customer, Message  # noqa: E402
from tests.bench.latency import memory, note, picture, quiet  # noqa: E402
from tests.flows.installation import Installation  # noqa: E402

DEMO = ROOT / "bot" / "demo"
TYPED = (
    "where is my order please?",
    "how do i cancel my order?",
    "what are your opening hours?",
    "how do i send something back?",
    "when do i get my money back?",
    "do you ship to norway?",
    "which payment methods do you take?",
    "how do i reset my password?",
)
FILES = 60  # different photos, and as many voice notes
_END = 120  # characters by which an answer is known
_QUIET = 100_000  # the first number of customers who ask while all is quiet


def decks(seed: int, *, media: bool = True) -> Iterator[list[Message]]:
    """What one customer after the other asks."""
    dice, numbers = random.Random(seed), itertools.count()
    window = quiet(AttachmentKind.VOICE)
    photos = [picture(1600 + 8 * number, 1200) for number in range(FILES)] if media else []
    notes = [note(5 + 3 * number / FILES) for number in range(FILES)] if media else []
    while True:
        number = next(numbers) % FILES
        deck = [Message(text, "typed", text) for text in TYPED]
        if media:
            photo, voice = ("mug.jpg", photos[number], "image/jpeg"), ("note.ogg", notes[number], "audio/ogg")
            deck.append(Message("photo", "photo with words", "my mug arrived broken, what now?", {"photo": photo}))
            deck.append(Message("voice", "voice note", files={"voice": voice}, window=window))
        dice.shuffle(deck)
        yield deck


async def answers(url: str) -> dict[str, str]:
    """How the reply to each message ends while all is quiet: a customer a message."""
    found = {}
    for number, message in enumerate(next(decks(0))):
        customer = await Customer(url, _QUIET + number, lambda _: None, []).open()
        # The last paragraph: the first line of a conversation says who is speaking before it.
        found[message.key] = (await customer.ask(message)).lines[-1].rsplit("\n\n", 1)[-1][-_END:]
        await customer.close()
    return found


def doubled(customer: Customer, known: dict[str, str]) -> int:
    """How many of the replies the customer has read more than once, wherever in the conversation."""
    lines = [line for one in customer.said for line in one.lines]
    return sum(sum(line.endswith(end) for line in lines) > 1 for end in set(known.values()))


def otherwise(customer: Customer, known: dict[str, str]) -> int:
    """How many messages got another reply than the usual one: asked back after a miss, told to ask again."""
    lines = [line for one in customer.said for line in one.lines]
    return sum(not (one.handed_over or any(line.endswith(known[one.key]) for line in lines)) for one in customer.said)


def table(crowd: Crowd, known: dict[str, str]) -> str:
    """Time from the post to the first line of ours, less the quiet window; what came of the messages."""
    said = [one for customer in crowd.everybody for one in customer.said]
    rows = ["| message | n | p50 ms | p99 ms | handed over | silent |", "| --- | --- | --- | --- | --- | --- |"]
    for kind in ("typed", "photo with words", "voice note"):
        of = [one for one in said if one.kind == kind]
        seconds = sorted(one.seconds - one.window for one in of if one.seconds is not None)
        if not seconds:
            continue
        p99 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]
        cells = [len(of), f"{1000 * statistics.median(seconds):.0f}", f"{1000 * p99:.0f}"]
        cells += [sum(one.handed_over for one in of), sum(not one.lines for one in of)]
        rows.append(f"| {kind} | " + " | ".join(map(str, cells)) + " |")
    twice = sum(doubled(customer, known) for customer in crowd.everybody)
    other = sum(otherwise(customer, known) for customer in crowd.everybody)
    return "\n".join([*rows, f"\nread twice: {twice}; another reply than in quiet times: {other}"])


async def watch(installation: Installation, samples: list[str], every: float) -> None:
    began = time.monotonic()
    while True:
        with contextlib.suppress(OSError):  # a process that ends while it is looked at
            told = ", ".join(row.strip("| ").replace(" | ", " ") for row in memory(installation))
            samples.append(f"{(time.monotonic() - began) / 60:5.1f} min: {told}")
        await asyncio.sleep(every)


async def stages(url: str, minutes: float) -> int:
    known = await answers(url)
    typed = Crowd(url, decks(1, media=False))
    most = await typed.closed_loop(64, 40)
    print(f"\ntyped questions alone, 64 customers who ask again at once: {most:.0f} a second\n\n{table(typed, known)}")
    await typed.close()

    mixed = Crowd(url, decks(2))
    capacity = await mixed.closed_loop(16, 60)
    print(
        f"\nthe mix, 16 customers who ask again at once: {capacity:.1f} a second (called the capacity below)",
        flush=True,
    )
    await mixed.close()

    wrong = 0
    for count in (64, 1000):
        name = f"{count} customers, half the capacity"
        wrong += await stage(url, name, count, capacity / 2, minutes * 60, known)
    return wrong + await stage(url, "five times the capacity, then nothing", 1000, capacity * 5, 60, known)


async def stage(url: str, name: str, count: int, rate: float, seconds: float, known: dict[str, str]) -> int:
    """How many were left in silence or read an answer twice."""
    crowd = Crowd(url, decks(count))
    await crowd.grow(count)
    began = time.monotonic()
    await crowd.open_loop(rate, seconds, seed=count)
    sent = time.monotonic()
    await crowd.drained()
    ended = time.monotonic()
    for customer in crowd.everybody:
        await customer.read_all()
    said = [one for customer in crowd.everybody for one in customer.said]
    print(f"\n{name}: {len(said)} messages in {sent - began:.0f} s ({len(said) / (sent - began):.1f} a second)", end="")
    print(
        f", the last heard something {ended - sent:.1f} s after the last was sent\n\n{table(crowd, known)}", flush=True
    )
    await crowd.close()
    return sum(not one.lines for one in said) + sum(doubled(one, known) for one in crowd.everybody)


async def kills(installation: Installation, seed: int, done: Counter[str]) -> None:
    dice = random.Random(seed)
    while True:
        await asyncio.sleep(dice.uniform(40, 80))
        victim = dice.choice(("gateway", "text", "media", "valkey"))
        with contextlib.suppress(AssertionError, ProcessLookupError):  # it is being started again already
            os.kill(installation.child(victim), signal.SIGKILL)
            done[victim] += 1


async def soak(installation: Installation, minutes: float, rate: float, seed: int) -> int:
    known = await answers(installation.url)
    done: Counter[str] = Counter()
    killing = asyncio.create_task(kills(installation, seed, done))
    name = f"{minutes:.0f} minutes with kills"
    running = asyncio.create_task(stage(installation.url, name, 200, rate, minutes * 60, known))
    await asyncio.wait({running, killing}, timeout=minutes * 60)
    killing.cancel()
    wrong = await running
    print(f"\nkilled with SIGKILL: {dict(done)}")
    pending = installation.rows("SELECT count(*) AS n FROM events WHERE state = 'heard'")[0]["n"]
    unsaid = installation.rows("SELECT count(*) AS n FROM outbox WHERE state IN ('ready', 'sending')")[0]["n"]
    print(f"soak: {wrong} lost or doubled, {pending} events and {unsaid} rows left over")
    return int(wrong + pending + unsaid)


async def main(given: argparse.Namespace) -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, hard), hard))
    with tempfile.TemporaryDirectory(prefix="polydesk-load-") as folder:
        installation = Installation(Path(folder), ROOT / "var" / "models", DEMO)
        installation.start()
        samples: list[str] = []
        watching = None
        try:
            await installation.ready()
            await installation.healthy()
            watching = asyncio.create_task(watch(installation, samples, 30))
            if given.soak:
                return await soak(installation, given.soak, given.rate, given.seed)
            return await stages(installation.url, given.minutes)
        finally:
            if watching is not None:
                watching.cancel()
                print("\nresident memory\n" + "\n".join(samples))
            installation.stop()


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=4, help="of the stages at half the capacity")
    options.add_argument("--soak", type=float, default=0, help="minutes of the soak")
    options.add_argument("--rate", type=float, default=3, help="messages a second of the soak")
    options.add_argument("--seed", type=int, default=1)
    return options


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main(arguments().parse_args()))))
