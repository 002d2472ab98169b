"""The quiet window against fixed ones, on simulated typing: how often an answer comes too early, how long people wait.

    python tests/bench/quiet.py [--seed 1] [--bursts 4000]

Nobody's keystrokes are published with support chats, so the traces are simulated and say so. A burst is what one
customer wants to say in one go: a whole question, fragments ("hi", "my tent", "it broke"), a question with an
afterthought, a photo with the words before or after it, an album, a voice note alone or with a line typed after it.
Typing takes 0.18 s a letter on average (CHI 2018, "Observations on Typing from 136 Million Keystrokes": 52 words a
minute on keyboards, and "How do People Type on Mobile Devices?", MobileHCI 2019: 36 words a minute on phones) with a
log-normal pause before each message. An answer is premature when the burst goes on after it; the wait is from the last
part of the burst to the question. Voice notes and photos arrive when they were recorded or chosen.

The last row is the web chat, whose page says when somebody types: with the first key of a message, then every two
seconds while keys are pressed, each sign 0.02 to 0.3 s on its way. Letters are spread evenly, no long pauses inside
a message, which flatters the signs a little. Against them counts that after one burst in ten something is begun, typed
at for up to three seconds and left in the box unsent: whoever is heard out then waits for nothing. Recording is not
simulated. Telegram and Slack tell bots nothing of the kind.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.composing import LASTS
from core.quiet import LONGEST, quiet_for, still_quiet
from core.values import Address, Attachment, AttachmentKind, Author, EventKind, InboundEvent

HERE, ADA = Address("web", "web", "1"), Author("1")
WHOLE = (
    "where is my order please?",
    "can I send the boots back after a month?",
    "my mug came broken, what now?",
    "how long does shipping to Austria take?",
    "do you repair tents that you did not sell",
)
FRAGMENTS = (
    ("hi", "my tent", "the pole broke"),
    ("hello", "quick question", "do you open on saturday?"),
    ("my order", "number 4711", "it never came"),
    ("Good morning", "where is my parcel?"),
)
AFTERTHOUGHTS = ("it is order 4711", "I am in Austria by the way", "thanks!")
Window = Callable[[Sequence[InboundEvent]], float]


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a burst, `at` seconds after the burst began; typed since `since`, if it was typed."""

    at: float
    event: InboundEvent
    since: float | None = None


def said(
    at: float, text: str = "", kind: AttachmentKind | None = None, group: str = "", since: float | None = None
) -> Part:
    """A message that arrives `at` seconds."""
    parts = (Attachment(kind),) if kind else ()
    event = InboundEvent(f"{at}", EventKind.CREATED, HERE, ADA, int(at * 1000), text, parts, group)
    return Part(at, event, since)


def burst(random: random.Random) -> list[Part]:
    """What one customer says in one go."""

    def typed(texts: Sequence[str], at: float = 0.0) -> list[Part]:
        parts = []
        for number, text in enumerate(texts):
            since = at
            if number or at:
                since = at + random.lognormvariate(-0.4, 0.5)
                at = since + len(text) * random.lognormvariate(-1.9, 0.3)
            parts.append(said(at, text, since=since))
        return parts

    kind = random.choices(range(7), weights=(45, 15, 10, 12, 4, 8, 6))[0]
    whole = random.choice(WHOLE)
    if kind == 0:
        return typed([whole])
    if kind == 1:
        return typed(random.choice(FRAGMENTS))
    if kind == 2:
        return typed([whole, random.choice(AFTERTHOUGHTS)])
    if kind == 3:
        photo = said(0.0, kind=AttachmentKind.PHOTO)
        return [photo, *typed(["what now?" if random.random() < 0.5 else whole], 0.01)]
    if kind == 4:
        gaps = [random.uniform(0.02, 0.9) for _ in range(random.randint(1, 5))]
        return [said(sum(gaps[:n]), "" if n else whole, AttachmentKind.PHOTO, "g") for n in range(len(gaps) + 1)]
    if kind == 5:
        return [said(0.0, kind=AttachmentKind.VOICE)]
    return [said(0.0, kind=AttachmentKind.VOICE), *typed(["order 4711"], 0.01)]


def heard(parts: Sequence[Part], window: Window) -> tuple[bool, float]:
    """Whether the question was asked before the burst had ended, and the wait after its last part in seconds."""
    for number in range(1, len(parts) + 1):
        events = [part.event for part in parts[:number]]
        asked = min(parts[number - 1].at + window(events), parts[0].at + LONGEST)
        asked = max(asked, parts[number - 1].at)
        if number < len(parts) and asked < parts[number].at:
            return True, 0.0
    return False, asked - parts[-1].at


def heard_with_signs(parts: Sequence[Part], random: random.Random) -> tuple[bool, float]:
    """The same for the web chat, where signs of typing prolong the wait as `core.listening` lets them."""
    left_unsent = parts[-1].at + random.lognormvariate(-0.4, 0.5) if random.random() < 0.1 else None
    typed_at = random.uniform(0.0, 3.0)
    for number, part in enumerate(parts, 1):
        events = [one.event for one in parts[:number]]
        following = parts[number] if number < len(parts) else None
        signs: list[float] = []
        if following is not None and following.since is not None:
            signs = _signs(following.since, following.at, random)
        elif following is None and left_unsent is not None:
            signs = _signs(left_unsent, left_unsent + typed_at, random)
        asked, composing = part.at, 0.0
        while wait := still_quiet(events, asked - part.at, asked - parts[0].at, composing):
            sign = next((one for one in signs if asked < one <= asked + wait), None)
            asked, composing = (asked + wait, composing - wait) if sign is None else (sign, LASTS)
        if following is not None and asked < following.at:
            return True, 0.0
    return False, asked - parts[-1].at


def _signs(since: float, until: float, random: random.Random) -> list[float]:
    """When the gateway hears that somebody types between these moments."""
    count = int((until - since) / 2.0) + 1
    return sorted(since + 2.0 * number + random.uniform(0.02, 0.3) for number in range(count))


def measured(results: Sequence[tuple[bool, float]]) -> tuple[float, float, float]:
    """Share of premature answers, median and mean wait (s) of those that were not."""
    waits = [wait for premature, wait in results if not premature]
    return 1 - len(waits) / len(results), statistics.median(waits), statistics.fmean(waits)


def fixed(seconds: float) -> Window:
    """What most bots do: the same pause after everything."""
    return lambda events: seconds


def main(seed: int, count: int) -> None:
    """Print one row for the adaptive window and one for each fixed one."""
    source = random.Random(seed)
    bursts = [burst(source) for _ in range(count)]
    print("| window | premature | median wait (s) | mean wait (s) |\n| --- | --- | --- | --- |")
    rows = [
        ("adaptive", quiet_for),
        *((f"fixed {seconds} s", fixed(seconds)) for seconds in (0.0, 0.3, 0.5, 1.0, 2.0, 3.0)),
    ]
    results = [(name, [heard(parts, window) for parts in bursts]) for name, window in rows]
    signs = random.Random(f"signs {seed}")
    results.append(("adaptive, web chat", [heard_with_signs(parts, signs) for parts in bursts]))
    for name, result in results:
        early, median, mean = measured(result)
        print(f"| {name} | {100 * early:.1f} % | {median:.2f} | {mean:.2f} |")


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--bursts", type=int, default=4000)
    return options


if __name__ == "__main__":
    given = arguments().parse_args()
    main(given.seed, given.bursts)
