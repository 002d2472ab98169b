from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.knowledge.entries import Desk
from core.knowledge.hours import is_open, next_opening, read_hours, write_hours
from core.knowledge.rules import DAYS

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60_000


def at(text: str, fold: int = 0) -> int:
    """Berlin's wall clock as UTC milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp() * 1000)


def desk(closed: tuple[str, ...] = (), **hours: str) -> Desk:
    return Desk("Europe/Berlin", {day: read_hours(text) for day, text in hours.items()}, closed)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("09:00-17:00", ((540, 1020),)),
        ("9:00 – 17:30", ((540, 1050),)),
        ("22:00-06:00", ((1320, 360),)),
        ("09:00-12:00, 13:00-17:00", ((540, 720), (780, 1020))),
        ("00:00-24:00", ((0, 1440),)),
    ],
)
def test_hours_as_people_write_them(text, spans):
    assert read_hours(text) == spans
    assert read_hours(write_hours(spans)) == spans


@pytest.mark.parametrize(
    "text", ["", "9-17", "09:00", "25:00-26:00", "09:60-10:00", "09:00-09:00", "24:00-01:00", "closed"]
)
def test_hours_that_are_none(text):
    with pytest.raises(ValueError, match="expected"):
        read_hours(text)


def test_no_hours_is_always_open():
    assert is_open(Desk(), 0)
    assert next_opening(Desk(), 123) == 123
    assert is_open(Desk(closed=("1970-01-01",)), 0)


def test_a_working_day():
    # Given a desk on Mondays, and 2026-08-03 is one
    monday = desk(mon="09:00-12:00, 13:00-17:00")
    assert not is_open(monday, at("2026-08-03 08:59"))
    assert is_open(monday, at("2026-08-03 09:00"))
    assert not is_open(monday, at("2026-08-03 12:00"))
    assert is_open(monday, at("2026-08-03 16:59"))
    assert not is_open(monday, at("2026-08-03 17:00"))
    assert next_opening(monday, at("2026-08-03 12:30")) == at("2026-08-03 13:00")
    assert next_opening(monday, at("2026-08-03 17:00")) == at("2026-08-10 09:00")
    assert next_opening(monday, at("2026-08-03 09:30")) == at("2026-08-03 09:30")


def test_over_midnight():
    night = desk(fri="22:00-06:00")
    assert is_open(night, at("2026-08-07 23:30"))
    assert is_open(night, at("2026-08-08 05:59"))
    assert not is_open(night, at("2026-08-08 06:00"))
    assert not is_open(night, at("2026-08-07 05:00"))


def test_a_closed_day_takes_its_hours_and_the_night_that_runs_into_it():
    night = desk(("2026-12-25",), thu="22:00-06:00", fri="22:00-06:00")
    assert is_open(night, at("2026-12-24 23:59"))
    assert not is_open(night, at("2026-12-25 00:00"))
    assert not is_open(night, at("2026-12-25 23:00"))
    assert not is_open(night, at("2026-12-26 01:00"))
    assert next_opening(night, at("2026-12-25 00:00")) == at("2026-12-31 22:00")


def test_nine_in_the_morning_stays_nine_when_the_clocks_change():
    # Clocks go forward on 2027-03-28 and back on 2026-10-25
    daily = desk(**dict.fromkeys(DAYS, "09:00-17:00"))
    assert next_opening(daily, at("2027-03-27 18:00")) == at("2027-03-28 09:00")
    assert next_opening(daily, at("2026-10-24 18:00")) == at("2026-10-25 09:00")
    assert at("2027-03-28 09:00") - at("2027-03-27 09:00") == 23 * 60 * MINUTE


def test_a_night_shift_is_an_hour_longer_when_the_clocks_go_back():
    night = desk(sat="22:00-06:00")
    assert is_open(night, at("2026-10-25 02:30", fold=0))
    assert is_open(night, at("2026-10-25 02:30", fold=1))


def test_hours_that_the_clocks_skip_do_not_happen():
    skipped = desk(sun="02:00-03:00")
    assert next_opening(skipped, at("2027-03-28 00:00")) == at("2027-04-04 02:00")


def test_closed_weeks_are_passed_over():
    mondays = tuple(f"2026-08-{day:02}" for day in (3, 10, 17, 24, 31))
    assert next_opening(desk(mondays, mon="09:00-17:00"), at("2026-08-03 10:00")) == at("2026-09-07 09:00")
    assert next_opening(desk(("1970-01-01",), mon="09:00-09:30"), at("2026-08-03 10:00")) == at("2026-08-10 09:00")


def test_days_without_spans_are_no_hours():
    assert is_open(Desk(hours={"sun": ()}), 0)


spans = st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda span: span[0] != span[1])
desks = st.builds(
    Desk,
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
    ),
    st.dictionaries(st.sampled_from(DAYS), st.tuples(spans), min_size=1),
    st.lists(st.dates(datetime(2026, 1, 1).date(), datetime(2026, 12, 31).date()).map(str), max_size=5).map(tuple),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)).map(
    lambda moment: int(moment.timestamp()) // 60 * MINUTE
)


@given(desks, moments)
def test_the_next_opening_is_the_first_open_moment(desk, now):
    opens = next_opening(desk, now)
    assert opens is not None and opens >= now
    assert is_open(desk, opens)
    if opens > now:
        assert not is_open(desk, opens - MINUTE)
        # And nothing was open in between, looked at once an hour and just before
        assert not any(is_open(desk, moment) for moment in range(now, opens, 60 * MINUTE))
