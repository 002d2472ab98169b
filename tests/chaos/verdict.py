"""The verdict: each question answered once, in order, or handed over with a word to the customer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from core.amending import MISSES
from tests.chaos.books import Books
from tests.chaos.brain import ChaosBrain
from tests.chaos.people import Ask, Record
from tests.chaos.platform import Shown

_ANSWER = re.compile(r"This is answer (\d+)\.")
_REST = re.compile(r"the rest of answer (\d+)\.")
_TOPIC = re.compile(r"Topic (\d+)\?")

KINDS = ("lost", "doubled", "out of order", "after a claim", "untold", "stuck", "agent's word")


@dataclass(frozen=True, slots=True)
class Violation:
    """What must not have happened."""

    kind: str
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of a schedule at its end; `now` is the clock's time, UTC ms.

    `moments` tells when, in seconds of the world, that clock showed a time: it leaps.
    """

    shown: Sequence[Shown]
    record: Record
    brain: ChaosBrain
    books: Books
    now: int
    moments: Callable[[int], tuple[float, ...]]

    def covers(self, unit: int, one: Shown | None = None) -> tuple[int, ...]:
        """The questions that this unit's answer answers: those of the turn in which it was shown, else of the last."""
        told = [asked for asked in self.brain.told if asked.unit == unit]
        row = self.books.outbox.get(one.key) if one else None
        mine = [asked for asked in told if row and asked.turn == row["turn"]] or told
        return mine[-1].units if mine else (unit,)

    def tapped(self, unit: int) -> int:
        """How often a customer asked for this entry by a button."""
        return len(
            {key for _, key, label, _ in self.record.taps if _TOPIC.search(label) and f"{unit}?" in label.split()}
        )

    def said(self, *, edits: bool = False) -> Iterator[tuple[int, Shown]]:
        """Every answer to a unit, and every question back that names it, as customers saw them."""
        for one in self.shown:
            if one.by == "bot" and (edits or not one.edited) and (unit := _unit_of(one)):
                yield unit, one

    def amends(self, one: Shown, later: Sequence[int], earlier: Sequence[int], albums: frozenset[str]) -> bool:
        """Whether an answer says an earlier one anew, because a late part of one of its `albums` had come.

        It may have to do without the photos that the earlier one had.
        """
        before, after = set(earlier), set(later)
        late = {self.record.asks[unit].group for unit in after - before} | self._late(one)
        kept = all(unit in after or self.record.asks[unit].wordless for unit in before)
        return kept and bool(late) and "" not in late and late <= albums

    def _late(self, one: Shown) -> set[str]:
        """The albums of the parts that came with an answer's turn, also of those that the brain did without."""
        row, events = self.books.outbox.get(one.key), self.books.events
        asks = self.record.asks.values()
        mine = [ask for ask in asks if row and ask.wordless and events.get(ask.event, {}).get("turn") == row["turn"]]
        return {ask.group for ask in mine if ask.group}

    def replaceable(self, first: Shown, second: Shown) -> bool:
        """Whether an answer was one message that had surely arrived when another was decided in its place."""
        row, later = (self.books.outbox.get(one.key) for one in (first, second))
        if row is None or later is None or row["turn"] == later["turn"]:
            return False
        alone = [one for one in self.books.rows(row["conversation"], row["turn"]) if one["state"] != "superseded"]
        arrived, decided = self.moments(row["changed_at"]), self.moments(later["created_at"])
        sure = len(arrived) == len(decided) == 1 and arrived[0] < decided[0]
        between = [one for one in self.books.rows(row["conversation"]) if row["seq"] < one["seq"] < later["seq"]]
        if any(one["turn"] not in (row["turn"], later["turn"]) for one in between):
            return False  # in its place it would be read before what was said after it
        return sure and len(alone) == 1 and row["state"] == "sent" and bool(row["message_id"])

    def albums(self, one: Shown) -> frozenset[str]:
        """The albums of which an answer's turn had a part, also one that the brain did without."""
        row, events = self.books.outbox.get(one.key), self.books.events
        asks = self.record.asks.values()
        mine = [ask for ask in asks if row and events.get(ask.event, {}).get("turn") == row["turn"]]
        return frozenset(ask.group for ask in mine if ask.group)


def _unit_of(one: Shown) -> int:
    if found := _ANSWER.search(one.text):
        return int(found[1])
    if "[unsure" in one.text or "[clarify]" in one.text:
        named = [*_TOPIC.findall(one.text), *(unit for _, label in one.choices for unit in _TOPIC.findall(label))]
        return int(named[0]) if named else 0
    return 0


def judged(case: Case) -> list[Violation]:
    """Everything that is wrong with a schedule."""
    return [*_lost(case), *_doubled(case), *_disordered(case), *_after_claim(case), *_waiting(case), *_agents(case)]


def _lost(case: Case) -> Iterator[Violation]:
    covered = {unit for said, one in case.said(edits=True) for unit in case.covers(said, one)}
    for ask in case.record.asks.values():
        if ask.deleted or ask.replaced or ask.unit in covered or case.record.blocked(ask.chat, ask.at):
            continue
        if problem := _missing(case, ask):
            yield Violation("lost", f"question {ask.unit} of {ask.chat} ({ask.event}): {problem}")


def _missing(case: Case, ask: Ask) -> str:
    """Why nobody can say that this question was taken care of; empty when it was."""
    books = case.books
    event = books.events.get(ask.event)
    if event is None:
        return "acknowledged, but never written down"
    id, place = event["conversation"], int(event["seq"])
    met = books.back(id, place)  # whoever waits for a human is told once
    turn = event["turn"]
    if not turn and ask.edits:  # it changed what was pending
        turn = next((one["turn"] for one in books.events.values() if one["message"] == ask.message and one["turn"]), "")
    ended = books.conversations[id]["resolved_at"]
    if ask.edits and not event["turn"] and ended and ended <= event["heard_at"]:
        return "" if books.told(id, 0) else "edited after the end, of which the customer knows nothing"
    kept = books.turns.get(turn)
    if kept is None:
        return "" if books.told(id, met) else f"{event['state']} without a turn, and the customer was told nothing"
    decision = kept["decision"]
    if decision["kind"] == "hold":
        return "" if books.told(id, met) else "held, and the customer was told nothing"
    if decision["kind"] == "escalate" and not decision.get("offer"):
        at_once = any("[handoff" in row["text"] for row in books.rows(id, turn))  # later, timers tell it too
        return "" if at_once and books.told(id, place) else "handed over, and the customer was told nothing"
    rows = books.rows(id, turn)
    if ask.wordless and ({row["state"] for row in rows} == {"sent"} or (not rows and _album_answered(case, ask))):
        return ""  # the brain did without the photo, and its answer was shown (a row sent and not shown is lost)
    if not rows and ask.group:  # what was said about the items that came in time stands, whatever became of it
        rows = _album_rows(case, ask, id, decision)
        if any(row["state"] == "sent" for row in rows):
            return ""
    states = {row["state"] for row in rows}
    if not rows:
        return f"decided ({decision['kind']}), and nothing was said"
    if "superseded" in states:
        return "" if books.told(id, place) else "overtaken by a human of whom the customer knows nothing"
    if "refused" in states:
        return "" if books.told(id, place) else "refused by the platform, and no human was asked"
    if "unknown" in states:
        unknown = [row for row in rows if row["state"] == "unknown"]
        seen = all(books.with_agent(id, row["changed_at"], case.moments) for row in unknown)
        since = min(place, *(row["seq"] for row in unknown))  # a late part of an album comes after its answer
        fine = seen or books.noticed(id, since) or books.conversations[id]["resolved_at"]
        return "" if fine else "of unknown outcome, and the customer was not told how to ask again"
    return f"decided ({decision['kind']}), rows {sorted(states)}, and never seen"


def _album_answered(case: Case, ask: Ask) -> bool:
    """Whether another item of the same album was answered: a late one that changes nothing is not answered again."""
    return any(
        ask.group and case.record.asks[unit].group == ask.group
        for said, _ in case.said(edits=True)
        for unit in case.covers(said)
    )


def _album_rows(case: Case, ask: Ask, conversation: str, decision: dict[str, Any]) -> list[dict[str, Any]]:
    """What was said about any item of the same album, where it was decided as it is now."""
    mine = {one.event for one in case.record.asks.values() if one.group == ask.group}
    turns = {event["turn"] for key, event in case.books.events.items() if key in mine}
    same = [turn for turn in turns if turn and _decided(case.books.turns[turn]["decision"]) == _decided(decision)]
    return [row for turn in same for row in case.books.rows(conversation, turn)]


def _decided(decision: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in decision.items() if name != MISSES}


def _doubled(case: Case) -> Iterator[Violation]:
    for key, times in Counter(one.key for one in case.shown if not one.edited).items():
        if times > 1:
            text = next(one.text for one in case.shown if one.key == key)
            yield Violation("doubled", f"{text!r} was shown {times} times by one row")
    for one in case.shown:
        if "[repeated]" in one.text:
            yield Violation("doubled", f"{one.chat} was told that an answer had been said already: {one.text!r}")
    said: dict[int, list[tuple[int, ...]]] = {}
    for unit, one in case.said():
        said.setdefault(unit, []).append(case.covers(unit, one))
    for unit, showings in said.items():
        if case.tapped(unit) and len(showings) > len(set(showings)) + case.tapped(unit):
            yield Violation("doubled", f"question {unit} was answered {len(showings)} times")
    answers: dict[int, list[tuple[tuple[int, ...], frozenset[str], Shown]]] = {}
    for answer, one in case.said():
        if not case.tapped(answer):
            covers = case.covers(answer, one)
            for unit in covers:
                answers.setdefault(unit, []).append((covers, case.albums(one), one))
    for unit, given in answers.items():
        if any(
            not case.amends(one, later, earlier, albums) for (earlier, albums, _), (later, _, one) in pairwise(given)
        ):
            all_of_them = [covers for covers, _, _ in given]
            yield Violation("doubled", f"question {unit} is part of {len(given)} answers: {all_of_them}")
        for (_, _, first), (_, _, second) in pairwise(given):
            if case.replaceable(first, second):
                yield Violation("doubled", f"{second.text!r} was said beside {first.text!r}, and not in its place")


def _disordered(case: Case) -> Iterator[Violation]:
    last: dict[str, tuple[int, int]] = {}
    for unit, one in case.said():
        if case.tapped(unit):
            continue
        asks = [case.record.asks[part] for part in case.covers(unit, one) if part in case.record.asks]
        events = [event for ask in asks if (event := case.books.events.get(ask.event)) and event["turn"]]
        if not events:
            continue
        place = max(int(event["seq"]) for event in events)
        conversation = str(events[-1]["conversation"])
        before, answer = last.get(conversation, (0, 0))
        if place < before:
            yield Violation("out of order", f"the answer to {unit} came after that to {answer}, which was asked later")
        last[conversation] = max((before, answer), (place, unit))
    for place, one in enumerate(case.shown):
        if found := _REST.search(one.text):
            earlier = [at for at, other in enumerate(case.shown) if f"is answer {found[1]}." in other.text]
            if earlier and min(earlier) > place:
                yield Violation("out of order", f"the second half of answer {found[1]} came before the first")


def _after_claim(case: Case) -> Iterator[Violation]:
    for claim in case.record.claims:
        mine = [one for one in case.shown if one.chat == claim.chat and one.at > claim.since]
        back = [one.at for one in mine if "[back]" in one.text or "[resolved]" in one.text]
        freed = [other.until for other in case.record.claims if other.chat == claim.chat and other.until > claim.since]
        until = min([*freed, *back])
        for one in mine:
            if one.by == "bot" and one.at < until:
                yield Violation(
                    "after a claim",
                    f"{one.chat} saw {one.text!r} at {one.at:.3f} s; {claim.agent} had it since {claim.since:.3f} s",
                )


def _waiting(case: Case) -> Iterator[Violation]:
    books = case.books
    for event in books.events.values():
        if event["state"] == "heard":
            yield Violation("stuck", f"event {event['key']} is still pending")
    seen = Counter(one.key for one in case.shown)
    for row in books.outbox.values():
        chat = row["call"]["arguments"]["chat"]
        if row["state"] in ("ready", "sending"):
            yield Violation("stuck", f"{row['text']!r} to {chat} is still {row['state']}")
        if row["state"] == "sent" and not seen[row["id"]]:
            yield Violation("lost", f"{row['text']!r} to {chat} is recorded as sent, and nobody saw it")
    for id, times in Counter(books.handoffs).items():
        said = sum("[handoff" in row["text"] for row in books.rows(id))
        if said < times and not case.record.blocked(books.conversations[id]["chat"]):
            yield Violation("untold", f"a human was asked {times} times, and the customer told {said} times")
    for kept in books.conversations.values():
        if kept["resolved_at"] or kept["owner"] == "bot" or case.record.blocked(kept["chat"]):
            continue
        if not books.told(kept["id"], books.back(kept["id"])):
            yield Violation("untold", f"{kept['chat']} waits for a human ({kept['owner']}) and was not told")
        since = kept["waiting_since"]
        if kept["owner"] == "desk" and not kept["reminded_at"] and case.now - since > 15 * 60_000:
            yield Violation("untold", f"{kept['chat']} has waited for {(case.now - since) // 60_000} min unnoticed")


def _agents(case: Case) -> Iterator[Violation]:
    last: dict[str, int] = {}
    for spoken in case.record.spoken:
        places = [place for place, one in enumerate(case.shown) if one.text == spoken.words]
        rows = [row for row in case.books.outbox.values() if row["text"] == spoken.words]
        excused = bool(rows) and rows[0]["state"] in ("unknown", "refused")
        excused = excused or case.record.blocked(spoken.chat)
        if len(places) > 1:
            yield Violation("doubled", f"{spoken.words!r} was shown {len(places)} times")
        if spoken.sure and not places and not excused:
            yield Violation("agent's word", f"{spoken.words!r} never arrived at {spoken.chat}")
        if places and rows:
            conversation = rows[0]["conversation"]
            if places[0] < last.get(conversation, -1):
                yield Violation("out of order", f"{spoken.words!r} came before an earlier word of an agent")
            last[conversation] = places[0]
