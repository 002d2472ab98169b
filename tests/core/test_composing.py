"""Signs that somebody writes, told from process to process."""

from __future__ import annotations

from structlog.testing import capture_logs

from core.composing import LASTS, Composing, Sign
from core.values import Address

HERE = Address("web", "web", "a chat")


async def test_what_is_said_here_is_known_there() -> None:
    told: list[str] = []
    here, there = Composing(told.append), Composing(lambda sign: told.append("passed on twice"))
    here.give(Sign(HERE, "m1"))
    assert there.hear(told[0])
    assert 0 < there.lasts(HERE, ()) <= LASTS
    assert there.lasts(HERE, {"m1"}) == 0
    assert there.lasts(Address("web", "web", "another chat"), ()) == 0
    given_up: list[str] = []
    with there.watching(HERE, lambda: given_up.append("m1")):
        here.give(Sign(HERE, "m1", goes_on=False))
        assert there.hear(told[1])
    assert (given_up, there.lasts(HERE, ()), len(told)) == (["m1"], 0, 2)


async def test_what_is_no_sign_is_left_to_others_and_junk_harms_nobody() -> None:
    composing = Composing()
    assert not composing.hear("0190-a-conversation") and not composing.hear("busy:a chat")
    for junk in ("composing:", "composing:{}", 'composing:{"address": 7}', "composing:[]"):
        with capture_logs() as logged:
            assert composing.hear(junk)
        assert [line["event"] for line in logged] == ["sign.not_ours"]
