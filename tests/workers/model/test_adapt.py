"""A knowledge base is learned, stored and loaded, however odd it is."""

from __future__ import annotations

import numpy as np
import pytest

from core.knowledge.entries import Entry, KnowledgeBase
from tests.workers.model.wordy import SHOP, Wordy, knowledge
from workers.model.adapt import Adapted, adapt
from workers.model.encodings import Remembered
from workers.model.heard import Said, hear
from workers.model.scoring import Scored, score, score_all

ENCODER = Wordy()
CACHE = Remembered()


def learned(entries: dict[str, list[str]] | KnowledgeBase, **more: object) -> Adapted:
    base = entries if isinstance(entries, KnowledgeBase) else knowledge(entries)
    return adapt(base, text=ENCODER, cache=CACHE, **more)  # type: ignore[arg-type]


def ask(adapted: Adapted, text: str, **more: object) -> Scored:
    (heard,) = hear([Said(text=text, **more)], ENCODER, adapted.spelling)  # type: ignore[arg-type]
    return score(adapted, heard)


def pictures(seed: int, n: int) -> np.ndarray:
    """Photos that look alike: near one direction."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(32) + 0.35 * rng.standard_normal((n, 32))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def test_the_right_entry_is_found() -> None:
    adapted = learned(SHOP)
    for text, expected in (
        ("where is my package", "track"),
        ("the cup is broken, damaged", "damaged"),
        ("refund please", "refund"),
    ):
        assert ask(adapted, text).candidates[0].entry == expected


def test_learning_twice_scores_the_same() -> None:
    once, again = learned(SHOP), adapt(knowledge(SHOP), text=Wordy())
    for text in ("where is my parcel", "poem", "refund please"):
        assert ask(again, text) == ask(once, text)


def test_nothing_known_is_encoded_again() -> None:
    encoder, cache = Wordy(), Remembered()
    adapt(knowledge(SHOP), text=encoder, cache=cache)
    encoder.calls.clear()
    more = SHOP | {"track": [*SHOP["track"], "a brand new phrase"]}
    adapt(knowledge(more), text=encoder, cache=cache)
    assert encoder.calls == [["a brand new phrase"]]


@pytest.mark.parametrize(
    "base",
    [
        knowledge({}),
        KnowledgeBase(title="t", entries=(Entry(id="off", question="where is it", answer={}, enabled=False),)),
        KnowledgeBase(
            title="t", entries=(Entry(id="mute", question=" ", answer={"en": "An answer nobody asks for."}),)
        ),
    ],
)
def test_a_knowledge_base_that_can_answer_nothing(base: KnowledgeBase) -> None:
    adapted = learned(base)
    scored = ask(adapted, "where is my parcel")
    assert scored.confidence < scored.clarify_at
    assert ask(adapted, "hello").builtin == "greeting"


def test_one_entry_is_not_the_answer_to_everything() -> None:
    adapted = learned({"track": SHOP["track"]})
    assert ask(adapted, "where is my parcel please").confidence >= adapted.thresholds.answer_at
    assert ask(adapted, "write a poem about the sea").confidence < adapted.thresholds.answer_at


def test_entries_without_variants() -> None:
    adapted = learned({id: phrases[:1] for id, phrases in SHOP.items()})
    found = ask(adapted, "where is my package")
    assert (found.candidates[0].entry, found.confidence > adapted.thresholds.answer_at) == ("track", True)


def test_a_disabled_entry_is_no_candidate() -> None:
    entries = (
        Entry(id="off", question="where is my parcel", answer={}, enabled=False),
        Entry(id="on", question="cancel my order", answer={}),
    )
    found = ask(learned(KnowledgeBase(title="t", entries=entries)), "where is my parcel")
    assert [one.entry for one in found.candidates] == ["on"]
    assert found.confidence < found.answer_at


def test_the_same_question_under_two_entries_makes_rivals() -> None:
    same = "how do I get my money back"
    adapted = learned(SHOP | {"one": [same, "money back"], "two": [same, "give back money"]})
    found = ask(adapted, same)
    assert {found.candidates[0].entry, *found.rivals} >= {"one", "two"}
    assert found.confidence < found.answer_at
    three = ask(learned(SHOP | {name: [same, name] for name in ("one", "two", "three")}), same)
    assert {three.candidates[0].entry, *three.rivals} == {"one", "two", "three"}


def test_wordless_photos_are_answered_when_they_look_like_an_example() -> None:
    photos = {
        "damaged": [("d0", pictures(1, 6)[0]), ("d1", pictures(1, 6)[1]), ("d2", pictures(1, 6)[2])],
        "invoice": [("i0", pictures(2, 6)[0]), ("i1", pictures(2, 6)[1]), ("i2", pictures(2, 6)[2])],
    }
    adapted = learned(SHOP, photos=photos)
    like = ask(adapted, "", photos=pictures(1, 6)[5:])
    assert like.candidates[0].entry == "damaged"
    assert like.confidence > 0.7
    assert like.evidence["photo"]["photo"] in {"d0", "d1", "d2"}  # type: ignore[index]
    strange = ask(adapted, "", photos=pictures(99, 1))
    assert strange.confidence < strange.clarify_at


def test_phrases_in_the_space_of_a_word_tower() -> None:
    class Tower:
        def encode_words(self, texts: list[str]) -> np.ndarray:
            return Wordy().encode(texts)[:, :16]

    adapted = learned(SHOP, tower=Tower())
    assert adapted.words is not None and adapted.words.shape == (18, 16)
    shown = Wordy().encode(["invoice"])[:, :16]
    found = ask(adapted, "", shown=shown)
    assert found.candidates[0].entry == "invoice"
    # Vectors of another space say nothing.
    assert ask(adapted, "", shown=np.ones((1, 5), np.float32)).candidates == ()


def test_a_batch_scores_like_single_questions() -> None:
    adapted = learned(SHOP)
    said = [Said(text=text) for text in ("where is it", "", "invoice", "hello", "poem", "and refund?", "cancel")]
    heard = hear(said, ENCODER, adapted.spelling)
    for one, alone in zip(score_all(adapted, heard), heard, strict=True):
        single = score(adapted, alone)
        assert one.builtin == single.builtin
        assert one.confidence == pytest.approx(single.confidence, abs=1e-4)
        assert [c.entry for c in one.candidates[:1]] == [c.entry for c in single.candidates[:1]]
