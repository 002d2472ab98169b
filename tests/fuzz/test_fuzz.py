"""No request, however odd, gets a 5xx, shows our insides, opens a shut door or leaves something behind it may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import strategies as st

from tests.bot.console.stage import ADMIN
from tests.fuzz.asking import Answer, Ask
from tests.fuzz.ground import Ground
from tests.fuzz.judge import Who, faults
from tests.fuzz.parts import PARTS, Part

EXAMPLES = 80  # requests of a part; `python -m tests.fuzz` sends more, and others


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Ground(tmp_path_factory.mktemp("fuzz")) as made:
        yield made


def test_a_stranger_who_writes_is_noticed(ground: Ground) -> None:
    # Given a part whose asker may write nothing, but whose requests are those of an agent
    note = Ask(b"POST", b"/console/desk/{id}/note", _WORN, b"text=hello")
    claimed = Part("planted", Who.FORGER, lambda ground: st.just(_with_token(ground, note)))
    # When it runs, then what was written is named
    with pytest.raises(AssertionError, match=r"took a change without the token; wrote .*messages"):
        claimed.run(ground, 1)


# Starlette leaves the file of a form that breaks off in the middle of it to the garbage collector, which closes it.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_no_answer_is_wrong(ground: Ground, part: Part) -> None:
    part.run(ground, EXAMPLES)


def _with_token(ground: Ground, ask: Ask) -> Ask:
    return replace(ask, headers=(*ask.headers, (b"X-CSRF", ground.tokens[ADMIN].encode())))


_WORN = ((b"Content-Type", b"application/x-www-form-urlencoded"), (b"Sec-Fetch-Site", b"same-origin"))
_DATED = {"date": "now", "content-type": "text/html"}
_DRESSED = {
    **_DATED,
    "content-security-policy": "",
    "x-content-type-options": "",
    "x-frame-options": "",
    "referrer-policy": "",
    "cache-control": "",
}


@pytest.mark.parametrize(
    ("who", "ask", "answer", "fault"),
    [
        (Who.STRANGER, Ask(b"GET", b"/x"), Answer(500), "answered 500"),
        (Who.STRANGER, Ask(b"GET", b"/healthz"), Answer(503), "answered 503"),
        (Who.STRANGER, Ask(b"GET", b"/readyz"), Answer(503), None),
        (Who.STRANGER, Ask(b"GET", b"/x"), Answer(0), "closed the connection without a word"),
        (Who.STRANGER, Ask(b"GET", b"/"), Answer(200, _DATED, b"hi"), "lacks content-security-policy"),
        (Who.ADMIN, Ask(b"GET", b"/console/desk"), Answer(200, _DRESSED, b"<fuzz>"), "shows <fuzz> as it came"),
        (Who.ADMIN, Ask(b"GET", b"/console/desk"), Answer(200, _DRESSED, b"&lt;fuzz>"), None),
        (Who.STRANGER, Ask(b"GET", b"/console/%64esk"), Answer(200, _DRESSED, b"hi"), "let a stranger in"),
        (Who.STRANGER, Ask(b"GET", b"/console/login"), Answer(200, _DRESSED, b"hi"), None),
        (
            Who.AGENT,
            Ask(b"GET", b"/console/people"),
            Answer(200, _DRESSED, b"hi"),
            "let an agent do what only admins may",
        ),
        (Who.FORGER, Ask(b"POST", b"/console/people"), Answer(204, _DRESSED), "took a change without the token"),
        (Who.ADMIN, Ask(b"GET", b"/x"), Answer(307, {"location": "//evil.test/x"}), "leads away to //evil.test/x"),
        (Who.ADMIN, Ask(b"GET", b"/x"), Answer(400, {}, b'x File "/srv/a.py"'), "shows 'File \"/'"),
    ],
)
def test_the_judge_sees(who: Who, ask: Ask, answer: Answer, fault: str | None) -> None:
    assert (fault in faults(who, ask, answer)) if fault else (faults(who, ask, answer) == [])
