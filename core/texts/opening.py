"""The moment at which humans are back, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from core.knowledge.entries import Desk
from core.knowledge.rules import DAYS
from core.texts import say


def opening(desk: Desk, opens_ms: int, now_ms: int, language: str) -> str:
    """What stands for `{opens}`: "today at 13:00", "tomorrow at 09:00", "on Monday at 09:00", "on 2027-01-04 at 09:00".

    Both moments are UTC milliseconds; the words speak of the desk's own time zone.
    """
    zone = ZoneInfo(desk.timezone)
    opens = datetime.fromtimestamp(opens_ms / 1000, UTC).astimezone(zone)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    time = f"{opens:%H:%M}"
    days = (opens.date() - today).days
    if days <= 0:
        return say("opens_today", language, time=time)
    if days == 1:
        return say("opens_tomorrow", language, time=time)
    if days < 7:
        day = say(f"day_{DAYS[opens.weekday()]}", language)
        return say("opens_day", language, day=day, time=time)
    return say("opens_date", language, date=opens.date().isoformat(), time=time)
