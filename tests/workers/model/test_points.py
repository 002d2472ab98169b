"""What a knowledge base gives to learn from."""

from __future__ import annotations

from core.knowledge.entries import Entry, KnowledgeBase
from workers.model.phrases import MOST, sentences
from workers.model.points import phrases_of


def test_sentences_come_without_markup() -> None:
    answer = (
        "**Sorry!** See [your page](https://example.com/x).\n\n- Packed: *still* with us\n- ok\n\nCosts 4.90 euros."
    )
    assert sentences(answer) == ["See your page.", "Packed: still with us", "Costs 4.90 euros."]
    assert sentences("三天内可以退货。请保留原包装盒子。") == ["三天内可以退货。", "请保留原包装盒子。"]
    assert sentences("") == []


def test_phrases_and_answers_stand_by_their_entries() -> None:
    knowledge = KnowledgeBase(
        title="t",
        entries=(
            Entry(id="off", question="never seen", answer={}, enabled=False),
            Entry(id="mute", question="  ", answer={"en": "There is an answer though."}),
            Entry(
                id="a",
                question="How?",
                variants=("how ", "How?", "", "in what way"),
                answer={"en": "Like this, friend."},
            ),
            Entry(id="b", question="Why?", answer={"de": "Darum ist es so."}),
        ),
    )
    points = phrases_of(knowledge)
    assert points.texts == ("How?", "how", "in what way", "Like this, friend.", "Why?", "Darum ist es so.")
    assert points.owner.tolist() == [0, 0, 0, 0, 1, 1]
    assert points.spoken.tolist() == [True, True, True, False, True, False]
    # `mute` is live but says nothing: it is no member.
    assert points.members.tolist() == [1, 2]


def test_a_large_knowledge_base_is_learned_without_its_answers() -> None:
    entries = tuple(
        Entry(id=f"e{i}", question=f"question {i}", answer={"en": f"The answer is number {i}."}) for i in range(MOST)
    )
    assert phrases_of(KnowledgeBase(title="t", entries=entries)).spoken.all()
