"""Replies turned into Bot API calls, held against another library's model of the Bot API."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.markdown import plain, runs
from adapters.telegram.render import render
from adapters.telegram.splitting import linkable, split, to_html
from core import wire
from core.errors import BadInput
from core.values import Address, Call, Choice, Reply
from tests.fakes.telegram.checks import caption_text, check_request, keyboard, message_text
from tests.fakes.telegram.markup import parse_html, units

HERE = Address("telegram", "7000000001", "5151")
TOPIC = Address("telegram", "7000000001", "-100444555", "12")
FAMILY = "👨‍👩‍👧‍👦"  # one sign of eleven units


def _uploaded(value: Any) -> Any:
    """The arguments as they go out, each picture a file."""
    if isinstance(value, dict):
        return f"attach://{value['blob']}" if set(value) == {"blob"} else {k: _uploaded(v) for k, v in value.items()}
    return [_uploaded(one) for one in value] if isinstance(value, list) else value


def accepted(calls: tuple[Call, ...]) -> list[str]:
    """The words of each call as a person sees them, after Telegram's own checks."""
    seen = []
    for call in calls:
        plain_json = json.loads(json.dumps(call.arguments))
        assert plain_json == call.arguments
        if call.method == "editMessageText":
            plain_json.pop("message_thread_id", None)  # the sender keeps it to itself
        arguments, strangers = check_request(call.method, _uploaded(plain_json))
        assert not strangers
        assert keyboard(arguments)[1] == []
        if call.method in {"sendMessage", "editMessageText"}:
            seen.append(message_text(arguments)[0])
        elif call.method == "sendPhoto":
            seen.append(caption_text(arguments)[0])
        else:
            assert call.method == "sendMediaGroup"
            assert 2 <= len(arguments["media"]) <= 10
            seen.append("".join(caption_text(item)[0] for item in arguments["media"]))
    return seen


def buttons(call: Call) -> list[list[dict[str, str]]]:
    markup = call.arguments.get("reply_markup")
    return markup["inline_keyboard"] if isinstance(markup, dict) else []


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**bold** and *italic*", "<b>bold</b> and <i>italic</i>"),
        ("**bold _both_ bold**", "<b>bold <i>both</i> bold</b>"),
        ("`a < b && c`", "<code>a &lt; b &amp;&amp; c</code>"),
        (
            "```python\nif a < b:\n    pass\n```",
            '<pre><code class="language-python">if a &lt; b:\n    pass</code></pre>',
        ),
        ("```\nx\n```\nafter", "<pre>x</pre>\n\nafter"),
        ("```hello there", "<pre>hello there</pre>"),
        ("[shop](https://a.example/?q=1&r=2)", '<a href="https://a.example/?q=1&amp;r=2">shop</a>'),
        ('[x](https://a.example/"><b>)', '<a href="https://a.example/%22%3E%3Cb%3E">x</a>'),
        ("[**x** y](https://a.example)", '<a href="https://a.example"><b>x</b> y</a>'),
        ("[![x](https://a.example/1)](https://b.example)", '<a href="https://b.example">x</a>'),
        ("**`x`**", "<code>x</code>"),
        ("[`x`](https://a.example)", '<a href="https://a.example">x</a>'),
        ("[write us](mailto:a@b.example)", "write us (a@b.example)"),
        ("[page](/returns)", "page (/returns)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("<https://a.example/x>", '<a href="https://a.example/x">https://a.example/x</a>'),
        ("![a mug](https://a.example/mug.jpg)", '<a href="https://a.example/mug.jpg">a mug</a>'),
        ("# Returns\n\nSend it back.", "<b>Returns</b>\n\nSend it back."),
        ("- one\n- two\n  - three\n\nend", "• one\n• two\n   • three\n\nend"),
        ("2. two\n3. three", "2. two\n3. three"),
        ("1986. was a year", "1986. was a year"),
        ("> said\n\nanswered", "<blockquote>said</blockquote>\n\nanswered"),
        ("one\ntwo\n\nthree", "one\ntwo\n\nthree"),
        ("<script>alert('x')</script>", "&lt;script&gt;alert('x')&lt;/script&gt;"),
        ("snake_case_name * 2 ** 3", "snake_case_name * 2 ** 3"),
        ("**never closed", "**never closed"),
        ("[foo]: https://a.example", "[foo]: https://a.example"),
        ("Title\n---\n    four spaces", "Title\n\n———\n\nfour spaces"),
        ("&amp; &lt;b&gt; &copy;", "&amp; &lt;b&gt; ©"),
        (">" * 60 + " deep", "&gt;" * 60 + " deep"),
        ("a\x00b\x07c\ud83dd", "a b c�d"),
    ],
)
def test_the_markdown_subset(markdown: str, html: str) -> None:
    calls = render(HERE, Reply(markdown))
    assert [call.arguments["text"] for call in calls] == [html]
    accepted(calls)


def test_a_plain_answer_is_one_message() -> None:
    (call,) = render(HERE, Reply("Your order is on its way."))
    assert call == Call(
        "sendMessage",
        {
            "chat_id": 5151,
            "text": "Your order is on its way.",
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        },
    )
    assert wire.loads(Call, wire.dumps(call)) == call


def test_a_topic_is_answered_in_the_topic() -> None:
    calls = render(TOPIC, Reply("x", pictures=("a" * 64,), choices=(Choice("k", "K"),)))
    assert [call.arguments["message_thread_id"] for call in calls] == [12]
    assert calls[0].arguments["chat_id"] == -100444555


@pytest.mark.parametrize("text", ["", "  \n", "\u200b\u2060", "\u2800"])
def test_nothing_to_see_is_not_sent(text: str) -> None:
    assert render(HERE, Reply(text)) == ()
    assert [call.method for call in render(HERE, Reply(text, pictures=("a" * 64,)))] == ["sendPhoto"]
    (call,) = render(HERE, Reply(text, choices=(Choice("k", "Yes"),)))
    assert accepted((call,)) == ["…"]


# Pictures -------------------------------------------------------------------------------------------------------------


def _blobs(count: int) -> tuple[str, ...]:
    return tuple(f"{number:064x}" for number in range(count))


@pytest.mark.parametrize(
    ("count", "methods"),
    [
        (1, ["sendPhoto"]),
        (2, ["sendMediaGroup"]),
        (10, ["sendMediaGroup"]),
        (11, ["sendMediaGroup", "sendPhoto", "sendMessage"]),
        (25, ["sendMediaGroup", "sendMediaGroup", "sendMediaGroup", "sendMessage"]),
    ],
)
def test_pictures_carry_the_words_where_they_can(count: int, methods: list[str]) -> None:
    calls = render(HERE, Reply("**here**", pictures=_blobs(count)))
    assert [call.method for call in calls] == methods
    assert [words for words in accepted(calls) if words] == ["here"]
    sent = json.dumps([call.arguments for call in calls])
    assert all(sent.count(blob) == 1 for blob in _blobs(count))


def test_a_caption_holds_1024_units_and_no_more() -> None:
    fits, too_long = "😀" * 512, "😀" * 512 + "a"
    (call,) = render(HERE, Reply(fits, pictures=_blobs(1)))
    assert accepted((call,)) == [fits]
    calls = render(HERE, Reply(too_long, pictures=_blobs(1)))
    assert [call.method for call in calls] == ["sendPhoto", "sendMessage"]
    assert accepted(calls) == ["", too_long]


def test_an_album_cannot_have_buttons_so_the_words_have_them() -> None:
    calls = render(HERE, Reply("which?", pictures=_blobs(2), choices=(Choice("k", "This"),)))
    assert [call.method for call in calls] == ["sendMediaGroup", "sendMessage"]
    assert accepted(calls) == ["", "which?"]
    assert buttons(calls[1])
    (one,) = render(HERE, Reply("which?", pictures=_blobs(1), choices=(Choice("k", "This"),)))
    assert one.method == "sendPhoto" and buttons(one)


# Choices --------------------------------------------------------------------------------------------------------------


def test_short_choices_share_a_row_and_long_ones_do_not() -> None:
    choices = (
        Choice("1", "Yes"),
        Choice("2", "No"),
        Choice("3", "I would rather talk to a person"),
        Choice("4", "Something else"),
    )
    (call,) = render(HERE, Reply("?", choices=choices))
    labels = [[button["text"] for button in row] for row in buttons(call)]
    assert labels == [["Yes", "No"], ["I would rather talk to a person"], ["Something else"]]
    assert [button["callback_data"] for row in buttons(call) for button in row] == ["1", "2", "3", "4"]


def test_a_long_label_is_shortened_at_a_word() -> None:
    question = "How do I return a pair of shoes that I have worn only once and only at home?"
    (call,) = render(HERE, Reply("?", choices=(Choice("k", question), Choice("l", "x" * 99), Choice("m", " "))))
    first, second, third = (row[0]["text"] for row in buttons(call))
    assert first == "How do I return a pair of shoes that I have worn only…"
    assert len(second) == 56 and second.endswith("…")
    assert third.strip()
    accepted((call,))


@pytest.mark.parametrize("key", ["", "k" * 65, "ü" * 33])
def test_a_key_of_the_wrong_length_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="1-64 bytes"):
        render(HERE, Reply("?", choices=(Choice(key, "x"),)))


def test_the_buttons_are_under_the_last_part() -> None:
    calls = render(HERE, Reply("word " * 2000, choices=(Choice("k" * 64, "Yes"),)))
    assert len(calls) > 1
    assert [bool(buttons(call)) for call in calls] == [False] * (len(calls) - 1) + [True]
    accepted(calls)


# Edits ----------------------------------------------------------------------------------------------------------------


def test_an_edit_replaces_words_and_buttons() -> None:
    (call,) = render(TOPIC, Reply("**new**", edits="77"))
    assert call.method == "editMessageText"
    assert call.arguments["message_id"] == 77
    assert "reply_markup" not in call.arguments
    accepted((call,))


def test_an_edit_that_grew_goes_on_in_new_messages() -> None:
    calls = render(HERE, Reply("word " * 1500, edits="77", pictures=_blobs(1), choices=(Choice("k", "K"),)))
    assert [call.method for call in calls] == ["editMessageText", "sendPhoto", "sendMessage"]
    assert buttons(calls[-1])
    accepted(calls)


# Long texts -----------------------------------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    """What is visible of a text, so that white space at the cuts does not count."""
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c)[0] not in "ZC" and c != "\u2800")


def test_paragraphs_are_kept_together() -> None:
    paragraph = "A sentence of a paragraph. " * 50
    text = "\n\n".join([paragraph.strip()] * 6)
    parts = [plain(part) for part in split(runs(text, linkable))]
    assert "\n\n".join(parts) == text
    assert all(part.endswith(".") for part in parts)


def test_sentences_then_words_are_kept_together() -> None:
    sentences = "This is one of very many sentences! " * 300
    assert all(plain(part).endswith("!") for part in split(runs(sentences, linkable)))
    words = "word " * 2000
    assert all(set(plain(part).split()) == {"word"} for part in split(runs(words, linkable)))


def test_a_sign_of_several_characters_is_not_cut() -> None:
    for sign in (FAMILY, "🇩🇪", "👍🏽", "e\u0301\u0323"):
        parts = [plain(part) for part in split(runs("x" + sign * 2000, linkable))]
        assert len(parts) > 1
        assert "".join(parts) == "x" + sign * 2000
        assert all(part.removeprefix("x").replace(sign, "") == "" for part in parts)


def test_a_style_goes_on_in_the_next_part() -> None:
    parts = [to_html(part) for part in split(runs("**" + "bold " * 1500 + "end**", linkable))]
    assert len(parts) == 2
    assert all(part.startswith("<b>") and part.endswith("</b>") for part in parts)


def test_code_keeps_its_indentation_across_a_cut() -> None:
    code = "\n".join(f"    line {number:04d}" for number in range(600))
    parts = [plain(part) for part in split(runs(f"```\n{code}\n```", linkable))]
    assert len(parts) > 1
    assert "\n".join(parts) == code


def test_more_styles_than_telegram_counts_go_on_in_the_next_part() -> None:
    parts = split(runs(" ".join(f"[w{number}](https://a.example/{number})" for number in range(250)), linkable))
    shown = [parse_html(to_html(part)) for part in parts]
    assert [len(entities) for _, entities in shown] == [100, 100, 50]
    assert " ".join(text for text, _ in shown) == " ".join(f"w{number}" for number in range(250))


MARKS = [
    "**",
    "*",
    "_",
    "__",
    "`",
    "```",
    "```py\n",
    "[link](",
    "https://a.example/x",
    ")",
    "[",
    "]",
    "![",
    "|",
    "~~",
    "\\",
]
TAGS = ["<b>", "</b>", "&amp;", "&", "<", ">", "\n> ", "\n- ", "\n1. ", "\n# ", "---\n", "    ", "\r\n", "\x00", "\t"]
SIGNS = [
    "😀",
    FAMILY,
    "🇩🇪",
    "👍🏽",
    "مرحبا بالعالم ",
    "שלום ",
    "\u202b",
    "日本語。",
    "é",
    "e\u0301",
    "\u200b",
    "\u00a0",
]
WORDS = [
    "word ",
    "Sentence. ",
    "\n",
    "\n\n",
    '[x](https://a.example/?a=1&b="2")',
    "`code <b>`",
    "**bold *both* bold** ",
]
PIECES = st.sampled_from([*MARKS, *TAGS, *SIGNS, *WORDS])


@st.composite
def long_texts(draw: st.DrawFn) -> str:
    """Some 9,000 characters: a short random piece many times over, or random pieces with much filler."""
    pattern = "".join(draw(st.lists(PIECES | st.text(max_size=12), min_size=1, max_size=25)))
    filler = draw(st.sampled_from(["", "a", "word ", "😀", "x\n", "مرحبا "]))
    unit = pattern + filler * draw(st.integers(0, 300))
    return (unit * (9000 // max(len(unit), 1) + 1))[: draw(st.integers(8500, 9500))]


@settings(max_examples=60, deadline=None)
@given(long_texts(), st.booleans(), st.integers(0, 3))
def test_any_long_text_gives_calls_that_telegram_accepts(text: str, choices: bool, pictures: int) -> None:
    reply = Reply(text, choices=(Choice("k", "K"),) if choices else (), pictures=_blobs(pictures))
    calls = render(HERE, reply)
    seen = accepted(calls)
    assert all(units(words) <= 4096 for words in seen)
    if not (choices and seen[-1] == "…"):
        assert squeezed("".join(seen)) == squeezed(plain(runs(text, linkable)))


@settings(max_examples=60, deadline=None)
@given(long_texts())
def test_reading_markdown_swallows_no_words(text: str) -> None:
    """Every letter that is typed is shown, in order; only what Markdown gives a meaning may go."""
    shown = plain(runs(text, linkable))
    if "](" in text or "&" in text or "```" in text or "\\" in text:
        return  # targets of links move into tags, character references become one character
    letters = [c for c in text if c.isalpha()]
    assert [c for c in shown if c.isalpha()] == letters


@given(st.text(max_size=300))
def test_any_short_text_is_accepted(text: str) -> None:
    seen = accepted(render(HERE, Reply(text, pictures=_blobs(1))))
    assert squeezed("".join(seen)) == squeezed(plain(runs(text, linkable)))
