from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings

from core import wire
from core.errors import BadInput
from core.knowledge.check import check
from core.knowledge.entries import Case, Desk, Entry, KnowledgeBase
from core.knowledge.files import load, pack, save
from core.knowledge.packing import files
from tests.core.knowledge import made


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made.bases)
def test_what_is_saved_loads_back_equal(knowledge):
    # Given any right knowledge base
    assert check(knowledge) == ()
    with tempfile.TemporaryDirectory() as folder:
        # When it is saved and read back, as an upload would be
        path = save(knowledge, Path(folder), made.FILES.__getitem__)
        again = pack(load(Path(folder), trusted=False), made.put)
        # Then it is the same, and other YAML readers see the same texts
        assert again == knowledge
        plain = yaml.safe_load(path.read_bytes())
        assert [entry["question"] for entry in plain["entries"]] == [entry.question for entry in knowledge.entries]


@pytest.mark.parametrize("text", made.AWKWARD)
def test_awkward_texts_survive_everywhere(text, tmp_path):
    entry = Entry("a", f"q {text}", {"en": text, "no": f"{text}x"}, intent="a", variants=(f"x{text}", f"{text}x"))
    knowledge = KnowledgeBase(f"t{text}", entries=(entry,), cases=(Case("a", text, history=(text,)),))
    save(knowledge, tmp_path, made.FILES.__getitem__)
    assert load(tmp_path) == knowledge


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made.bases)
@example(KnowledgeBase("t", desk=Desk(hours={"mon": ((540, 1020),)})))
def test_a_knowledge_base_survives_json(knowledge):
    assert wire.loads(KnowledgeBase, wire.dumps(knowledge)) == knowledge


def test_long_answers_are_blocks_that_people_can_edit(tmp_path):
    answer = "Sorry about that! 😀\n\n- Send a *photo*: here\n- Wait\n"
    entry = Entry("a", "My mug broke", {"en": answer}, intent="a", variants=("no",), photos=(next(iter(made.FILES)),))
    text = save(KnowledgeBase("Shop", entries=(entry,)), tmp_path, made.FILES.__getitem__).read_text()
    assert (
        text
        == """\
polydesk: 1
title: Shop
language: en
error_budget: 0.02
entries:
  - id: a
    question: My mug broke
    variants:
      - 'no'
    answer: |
      Sorry about that! 😀

      - Send a *photo*: here
      - Wait
    photos:
      - photos/a-1.jpg
"""
    )
    assert (tmp_path / "photos/a-1.jpg").read_bytes() == b"\xff\xd8\xff photo"


def test_the_same_knowledge_base_is_the_same_file(tmp_path):
    knowledge = KnowledgeBase("Shop", entries=(Entry("a", "q", {"en": "a"}, intent="a"),))
    first = save(knowledge, tmp_path / "1", made.FILES.__getitem__).read_bytes()
    assert save(knowledge, tmp_path / "2", made.FILES.__getitem__).read_bytes() == first


@pytest.mark.parametrize(
    ("knowledge", "words"),
    [
        (KnowledgeBase(""), "title"),
        (KnowledgeBase("t", language="English"), "language"),
        (KnowledgeBase("t", error_budget=2), "error_budget"),
        (KnowledgeBase("t", messages={"nope": {}}), "messages.nope"),
        (KnowledgeBase("t", desk=Desk("Mars/Base")), "desk.timezone"),
        (KnowledgeBase("t", desk=Desk(hours={"mon": ((5, 5),)})), "desk.hours.mon"),
        (KnowledgeBase("t", desk=Desk(hours={"day": ((5, 6),)})), "desk.hours.day"),
        (KnowledgeBase("t", desk=Desk(closed=("tomorrow",))), "desk.closed"),
        (KnowledgeBase("t", entries=(Entry("none", "q", {}),)), "none"),
        (KnowledgeBase("t", entries=(Entry("a", "q", {}), Entry("a", "q", {}))), "a.id"),
        (KnowledgeBase("t", entries=(Entry("a", " ", {}),)), "a.question"),
        (KnowledgeBase("t", entries=(Entry("a", "q", {"en": "\ud800"}),)), "a.answer.en"),
        (KnowledgeBase("t", entries=(Entry("a", "q", {}, variants=("x\0",)),)), r"a.variants\[0\]"),
        (KnowledgeBase("t", cases=(Case("b", "x"),)), r"cases\[0\].expect"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(knowledge, words, tmp_path):
    with pytest.raises(BadInput, match=words):
        save(knowledge, tmp_path, made.FILES.__getitem__)
    assert list(tmp_path.iterdir()) == []


def test_files_names_everything_once():
    entry = Entry("a", "q", {}, photos=("p", "q"), media=("m", "p"))
    knowledge = KnowledgeBase("t", entries=(entry,), cases=(Case("a", photo="c", voice="v"), Case("a", "text")))
    assert files(knowledge) == {"p", "q", "m", "c", "v"}
    stored: list[str] = []
    packed = pack(knowledge, lambda path: stored.append(str(path)) or f"blob-{path}")
    assert sorted(stored) == ["c", "m", "p", "q", "v"]
    assert packed.entries[0].media == ("blob-m", "blob-p")
    assert packed.cases == (Case("a", photo="blob-c", voice="blob-v"), Case("a", "text"))
