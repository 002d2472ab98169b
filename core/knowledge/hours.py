"""When the desk is staffed, in its own time zone and across changes of the clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.knowledge.entries import Desk, Span
from core.knowledge.rules import DAYS, shown

MIDNIGHT = 24 * 60
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")


def read_hours(text: str) -> tuple[Span, ...]:
    """Read `09:00-17:00`, `22:00-06:00` (past midnight) or `09:00-12:00, 13:00-17:00`.

    Raises:
        ValueError: with a sentence that says what was expected.
    """
    spans = []
    for part in text.split(","):
        found = _SPAN.fullmatch(part.strip())
        if not found:
            raise ValueError(f'expected hours such as "09:00-17:00" or "09:00-12:00, 13:00-17:00", got {shown(text)}')
        hour, minute, last_hour, last_minute = map(int, found.groups())
        opening, closing = hour * 60 + minute, last_hour * 60 + last_minute
        if minute > 59 or last_minute > 59 or opening >= MIDNIGHT or closing > MIDNIGHT:
            raise ValueError(f"expected times between 00:00 and 24:00, got {shown(part.strip())}")
        if opening == closing:
            raise ValueError(f'expected hours that last, got {shown(part.strip())}; the whole day is "00:00-24:00"')
        spans.append((opening, closing))
    return tuple(spans)


def write_hours(spans: tuple[Span, ...]) -> str:
    """What `read_hours` reads."""
    return ", ".join(f"{_clock(opening)}-{_clock(closing)}" for opening, closing in spans)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def is_open(desk: Desk, at_ms: int) -> bool:
    """Whether a human is meant to be there at `at_ms` (UTC milliseconds); always, when the desk has no hours."""
    if not any(desk.hours.values()):
        return True
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    today = at.astimezone(ZoneInfo(desk.timezone)).date()
    return any(start <= at < end for day in (today - timedelta(days=1), today) for start, end in _shifts(desk, day))


def next_opening(desk: Desk, at_ms: int) -> int | None:
    """The first moment from `at_ms` on at which the desk is open (`at_ms` itself if it is), in UTC milliseconds.

    None when the hours hold no moment that ever comes, such as a quarter that the clocks skip every time.
    """
    if is_open(desk, at_ms):
        return at_ms
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    day = at.astimezone(ZoneInfo(desk.timezone)).date()
    # A closed date, or a change of the clocks, can take away at most one week's turn of a weekday.
    for _ in range(7 * (len(desk.closed) + 3)):
        starts = [start for start, _ in _shifts(desk, day) if start > at]
        if starts:
            return round(min(starts).timestamp() * 1000)
        day += timedelta(days=1)
    return None


def _shifts(desk: Desk, day: date) -> Iterator[tuple[datetime, datetime]]:
    """The shifts that begin on `day`, as UTC intervals; one that runs into a closed day ends at its midnight."""
    if day.isoformat() in desk.closed:
        return
    tomorrow_closed = (day + timedelta(days=1)).isoformat() in desk.closed
    for opening, closing in desk.hours.get(DAYS[day.weekday()], ()):
        last = closing if closing > opening else closing + MIDNIGHT
        if tomorrow_closed:
            last = min(last, MIDNIGHT)
        start, end = _instant(desk, day, opening), _instant(desk, day, last)
        if start < end:
            yield start, end


def _instant(desk: Desk, day: date, minutes: int) -> datetime:
    """The wall clock's time as an instant; a time that the clocks skip comes out an hour later on the wall."""
    wall = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(desk.timezone)) + timedelta(minutes=minutes)
    return wall.astimezone(UTC)
