"""A question's parts are found and encoded once."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.model.wordy import Wordy
from workers.model.heard import LINES, Said, hear, leaning, passages, wishes
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
     "I bought a pair of boots last month and now the sole is coming off", "我的包裹什么时候能送到上海",
     "I want a person", "so I want a person", "is it possible to rent snowshoes", "but my parcel is late",
     "and I need my invoice too", "aber mein Paket ist kaputt", "mais mon colis est abîmé"],
)  # fmt: skip
def test_a_whole_question_does_not(text: str) -> None:
    assert leaning(text) == 0


@pytest.mark.parametrize(
    "text", ["what is this please?", "look at this!!", "what now", "was ist das?", "¿qué es esto?", "c'est quoi ça ?"]
)
def test_words_that_only_point_lean_in_full(text: str) -> None:
    assert leaning(text) == 1


def test_the_more_a_continuation_says_itself_the_less_it_leans() -> None:
    sizes = [
        leaning(text)
        for text in (
            "and for jackets?",
            "and how long till the money is there",
            "and can you tell me until when the shop in Berlin is open",
            "and can you please tell me until when the large shop in Berlin is open on a normal Thursday",
        )
    ]
    assert sizes[0] == 1
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[-1] == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("I want a person please, about my okapi.", ["I want a person please"]),
        ("can I speak to a human about my order", ["can I speak to a human"]),
        ("Mein Zelt ist undicht. Ich will einen Menschen!", ["Ich will einen Menschen"]),
        ("quiero hablar con un humano por mi factura", ["quiero hablar con un humano"]),
        ("puis-je parler à un humain au sujet de ma commande ?", ["puis je parler à un humain"]),
        ("I want a person!", []),  # all of it is the wish
        ("where is my order? it is late", []),
        ("about a person", []),
        ("", []),
        ("a human, " * 30, []),
        ("agent, human, person, staff, people", ["agent", "human", "person"]),
    ],
)
def test_the_part_that_names_a_human_stands_without_its_matter(text: str, parts: list[str]) -> None:
    assert wishes(text) == parts


def test_parts_are_encoded_with_everything_else() -> None:
    encoder = Wordy()
    (heard,) = hear([Said(text="an agent, my parcel is late")], encoder, Spelling())
    assert [part.text for part in heard.wishes] == ["an agent"]
    assert encoder.calls == [["an agent, my parcel is late", "an agent"]]


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


def test_the_same_words_typed_and_spoken_by_two_customers_are_each_read_in_their_own_way() -> None:
    words = spelling(["my delivery is late"])
    asked = [Said(text="delevery"), Said(transcript="delevery")]
    for some in (asked, asked[::-1]):
        encoder = Wordy()
        typed = {bool(one.typed): (one.typed or one.voice) for one in hear(some, encoder, words)}
        assert sorted(*encoder.calls) == ["delevery", "delivery"]
        np.testing.assert_array_equal(typed[True].vector, Wordy().encode(["delivery"])[0])  # type: ignore[union-attr]
        np.testing.assert_array_equal(typed[False].vector, Wordy().encode(["delevery"])[0])  # type: ignore[union-attr]


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
