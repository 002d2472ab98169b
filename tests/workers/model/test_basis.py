"""What changes how questions are scored changes the digest, nothing else does; publishing does not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.knowledge.entries import Case, Desk, Entry, KnowledgeBase
from core.knowledge.files import load
from core.knowledge.packing import pack
from core.media import sniff, strip
from core.snapshot import Snapshot, unpacked
from core.store.blobs import BlobFolder
from tests.workers.model.wordy import Wordy
from workers.model.adapt import adapt
from workers.model.basis import basis
from workers.model.heard import Said, hear
from workers.model.scoring import score_all

ANSWER = {"en": "We pack it on the same day. Then a van takes it away.", "de": "Wir packen sofort."}
LAMP = Entry("lamp", "Where is my lamp?", ANSWER, variants=("lamp gone",), photos=("a" * 64,))
CHAIR = Entry("chair", "Is the chair green?", {"en": "It is green, as all our chairs are."})
OLD = Entry("old", "Gone", {"en": "x"}, enabled=False)
SHOP = KnowledgeBase("Shop", entries=(LAMP, CHAIR, OLD))


def edited(**more: object) -> KnowledgeBase:
    return replace(SHOP, entries=(replace(LAMP, **more), CHAIR, OLD))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        edited(id="lamps"),
        edited(question="Where is the lamp?"),
        edited(variants=("lamp gone", "no lamp")),
        edited(photos=("b" * 64,)),
        edited(photos=()),
        edited(answer=ANSWER | {"en": "We pack it on the next day."}),
        edited(answer=ANSWER | {"fr": "Nous faisons le paquet."}),
        edited(enabled=False),
        replace(SHOP, entries=(LAMP, CHAIR, replace(OLD, enabled=True))),
        replace(SHOP, language="de"),
    ],
)
def test_what_questions_are_scored_by_counts(other: KnowledgeBase) -> None:
    assert basis(other) != basis(SHOP)


@pytest.mark.parametrize(
    "other",
    [
        edited(question=" Where  is my lamp? "),
        edited(variants=("lamp gone", "lamp gone")),
        edited(answer=ANSWER | {"en": "We **pack** it on the same day. Then a van takes it away."}),
        edited(answer=ANSWER | {"de": "Wir packen es sofort ein."}),
        edited(intent="light", tags=("x",), media=("c" * 64,), escalate=True),
        replace(SHOP, entries=(LAMP, CHAIR, replace(OLD, question="Long gone"))),
        replace(SHOP, title="Store", error_budget=0.05, messages={"welcome": {"en": "hi"}}, desk=Desk("Europe/Berlin")),
        replace(SHOP, cases=(Case("lamp", "lamp?"),)),
    ],
)
def test_what_no_score_depends_on_may_be_edited(other: KnowledgeBase) -> None:
    assert basis(other) == basis(SHOP)


def test_an_answer_does_change_how_sure_it_is() -> None:
    """Why answers are part of it: their sentences are compared with what was asked."""
    wordy = Wordy()

    def sure(knowledge: KnowledgeBase) -> float:
        adapted = adapt(knowledge, text=wordy)
        (one,) = score_all(adapted, hear([Said(text="when do you pack the lamp")], wordy, adapted.spelling))
        return one.confidence

    assert abs(sure(SHOP) - sure(edited(answer={"en": "Ask our van."}))) > 1e-3


def test_it_is_the_same_in_a_file_a_release_and_a_training(tmp_path: Path) -> None:
    # Given a knowledge base in files, whose photo tells where it was taken
    exif = Image.Exif()
    exif[0x010E] = "at home"
    Image.new("RGB", (32, 32), (200, 40, 40)).save(tmp_path / "lamp.jpg", exif=exif)
    (tmp_path / "kb.yaml").write_text(
        "polydesk: 1\ntitle: Shop\nentries:\n"
        "  - {id: lamp, question: Where is it?, variants: [lamp], answer: 'Here. **There** too.', photos: [lamp.jpg]}\n"
        "  - {id: chair, question: Is it green?, answer: Yes}\n"
    )
    written = load(tmp_path / "kb.yaml")
    blobs = BlobFolder(tmp_path / "blobs")
    # When it is published, which strips the photo, and unpacked for a training
    published = pack(written, publishing(blobs))
    unpacked_kb, _ = unpacked(Snapshot(published), room(tmp_path), blobs)
    # Then it is the same to whoever proves something about it
    raw = (tmp_path / "lamp.jpg").read_bytes()
    assert published.entries[0].photos != (hashlib.sha256(raw).hexdigest(),)
    assert basis(written) == basis(published) == basis(load(unpacked_kb))
    (tmp_path / "lamp.jpg").unlink()
    assert basis(written) != basis(published)


def publishing(blobs: BlobFolder) -> Callable[[Path], str]:
    def put(path: Path) -> str:
        raw = path.read_bytes()
        return blobs.put(strip(raw, sniff(raw).mime))

    return put


def room(place: Path) -> Path:
    (place / "room").mkdir()
    return place / "room"
