"""A question's parts are found and encoded once."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.model.wordy import Wordy
from workers.model.heard import LINES, Said, hear, leaning, passages
from workers.model.spelling import Spelling, spelling


@pytest.mark.parametrize(
    "text",
    ["and for jackets?", "what about used ones?", "And on sundays", "is that free?", "how much is it", "why?",
     "und für Jacken?", "¿y para zapatos?", "et pour les chaussures ?", "那夹克呢", "それはいくらですか"],
)  # fmt: skip
def test_a_brief_continuation_leans_on_what_was_said(text: str) -> None:
    assert leaning(text) >= 0.5


@pytest.mark.parametrize(
    "text",
    ["write me a poem", "where is my parcel", "can I pay with paypal", "Wo ist mein Paket geblieben",
     "I bought a pair of boots last month and now the sole is coming off", "我的包裹什么时候能送到上海"],
)  # fmt: skip
def test_a_whole_question_does_not(text: str) -> None:
    assert leaning(text) == 0


def test_all_texts_of_a_batch_are_encoded_in_one_call() -> None:
    encoder = Wordy()
    heard = hear(
        [
            Said(text="where is my parcel", transcript="hello there"),
            Said(text="and to norway?", history=("hi", "do you deliver to sweden", "")),
            Said(text="where is my parcel"),
        ],
        encoder,
        Spelling(),
    )
    assert encoder.calls == [
        ["where is my parcel", "hello there", "and to norway?", "hi do you deliver to sweden and to norway?"]
    ]
    assert heard[0].typed is heard[2].typed
    assert heard[0].voice is not None and heard[0].voice.text == "hello there"
    assert heard[1].thread is not None and heard[1].leaning == 1
    assert heard[0].thread is None


def test_history_is_not_read_for_a_whole_question() -> None:
    encoder = Wordy()
    (heard,) = hear([Said(text="where is my parcel", history=("can I return shoes?",))], encoder, Spelling())
    assert heard.thread is None
    assert encoder.calls == [["where is my parcel"]]


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "👍", "😂😂", "?!", "___"])
def test_a_text_without_letters_is_no_text(text: str) -> None:
    encoder = Wordy()
    (heard,) = hear([Said(text=text)], encoder, Spelling())
    assert heard.typed is None
    assert encoder.calls == []


def test_an_endless_text_is_cut() -> None:
    encoder = Wordy()
    (heard,) = hear([Said(text="where is my parcel " * 10_000)], encoder, Spelling())
    assert heard.typed is not None
    assert len(encoder.calls[0][0]) <= 2000


def test_typing_errors_are_mended_before_encoding_but_not_a_recognisers_words() -> None:
    encoder = Wordy()
    words = spelling(["my delivery is late"])
    (heard,) = hear([Said(text="delevery", transcript="delevary")], encoder, words)
    assert encoder.calls == [["delivery", "delevary"]]
    assert heard.typed is not None and heard.typed.text == "delevery"


def test_a_screen_is_read_whole_and_in_passages() -> None:
    found = passages(["12:45", "Your card", "was declined", "OK"])
    assert found == [
        "12:45 Your card was declined OK", "Your card was declined", "Your card", "was declined",
    ]  # fmt: skip
    assert passages(["8"]) == passages(["%", "12:45"]) == passages([]) == []
    assert passages(["Odeme"]) == ["Odeme", "Odeme"]


def test_a_page_full_of_lines_is_limited() -> None:
    found = passages([f"line number {i}" for i in range(500)])
    assert len(found) <= 2 + 3 * LINES
    assert max(map(len, found)) <= 600


def test_a_photo_without_words_leans_on_what_was_said_before() -> None:
    photo = np.zeros((1, 4), dtype=np.float32)
    (heard,) = hear([Said(photos=photo, history=("my mug came broken",))], Wordy(), Spelling())
    assert heard.thread is not None and heard.thread.text == "my mug came broken"
    assert 0 < heard.leaning < 1
