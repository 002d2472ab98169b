"""The books of a schedule: what the database says at its end, read past all our code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOLD = ("[handoff", "[waiting]", "[claimed]", "[nobody]", "[resolved]")  # says that a human has the word, or had

_EDGE = 1.0  # seconds between a claim that is committed and its label
_MOVES = "SELECT kind, conversation, at FROM labels WHERE kind IN ('claim', 'hand_back', 'resolve') ORDER BY id"


@dataclass(frozen=True, slots=True)
class Books:
    """Rows as dictionaries: events and turns by key, outbox rows by id, conversations by id."""

    events: dict[str, dict[str, Any]]
    turns: dict[str, dict[str, Any]]
    outbox: dict[str, dict[str, Any]]
    conversations: dict[str, dict[str, Any]]
    handoffs: tuple[str, ...] = ()  # conversations, one for every time that a human was asked
    visits: tuple[tuple[str, int, int], ...] = ()  # conversation, and from when to when an agent had it (0: still)

    def with_agent(self, conversation: str, at: int, moments: Callable[[int], tuple[float, ...]]) -> bool:
        """Whether an agent had the word at that moment (UTC ms), and so sees what may not have arrived.

        `moments` tells when in the world a clock that leaps showed a time.
        """
        for id, since, until in self.visits:
            begins = min(moments(since), default=0.0)
            ends = max(moments(until), default=float("inf")) if until else float("inf")
            if id == conversation and any(begins - _EDGE <= moment <= ends + _EDGE for moment in moments(at)):
                return True
        return False

    def rows(self, conversation: str, turn: str = "") -> list[dict[str, Any]]:
        """The outbox of a conversation, or of one turn."""
        rows = [row for row in self.outbox.values() if row["conversation"] == conversation]
        return [row for row in rows if not turn or row["turn"] == turn]

    def told(self, conversation: str, after: int) -> bool:
        """Whether the customer was told, after this number of the conversation, that a human has it.

        Or may have been, where nobody can know.
        """
        return any(
            row["seq"] > after and row["state"] in ("sent", "unknown") and any(sign in row["text"] for sign in TOLD)
            for row in self.rows(conversation)
        )

    def noticed(self, conversation: str, after: int) -> bool:
        """Whether the customer was told how to ask again, or that a human has it, who sees what is missing."""
        signs = ("[asked_again]", "[claimed]", "[back]", "[resolved]")
        ours = [row for row in self.rows(conversation) if row["seq"] > after and row["state"] in ("sent", "unknown")]
        return any(sign in row["text"] for row in ours for sign in signs)

    def back(self, conversation: str, before: float = float("inf")) -> int:
        """The number in the conversation since which the bot has had the word, or a human has it for the next time."""
        given = [row["seq"] for row in self.rows(conversation) if "[back]" in row["text"] and row["seq"] < before]
        return max(given, default=0)


def quiet(file: Path) -> bool:
    """Whether nothing is pending and nothing is to be sent."""
    with closing(sqlite3.connect(file)) as base:
        events = base.execute("SELECT count(*) FROM events WHERE state = 'heard'").fetchone()[0]
        rows = base.execute("SELECT count(*) FROM outbox WHERE state IN ('ready', 'sending')").fetchone()[0]
    return bool(events == 0 and rows == 0)


def opened(file: Path) -> Books:
    """Read the books."""
    with closing(sqlite3.connect(file)) as base:
        base.row_factory = sqlite3.Row

        def read(query: str) -> list[dict[str, Any]]:
            return [dict(row) for row in base.execute(query)]

        events = {row["key"]: row for row in read("SELECT * FROM events")}
        turns = {row["id"]: row for row in read("SELECT * FROM turns")}
        outbox = {row["id"]: row for row in read("SELECT * FROM outbox ORDER BY conversation, seq")}
        conversations = {row["id"]: row for row in read("SELECT * FROM conversations")}
        handoffs = tuple(row["conversation"] for row in read("SELECT * FROM handoffs WHERE reason != 'claimed'"))
        moves = read(_MOVES)
    for turn in turns.values():
        turn["decision"] = json.loads(turn["decision"] or "null") or {}
    for row in outbox.values():
        row["call"] = json.loads(row["call"])
        row["text"] = str(row["call"]["arguments"].get("text", ""))
    return Books(events, turns, outbox, conversations, handoffs, tuple(_visits(moves)))


def _visits(moves: list[dict[str, Any]]) -> Iterator[tuple[str, int, int]]:
    """From when to when an agent had a conversation, from the labels of claims and of what ends them."""
    for place, move in enumerate(moves):
        if move["kind"] == "claim":
            later = [one for one in moves[place + 1 :] if one["conversation"] == move["conversation"]]
            yield move["conversation"], move["at"], later[0]["at"] if later else 0
