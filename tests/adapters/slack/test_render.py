"""Replies turned into Web API calls, held against slack_sdk's models and Slack's limits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.cutting import units
from adapters.markdown import runs
from adapters.slack.mrkdwn import linkable
from adapters.slack.render import MESSAGE_LIMIT, POST, UPDATE, UPLOAD, render
from adapters.slack.splitting import SECTION_LIMIT, sections
from core import wire
from core.errors import BadInput
from core.values import Address, Call, Choice, Reply
from tests.fakes.slack.checks import TEXT_LIMIT, UPDATE_LIMIT, check_text, elements_of, known_arguments

HERE = Address("slack", "T0NORTHWIND", "D0ADA")
THREAD = Address("slack", "T0NORTHWIND", "C0HELP", "1790000000.000100")
FAMILY = "👨‍👩‍👧‍👦"
THIN = "\u200b"


def pieces(call: Call) -> list[str]:
    """The mrkdwn of each section."""
    blocks: Any = call.arguments["blocks"]
    return [block["text"]["text"] for block in blocks if block["type"] == "section"]


def buttons(call: Call) -> list[dict[str, Any]]:
    blocks: Any = call.arguments["blocks"]
    return [element for _, element in elements_of(blocks)]


def accepted(calls: tuple[Call, ...]) -> list[str]:
    """The mrkdwn of each message, after the checks that Slack would make."""
    seen = []
    for call in calls:
        arguments = json.loads(json.dumps(call.arguments))
        assert arguments == call.arguments
        if call.method == UPDATE:
            arguments.pop("thread_ts", None)  # the sender keeps it to itself
        known = known_arguments(call.method)
        assert known is not None and set(arguments) <= known[0] and known[1] <= set(arguments)
        if call.method == UPLOAD:
            assert 1 <= len(arguments["files"]) <= 10
            continue
        check_text(arguments, UPDATE_LIMIT if call.method == UPDATE else TEXT_LIMIT)
        assert arguments["text"].strip()
        blocks = arguments["blocks"]
        assert len(blocks) <= 50 and {block["type"] for block in blocks} <= {"section", "actions"}
        assert all(units(piece) <= SECTION_LIMIT for piece in pieces(call))
        labels = sum(units(button["text"]["text"]) for button in buttons(call))
        assert sum(map(units, pieces(call))) + labels <= MESSAGE_LIMIT
        seen.append("\n".join(pieces(call)))
    return seen


def read(mrkdwn: str) -> str:
    """The words that people see of mrkdwn."""
    text = re.sub(r"<([^|>]*)\|([^>]*)>", r"\2", mrkdwn)
    text = re.sub(r"<([^>]*)>", r"\1", text)
    return unescape(text).replace(THIN, "")


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**bold** and *italic*", "*bold* and _italic_"),
        ("**bold _both_ bold**", "*bold* *_both_* *bold*"),
        ("un**believ**able", f"un{THIN}*believ*{THIN}able"),
        ("**one\ntwo**", "*one*\n*two*"),
        ("(**x**), **y**.", "(*x*), *y*."),
        ("`a < b && c`", "`a &lt; b &amp;&amp; c`"),
        ("`` a`b ``", "a`b"),
        ("```python\nif a < b:\n\n    pass\n```", "```\nif a &lt; b:\n\n    pass\n```"),
        ("```\nx\n```\nafter", "```\nx\n```\n\nafter"),
        ("```hello there", "```\nhello there\n```"),
        ("````\n```\n````", f"```\n``{THIN}`\n```"),
        ("[shop](https://a.example/?q=1&r=2)", "<https://a.example/?q=1&amp;r=2|shop>"),
        ("[a|b > c](https://a.example/x|y)", "<https://a.example/x%7Cy|a|b &gt; c>"),
        ("[**x** y](https://a.example)", "*<https://a.example|x>* <https://a.example|y>"),
        ("[![x](https://a.example/1)](https://b.example)", "<https://b.example|x>"),
        ("**`x`**", "`x`"),
        ("[`x`](https://a.example)", "<https://a.example|x>"),
        ("[write us](mailto:a@b.example)", "<mailto:a@b.example|write us>"),
        ("[call](tel:+4930123)", "<tel:+4930123|call>"),
        ("[page](/returns)", "page (/returns)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("<https://a.example/x>", "<https://a.example/x|https://a.example/x>"),
        ("[](https://a.example)", "<https://a.example|https://a.example>"),
        ("![a mug](https://a.example/mug.jpg)", "<https://a.example/mug.jpg|a mug>"),
        ("at https://a.example/x_y.", "at <https://a.example/x_y>."),
        ("(or b.c@d.example)", "(or <mailto:b.c@d.example|b.c@d.example>)"),
        ("https://a.example/a_(b)!", "<https://a.example/a_(b)>!"),
        ("http:// is a scheme", "http:// is a scheme"),
        ("# Returns\n\nSend it back.", "*Returns*\n\nSend it back."),
        ("- one\n- two\n  - three\n\nend", "• one\n• two\n   • three\n\nend"),
        ("- - one", "• \n   • one"),
        ("2. two\n3. three", "2. two\n3. three"),
        ("> said\n> more\n\nanswered", "> said\n> more\n\nanswered"),
        ("one\ntwo\n\nthree", "one\ntwo\n\nthree"),
        ("<script>alert('x')</script>", "&lt;script&gt;alert('x')&lt;/script&gt;"),
        ("<!channel> @here <@U123>", "&lt;!channel&gt; @here &lt;@U123&gt;"),
        ("snake_case_name * 2 ** 3", "snake_case_name * 2 ** 3"),
        (r"\*not bold\* \_nor this\_", f"*{THIN}not bold* _{THIN}nor this_"),
        (r"\> not a quote", f"{THIN}&gt; not a quote"),
        ("**never closed", "**never closed"),
        ("[foo]: https://a.example", "[foo]: <https://a.example>"),
        ("Title\n---\n    four spaces", "Title\n\n———\n\nfour spaces"),
        ("&amp; &lt;b&gt; &copy;", "&amp; &lt;b&gt; ©"),
        (">" * 60 + " deep", THIN + "&gt;" * 60 + " deep"),
        ("a\x00b\x07c\ud83dd", "a b c�d"),
    ],
)  # fmt: skip
def test_the_markdown_subset(markdown: str, mrkdwn: str) -> None:
    calls = render(HERE, Reply(markdown))
    assert accepted(calls) == [mrkdwn]
    assert calls[0].arguments["text"] == mrkdwn


def test_a_plain_answer_is_one_message() -> None:
    (call,) = render(HERE, Reply("Your order is on its way."))
    text = {"type": "mrkdwn", "text": "Your order is on its way.", "verbatim": True}
    assert call == Call(
        POST,
        {
            "channel": "D0ADA",
            "text": "Your order is on its way.",
            "blocks": [{"type": "section", "expand": True, "text": text}],
            "unfurl_links": False,
            "unfurl_media": False,
        },
    )
    assert wire.loads(Call, wire.dumps(call)) == call


def test_rendering_needs_no_sdk() -> None:
    """The console previews answers with it."""
    code = "import sys, adapters.slack.render; assert not {'slack_sdk', 'slack_bolt', 'aiohttp'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_thread_is_answered_in_the_thread() -> None:
    upload, message = render(THREAD, Reply("x", pictures=("a" * 64,)))
    assert upload.arguments["thread_ts"] == message.arguments["thread_ts"] == "1790000000.000100"
    assert upload.arguments["channel_id"] == message.arguments["channel"] == "C0HELP"


@pytest.mark.parametrize("text", ["", "  \n", "\u200b\u2060", "\u2800"])
def test_nothing_to_see_is_not_sent(text: str) -> None:
    assert render(HERE, Reply(text)) == ()
    assert [call.method for call in render(HERE, Reply(text, pictures=("a" * 64,)))] == [UPLOAD]
    calls = render(HERE, Reply(text, (Choice("k", "Yes"),)))
    assert accepted(calls) == ["…"]


# Pictures, buttons, edits


@pytest.mark.parametrize(("count", "albums"), [(1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_pictures_go_before_the_words(count: int, albums: list[int]) -> None:
    blobs = tuple(f"{number:064x}" for number in range(count))
    *uploads, message = render(HERE, Reply("**here**", pictures=blobs))
    assert message.method == POST
    files: list[Any] = [call.arguments["files"] for call in uploads]
    assert [len(one) for one in files] == albums
    assert [file["blob"] for one in files for file in one] == list(blobs)


def test_buttons_stand_under_the_last_message() -> None:
    choices = tuple(Choice(f"key-{number}", f"Choice {number}") for number in range(60))
    calls = render(HERE, Reply("long words " * 3000, choices))
    accepted(calls)
    assert [len(buttons(call)) for call in calls] == [0] * (len(calls) - 1) + [60]
    assert [button["value"] for button in buttons(calls[-1])] == [choice.key for choice in choices]
    ids = [button["action_id"] for button in buttons(calls[-1])]
    assert len(set(ids)) == len(ids)
    blocks: Any = calls[-1].arguments["blocks"]
    assert [len(block["elements"]) for block in blocks if block["type"] == "actions"] == [25, 25, 10]


def test_many_long_labels_and_a_long_text_still_fit() -> None:
    choices = tuple(Choice(f"key-{number}", "😀 wide label " * 20) for number in range(75))
    calls = render(HERE, Reply("x" * 11_900, choices))
    accepted(calls)
    assert len(buttons(calls[-1])) == 75


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("Yes", "Yes"),
        ("  two\n lines ", "two lines"),
        ("", "…"),
        ("word " * 30, "word " * 13 + "word…"),
        ("x" * 90, "x" * 74 + "…"),
        ("😀" * 60, "😀" * 37 + "…"),
        ("\ud83d", "?"),
    ],
)
def test_labels_fit(label: str, shown: str) -> None:
    calls = render(HERE, Reply("?", (Choice("k", label),)))
    accepted(calls)
    assert buttons(calls[0])[0]["text"] == {"type": "plain_text", "text": shown, "emoji": True}


@pytest.mark.parametrize("key", ["", "k" * 2001])
def test_a_key_that_slack_would_not_bring_back_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="key"):
        render(HERE, Reply("?", (Choice(key, "Yes"),)))


def test_an_edit_takes_the_place_of_the_first_message() -> None:
    calls = render(THREAD, Reply("word " * 4000, (Choice("k", "Yes"),), ("a" * 64,), edits="1790000001.000200"))
    accepted(calls)
    assert [call.method for call in calls] == [UPDATE, UPLOAD, POST]
    assert calls[0].arguments["ts"] == "1790000001.000200"
    assert "metadata" not in calls[0].arguments
    assert [len(buttons(call)) for call in (calls[0], calls[2])] == [0, 1]


def test_an_edit_takes_the_old_buttons_away() -> None:
    (call,) = render(HERE, Reply("new", edits="1790000001.000200"))
    blocks: Any = call.arguments["blocks"]
    assert [block["type"] for block in blocks] == ["section"]


# Length


@pytest.mark.parametrize(("length", "messages"), [(9_000, 1), (30_000, 3)])
def test_long_texts_of_everything(length: int, messages: int) -> None:
    paragraph = (
        f"**Bold _both_** {FAMILY} مرحبا بالعالم, see [the page](https://a.example/?a=1&b=2) <now> & then. "
        "שלום עולם! Does it end? `code < here`. 🇩🇪🇫🇷 👍🏽\n- a list\n- of things\n\n"
    )
    text = paragraph * (length // len(paragraph) + 1)
    calls = render(HERE, Reply(text, (Choice("k", "Yes"),)))
    shown = read("\n".join(accepted(calls)))
    assert [bool(buttons(call)) for call in calls] == [False] * (messages - 1) + [True]
    count = text.count(FAMILY)
    for part in (FAMILY, "مرحبا بالعالم", "the page", "<now> & then", "שלום עולם!", "code < here", "🇩🇪🇫🇷", "👍🏽"):
        assert shown.count(part) == count, part


def test_cuts_are_made_at_the_best_place() -> None:
    first, second = "a" * 1500, "b" * 1600
    assert sections(runs(f"{first}\n\n{second}", linkable)) == [first, second]
    sentences = "One sentence here. " * 200
    assert all(piece.endswith(".") for piece in sections(runs(sentences, linkable)))


def test_escapes_and_marks_count() -> None:
    for text in ("&" * 5000, "**a** " * 2000, "<b> " * 1500, "[x](https://a.example/" + "y" * 900 + ") " * 1):
        assert all(units(piece) <= SECTION_LIMIT for piece in sections(runs(text, linkable)))
    assert "".join(sections(runs("&" * 5000, linkable))) == "&amp;" * 5000


def test_a_link_too_long_to_fit_is_written_out() -> None:
    url = "https://a.example/" + "x" * 5000
    shown = "".join(accepted(render(HERE, Reply(f"[here]({url})"))))
    assert shown.startswith("here (") and len(read(shown)) >= len(url)


@pytest.mark.parametrize(
    "text", ["*" * 9000, "*a" * 4500, "_ " * 4500, "a@" * 4500, "[" * 3000, "`a" * 3000, "a." * 4500]
)
def test_strange_texts_take_no_time(text: str) -> None:  # fmt: skip
    accepted(render(HERE, Reply(text)))


MARKUP = st.sampled_from(
    [
        *("**", "*", "_", "`", "```", "~", "[", "](https://a.example/x)", "](", "<", ">", "&", "&amp;"),
        *("\n", "\n\n", " "),
        *("- ", "1. ", "> ", "# ", "\\", "|", "@here", "<!channel>", "<@U1>", ":tada:", "a@b.example", "https://a.example"),
        *(FAMILY, "👍🏽", "🇩🇪", "e\u0301", "مرحبا", "שלום", "\u200b", "\u200d", "\x00", "\ud83d", "word", "x" * 400),
    ]
)  # fmt: skip
TEXTS = st.lists(MARKUP | st.text(max_size=12), max_size=60).map("".join)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(1, 30))
def test_any_text_fits(text: str, times: int) -> None:
    calls = render(HERE, Reply((text * times)[:9000], (Choice("k", "Yes"),)))
    accepted(calls)
    assert buttons(calls[-1])


def _letters(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] not in "ZC" and c not in "*_`~>•\\")


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_cutting_loses_nothing(text: str) -> None:
    """Read together, the pieces say what the whole says."""
    whole = runs(text * 10, linkable)
    said = "".join(run.text for run in whole)
    shown = "".join(read(piece) for piece in sections(whole, 300))
    assert _letters(shown) == _letters(said)
