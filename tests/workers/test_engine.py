"""The engine on the real models: batches, bad questions that fail alone, what is rehearsed."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import wire
from core.asking import Prediction, Question
from core.conversation import Owner
from core.errors import Broken
from core.knowledge.entries import Entry, KnowledgeBase, Release
from core.policy import alone, kind
from core.store.blobs import BlobFolder
from core.values import Attachment, AttachmentKind, Problem
from core.waiting import in_order
from tests.core.conftest import TurnableClock, opened
from tests.fakes.house import FakePlatform
from tests.workers.media.recordings import recorded
from tests.workers.model.test_voice import RECORDING
from tests.workers.test_toning import high_is_strained
from workers.encodings import Encodings
from workers.engine import Engine
from workers.media.audio import decode
from workers.model.encodings import encoded
from workers.model.heads import Floats
from workers.model.ports import RATE, Transcript, Wave
from workers.model.recalibration import Recalibration
from workers.model.shelf import Shelf
from workers.model.smalltalk import phrases
from workers.model.trained import Trained
from workers.perceiving import _joined
from workers.rehearsal import picture, rehearse_words
from workers.train.emodb import faster

pytestmark = pytest.mark.models

SHOP = {
    "track": ("Where is my order?", "track my parcel", "has it been sent yet"),
    "return": ("How do I return something?", "I want to send it back", "can I bring shoes back"),
    "damaged": ("My item arrived damaged, what now?", "it came broken", "the mug is cracked"),
}


def knowledge(
    entries: Mapping[str, tuple[str, ...]], photos: Mapping[str, tuple[str, ...]] | None = None
) -> KnowledgeBase:
    made = [
        Entry(id=id, question=texts[0], variants=texts[1:], answer={"en": id}, photos=(photos or {}).get(id, ()))
        for id, texts in entries.items()
    ]
    return KnowledgeBase(title="shop", entries=tuple(made), error_budget=0.05)


def stripes(width: int) -> bytes:
    """A picture file of stripes."""
    pixels = np.zeros((240, 320, 3), np.uint8)
    pixels[:, ::width] = (200, 40, 40)
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


BLOBS = {"stripes": stripes(16), "more": stripes(17), "silence": recorded("ogg", "libopus"), "torn": b"\x89PNG nothing"}
RELEASES = {
    "shop": knowledge(SHOP, {"damaged": ("stripes", "torn", "gone")}),
    "twins": knowledge({"one": ("Where is my order?",), "other": ("Where is my order?",)}),
    "single": knowledge({"only": ("Where is my order?",)}),
    "empty": knowledge({}),
    "drinks": knowledge(
        {
            "iced-mocha": ("iced mocha", "an iced mocha with milk", "make me a large iced mocha"),
            "drip-coffee": ("drip coffee", "a drip coffee with milk", "make me a large drip coffee"),
            "americano": ("americano", "an americano with milk", "make me a large americano"),
        }
    ),
}


def read(name: str) -> bytes:
    if name not in BLOBS:
        raise Broken(f"{name} is not there")
    return BLOBS[name]


def release(name: str) -> Release:
    if name not in RELEASES:
        raise Broken(f"{name} is no release")
    return Release("kb", 1, RELEASES[name])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encodings]:
    made = Encodings(tmp_path_factory.mktemp("engine") / "encodings.db")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shelf(models_dir: Path) -> Shelf:
    return Shelf(models_dir)


@pytest.fixture(scope="module")
def engine(shelf: Shelf, cache: Encodings) -> Engine:
    made = Engine(shelf, read, release, cache, photos=True)
    made.warm()
    made.rehearse()
    return made


def ask(engine: Engine, **more: object) -> Prediction:
    (answer,) = engine.predict([Question(id="q", **({"release": "shop"} | more))])  # type: ignore[arg-type]
    assert isinstance(answer, Prediction), answer
    return answer


def test_what_every_knowledge_base_is_compared_with_is_encoded_beforehand(
    engine: Engine, shelf: Shelf, cache: Encodings
) -> None:
    class Never:
        digest, dim, languages = shelf.text("en").digest, shelf.text("en").dim, frozenset({"en"})

        def encode(self, texts: Sequence[str]) -> Floats:
            raise AssertionError(f"{texts} should be known")

    assert len(encoded(Never(), phrases()["greeting"]["en"][:5], cache)) == 5
    rehearse_words(shelf, cache)  # again: nothing to do, nothing goes wrong


def test_the_rehearsed_picture_is_read(shelf: Shelf) -> None:
    assert any("4711" in line.text for line in shelf.reader.read(picture()))


def test_a_typed_question(engine: Engine) -> None:
    found = ask(engine, text="where is my package, has it been sent")
    assert (found.entry, found.language, found.unread) == ("track", "en", ())
    assert found.confidence > 0.5
    assert found.question == "q" and found.model


def test_a_photo_like_an_example_means_its_entry(engine: Engine) -> None:
    found = ask(engine, photos=("more",))
    assert found.entry == "damaged"
    assert found.evidence["photo"]["photo"] == "stripes"  # type: ignore[index]


def test_the_wish_for_a_person_beside_a_matter(engine: Engine) -> None:
    found = ask(engine, text="an agent please, the mug is cracked")
    assert kind(alone(found, RELEASES["shop"])) == "escalate"
    assert kind(alone(ask(engine, text="the mug is cracked"), RELEASES["shop"])) == "answer"


def test_what_cannot_be_read_is_named_and_the_rest_counts(engine: Engine) -> None:
    found = ask(engine, text="where is my order", photos=("torn",), voices=("silence",))
    assert found.entry == "track"
    assert {part.blob: part.problem for part in found.unread}.keys() == {"torn", "silence"}
    assert Problem.SILENT in {part.problem for part in found.unread}


def test_nothing_but_what_cannot_be_read_is_no_answer(engine: Engine) -> None:
    found = ask(engine, photos=("torn",))
    assert (found.candidates, found.confidence) == ((), 0.0)
    assert found.unread


def test_one_bad_question_fails_alone_and_the_order_stays(engine: Engine) -> None:
    asked = [
        Question(id="1", release="shop", text="I want to send it back"),
        Question(id="2", release="nowhere", text="hello"),
        Question(id="3", release="single", text="where is my order"),
        Question(id="4", release="shop", text="x" * 100_000),
        Question(id="5", release="shop", photos=("gone",)),
        Question(id="6", release="shop", text="it came broken"),
    ]
    told = engine.predict(asked)
    assert [one.question if isinstance(one, Prediction) else type(one) for one in told] == [
        "1", Broken, "3", "4", Broken, "6",
    ]  # fmt: skip
    assert [one.entry for one in told if isinstance(one, Prediction)][::3] == ["return", "damaged"]


def test_no_question_at_all(engine: Engine) -> None:
    assert engine.predict([]) == []


@pytest.mark.parametrize("text", ["", "🎉🎉", "?", "   \n", "๛ ፠ ꧁"])
def test_nothing_said_is_handed_on(engine: Engine, text: str) -> None:
    found = ask(engine, text=text)
    assert kind(alone(found, RELEASES["shop"])) == "escalate"


@pytest.mark.parametrize(
    "text", ["我的包裹在哪里", "где мой заказ", "أين طلبي", "私の注文はどこですか", "Où est ma commande ?"]
)
def test_other_scripts_are_predicted(engine: Engine, text: str) -> None:
    found = ask(engine, text=text)
    assert found.language and found.language != "en"
    assert found.entry == "track"


def test_the_same_question_under_two_entries_is_asked_back(engine: Engine) -> None:
    found = ask(engine, release="twins", text="where is my order?")
    assert {found.entry, *found.rivals} == {"one", "other"}
    assert kind(alone(found, RELEASES["twins"])) == "clarify"


def test_without_entries_there_is_no_answer_but_small_talk(engine: Engine) -> None:
    assert ask(engine, release="empty", text="where is my order").candidates == ()
    assert ask(engine, release="empty", text="hello").builtin == "greeting"


def test_a_single_entry_is_not_the_answer_to_everything(engine: Engine) -> None:
    assert ask(engine, release="single", text="where is my order").confidence > 0.5
    assert ask(engine, release="single", text="write me a poem about cheese").confidence < 0.5


@pytest.mark.parametrize("trained", [False, True], ids=["as it ships", "trained"])
def test_an_evidence_card_is_drawn_only_where_it_was_asked_for(
    shelf: Shelf, cache: Encodings, engine: Engine, trained: bool
) -> None:
    if trained:
        learned = Trained(shelf.text("en").digest, correction=Recalibration(temperature=2.0))
        engine = Engine(shelf, read, release, cache, photos=True, trained=learned)
    asked = [
        Question(id="1", release="shop", text="where is my package, has it been sent", explain=True),
        Question(id="2", release="shop", text="where is my package, has it been sent"),
        Question(id="3", release="shop", text="what is this?", photos=("more",), explain=True),
        Question(id="4", release="shop", photos=("torn",), explain=True),
    ]
    first, plain, photo, nothing = (one for one in engine.predict(asked) if isinstance(one, Prediction))
    card: Any = first.evidence["card"]
    assert (card["entry"], card["answer_at"]) == ("track", pytest.approx(first.answer_at, abs=1e-5))
    assert card["confidence"] == pytest.approx(first.confidence, abs=1e-5)
    assert [piece["words"] for piece in card["pieces"][:3]].count("package") == 1
    assert (plain.candidates, plain.confidence) == (first.candidates, first.confidence)
    assert "card" not in plain.evidence and "card" not in nothing.evidence
    assert any(piece.get("example") == "stripes" for piece in photo.evidence["card"]["pieces"])  # type: ignore[index]
    # A piece's confidence is what a question without it has
    without = ask(engine, text="where is my package, has been sent").confidence
    (it,) = (piece for piece in card["pieces"] if piece["words"] == "it")
    assert it["without"] == pytest.approx(without, abs=1e-3)


def test_the_seconds_of_several_notes_go_on() -> None:
    notes = [
        Transcript("ab", 0.9, 2.0, ((0.5, 1.5, "ab"),)),
        Transcript("", 0.0, 3.0),
        Transcript("cd", 0.8, 1.0, ((0.1, 0.9, "cd"),)),
    ]
    whole = _joined(notes)
    assert whole is not None
    assert (whole.text, whole.confidence, whole.seconds) == ("ab cd", 0.8, 6.0)
    assert whole.segments == ((0.5, 1.5, "ab"), (5.1, 5.9, "cd"))
    assert _joined(notes[1:2]) is None
    untold = _joined([notes[0], Transcript("cd", 0.8, 1.0)])
    assert untold is not None and untold.segments == ()


def test_tone_is_looked_at_only_where_it_is_on_and_allowed_and_changes_no_answer(
    engine: Engine, shelf: Shelf, cache: Encodings
) -> None:
    toned = Engine(shelf, read, release, cache, photos=True, tone=True)
    words = "where is my parcel, I have asked five times, this is outrageous!!!"
    found = ask(toned, text=words, tone=True)
    assert found.tone is not None and found.tone > 0.8 and found.tone_by == "words"
    assert "tone" not in found.evidence
    # Without the setting, or for somebody who was not told: the same answer, and nothing else
    plain = ask(engine, text=words, tone=True)
    assert plain == replace(found, tone=None, tone_by=None) == ask(toned, text=words)
    several = toned.predict([Question("q", "shop", text=words, tone=one) for one in (True, False)])
    assert [one.tone is None for one in several if isinstance(one, Prediction)] == [False, True]


@dataclass
class InProcess:
    """A brain without a broker."""

    engine: Engine
    asked: list[Question] = field(default_factory=list)

    async def ask(self, question: Question) -> Prediction:
        self.asked.append(question)
        (answer,) = await asyncio.to_thread(self.engine.predict, [question])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def prepare(self, release: str, seconds: float, *, media: bool) -> None:
        """Nothing to do: the first question reads it."""


async def test_a_strained_voice_note_and_strained_words_raise_who_waits(
    tmp_path: Path, models_dir: Path, cache: Encodings
) -> None:
    """The gateway's road with a real engine behind it, whose voice encoder is an operator's own."""
    note = decode(RECORDING.read_bytes()).wave[: 4 * RATE]
    for job in ("text-en", "speech-en", "language"):
        (tmp_path / job).symlink_to(models_dir / job)
    blobs = BlobFolder(tmp_path / "blobs")
    toned = Engine(
        high_is_strained(tmp_path, note),
        blobs.get,
        lambda blob: wire.loads(Release, blobs.get(blob)),
        cache,
        photos=False,
        tone=True,
    )
    notice = "We look at the tone of your messages to see who is in a hurry."
    road = await opened(tmp_path, FakePlatform(), InProcess(toned), TurnableClock(), notice)  # type: ignore[arg-type]
    road.platform.files["high"] = as_wav(faster(note, 1.5))
    try:
        # Given three customers who wait, one after the other, told of it in the first words
        customers = {chat: road.customer(chat) for chat in ("calm", "loud", "angry")}
        for chat, one in customers.items():
            await one.says("/human", command="human")
            await road.settle()
            road.clock.ahead += 10_000
            assert notice in road.platform.texts(chat)[0]
        # When one says something calm, one sends a high voice, one writes angry words
        await customers["calm"].says("when are you open on saturday, please?")
        voice = Attachment(AttachmentKind.VOICE, ref="high", mime="audio/wav")
        await customers["loud"].says("", attachments=(voice,))
        await customers["angry"].says("I have asked you five times, nobody answers, this is outrageous!!!")
        await road.settle()
        # Then these two are listed before the one who came first, each with what told it
        kept = await road.store.read(lambda tx: tx.conversations.list(Owner.DESK))
        assert [one.address.chat for one in kept] == ["calm", "loud", "angry"]
        ordered = [(one.address.chat, one.strained) for one in in_order(kept, road.clock.now())]
        assert ordered == [("loud", "voice"), ("angry", "words"), ("calm", "")]
    finally:
        await road.answering.close()
        await road.courier.close()
        await road.store.close()


def as_wav(some: Wave) -> bytes:
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(some, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
