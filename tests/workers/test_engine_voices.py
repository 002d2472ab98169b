"""What the engine compares voice notes with, what a model has taught it, what of that it calls proven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.asking import Prediction, Question
from core.knowledge.entries import KnowledgeBase, Release
from tests.workers.test_engine import RELEASES, ask, read, release
from workers.encodings import Encodings
from workers.engine import Engine
from workers.model.basis import basis
from workers.model.ports import RATE, SpeechRecogniser, Transcript, Wave
from workers.model.shelf import Shelf
from workers.model.trained import Learned, Trained

pytestmark = pytest.mark.models

GARBLED = "make me a large I smoke her with milk"


class Garbling(Shelf):
    """A shelf whose recogniser hears the same in every recording."""

    digest = "garbling"
    hears = GARBLED

    @property
    def speech(self) -> SpeechRecogniser:
        return self  # type: ignore[return-value]

    def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
        return [Transcript(self.hears, 0.9, len(wave) / RATE) for wave in waves]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encodings]:
    made = Encodings(tmp_path_factory.mktemp("voices") / "encodings.db")
    yield made
    made.close()


def score(found: Prediction, entry: str) -> float:
    return {one.entry: one.score for one in found.candidates}.get(entry, 0.0)


def test_phrases_are_known_by_their_sounds_before_the_first_voice_note(models_dir: Path, cache: Encodings) -> None:
    """A garbled name finds its entry by voice alone, whoever has asked the release what before."""
    engine = Engine(Garbling(models_dir), read, release, cache, photos=True)
    typed = ask(engine, release="drinks", text=GARBLED)
    first = ask(engine, release="drinks", voices=("silence",))
    together = engine.predict([Question("a", "drinks", text=GARBLED), Question("b", "drinks", voices=("silence",))])
    assert [one.candidates for one in together if isinstance(one, Prediction)] == [typed.candidates, first.candidates]
    assert first.entry == "iced-mocha"
    scores = [{one.entry: one.score for one in found.candidates}["iced-mocha"] for found in (typed, first)]
    assert scores[1] > scores[0] + 0.05
    # Nor does it matter whether photos are looked at
    seen = ask(Engine(Garbling(models_dir), read, release, cache, photos=False), release="drinks", voices=("silence",))
    assert seen.candidates == first.candidates
    # What publishing asks beforehand leaves nothing to learn; a text worker never learns it
    for photos, known in ((True, True), (False, False)):
        fresh = Engine(Garbling(models_dir), read, release, cache, photos=photos)
        fresh.predict([Question("p", "drinks")])
        assert [one.adapted.heard is not None for one in fresh._adapted.values()] == [known]


def test_a_voice_note_in_another_language_is_compared_by_its_letters(models_dir: Path, cache: Encodings) -> None:
    knowledge = RELEASES["drinks"]
    both = [replace(one, answer={"en": one.id, "de": one.id}) for one in knowledge.entries]
    speaks_both = replace(knowledge, entries=tuple(both))
    shelf = Garbling(models_dir, text="minilm")  # one encoder for both
    told = []
    for before in ((), ("could you please make me a large iced mocha with milk",)):
        engine = Engine(shelf, read, lambda _: Release("kb", 1, speaks_both), cache, photos=True)
        for heard in (*before, "Ich möchte bitte einen großen Eis smoke her mit Milch"):
            shelf.hears = heard
            told.append(ask(engine, release="drinks", voices=("silence",)))
        # English voice notes alone have sounds learned
        assert [one.adapted.heard is not None for one in engine._adapted.values()] == [bool(before)]
    alone, english, after = told
    assert (alone.language, english.language) == ("de", "en")
    assert after.candidates == alone.candidates


def test_what_customers_taught_is_known_by_its_sounds_too(models_dir: Path, cache: Encodings) -> None:
    shelf = Garbling(models_dir)
    trained = Trained(
        shelf.text("en").digest, learned={"americano": Learned(("large caramel macchiato",))}, fusion="fixed"
    )
    taught = Engine(shelf, read, release, cache, photos=True, trained=trained)
    shelf.hears = "large car a mel maki auto"
    typed, spoken = ask(taught, release="drinks", text=shelf.hears), ask(taught, release="drinks", voices=("silence",))
    assert score(spoken, "americano") > score(typed, "americano") + 0.05


def proven(shelf: Shelf, knowledge: KnowledgeBase, **more: object) -> Trained:
    known = Trained(
        shelf.text("en").digest,
        answer_at=0.3,
        budget=knowledge.error_budget,
        proven_for=basis(knowledge),
        fusion="fixed",
    )
    return replace(known, **more)  # type: ignore[arg-type]


def test_a_proof_ends_with_the_encoder_or_recogniser_it_was_made_with(models_dir: Path, cache: Encodings) -> None:
    shelf, knowledge = Garbling(models_dir), RELEASES["drinks"]
    told = []
    for image, speech in (("", "garbling"), (shelf.image.digest, "garbling"), ("clip", "garbling"), ("", "whisper")):
        trained = proven(shelf, knowledge, image=image or shelf.image.digest, senses={"speech": speech})
        engine = Engine(shelf, read, release, cache, photos=True, trained=trained)
        asked = [Question("t", "drinks", text="an americano"), Question("v", "drinks", voices=("silence",))]
        told.append([one.guaranteed for one in engine.predict(asked) if isinstance(one, Prediction)])
    assert told == [[True, True], [True, True], [False, False], [True, False]]


def test_a_release_in_another_language_is_ready_for_its_first_photo(models_dir: Path, cache: Encodings) -> None:
    german = Release("kb", 1, replace(RELEASES["single"], language="de"))
    shelf = Shelf(models_dir)
    for photos in (True, False):
        engine = Engine(shelf, read, lambda _: german, cache, photos=photos)
        engine.predict([Question("p", "single")])
        assert (shelf.text("de").digest in engine._conses) is photos


def test_the_last_releases_stay(models_dir: Path, cache: Encodings) -> None:
    engine = Engine(Shelf(models_dir), read, lambda _: release("single"), cache, photos=False)
    for number in range(8):
        ask(engine, release=str(number), text="where is my order")
    assert [place[0] for place in engine._adapted] == ["2", "3", "4", "5", "6", "7"]
