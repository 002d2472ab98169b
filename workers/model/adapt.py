"""From a knowledge base to everything that scoring a question against it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.knowledge.entries import KnowledgeBase, english
from workers.model import pronunciation
from workers.model.calibration import Calibration, Outcomes, Thresholds, calibrate, prior, thresholds
from workers.model.encodings import EncodingCache, Remembered, encoded
from workers.model.heads import Floats, Integers, Kernel, wording_share
from workers.model.learning import learn
from workers.model.lexical import Counts, count, lexicon
from workers.model.matching import Match, Matcher
from workers.model.phrases import MOST
from workers.model.points import Points, phrases_of
from workers.model.ports import TextEncoder, WordTower
from workers.model.smalltalk import SmallTalk, outside, small_talk
from workers.model.spelling import Spelling, spelling

PHOTO_KERNEL = Kernel(width=2.0)
FAMILIAR = 0.6  # cosine from which on a sentence of ours is about this very knowledge base, so not out of its scope


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A matcher with its calibration; `members` (m,) are the entries its numbers stand for, `names` (n,) its points."""

    matcher: Matcher
    calibration: Calibration
    members: Integers
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A knowledge base as the model knows it.

    `entries` are the ids of the live entries in the knowledge base's order; `outside` (k, dim) vectors of sentences out
    of scope; `words` (n, d) the phrases in the space of a word tower's pictures, or None; `spelling` mends typing
    errors where everyday words are known (English); `encoder` is the digest of the text encoder these vectors are of.
    `heard` is what `voiced` adds.
    """

    entries: tuple[str, ...]
    texts: Part | None
    photos: Part | None
    outside: Floats
    words: Floats | None
    talk: SmallTalk
    thresholds: Thresholds
    spelling: Spelling
    encoder: str
    heard: Part | None = None


def adapt(
    knowledge: KnowledgeBase,
    *,
    text: TextEncoder,
    photos: Mapping[str, Sequence[tuple[str, Floats]]] | None = None,
    tower: WordTower | None = None,
    cache: EncodingCache | None = None,
) -> Adapted:
    """Learn a knowledge base: one phrase an entry is enough, 15,000 phrases take seconds once they are encoded.

    Args:
        knowledge: only its live entries count.
        text: whose vectors questions will have.
        photos: entry id -> (name, vector (dim,)) of each of its example photos.
        tower: the image encoder, where it puts words into the space of its pictures.
        cache: where encodings are looked up before they are made.
    """
    cache = cache if cache is not None else Remembered()
    said = phrases_of(knowledge)
    strange = _strange(knowledge, text, cache)
    texts, limits = _texts(said, text, cache, strange, knowledge.error_budget)
    return Adapted(
        entries=tuple(entry.id for entry in knowledge.live),
        texts=texts,
        photos=_photos(knowledge, photos or {}),
        outside=strange[1],
        words=None if tower is None or not said.texts else tower.encode_words(said.texts),
        talk=small_talk(text, cache),
        thresholds=limits,
        spelling=spelling(said.texts) if english(knowledge.language) else Spelling(),
        encoder=text.digest,
    )


def voiced(
    adapted: Adapted, knowledge: KnowledgeBase, *, text: TextEncoder, cache: EncodingCache | None = None
) -> Adapted:
    """An adapted knowledge base that also tells its phrases apart by how they sound, for what a recogniser wrote.

    It takes about as long as to adapt to the words, so it is done when the first voice note comes; only English is
    known by its sounds. The arguments are those of `adapt`.
    """
    if adapted.heard is not None or adapted.texts is None or not english(knowledge.language):
        return adapted
    cache = cache if cache is not None else Remembered()
    strange = _strange(knowledge, text, cache)
    heard, _ = _texts(phrases_of(knowledge), text, cache, strange, knowledge.error_budget, pronunciation.count)
    return replace(adapted, heard=heard)


def _strange(knowledge: KnowledgeBase, text: TextEncoder, cache: EncodingCache) -> tuple[list[str], Floats]:
    """Sentences out of scope, in English and the languages spoken here as far as the encoder knows them."""
    spoken = {tag.split("-")[0].lower() for tag in knowledge.languages}
    known = text.languages or frozenset(outside())
    chosen = [one for tongue, texts in outside().items() if tongue in known & (spoken | {"en"}) for one in texts]
    return chosen, encoded(text, chosen, cache)


def _texts(
    said: Points,
    text: TextEncoder,
    cache: EncodingCache,
    strange: tuple[list[str], Floats],
    budget: float,
    counted: Callable[[str], Counts] = count,
) -> tuple[Part | None, Thresholds]:
    ships = prior("text")
    if not said.texts:
        return None, thresholds(ships, ships.calibration, (_nothing(),) * 3, 1.0, budget)
    vectors = encoded(text, said.texts, cache)
    words = lexicon([counted(one) for one in said.texts], pieces=len(said.texts) <= MOST)
    crowd = float(said.spoken.sum()) / len(said.members)
    matcher, rehearsal = learn(vectors, said.owner, said.spoken, Kernel(share=wording_share(crowd)), words)

    def beyond(points: Integers) -> Floats:
        nearest: Floats = np.max(matcher.vectors[points] @ strange[1].T, axis=1, initial=-1)
        return nearest

    inside = Outcomes.of(rehearsal.alone, rehearsal.truth, max(crowd - 1, 1.0), beyond(rehearsal.alone_points))
    gone = Outcomes.of(rehearsal.gone, None, crowd, beyond(rehearsal.gone_points))
    match = matcher.match(strange[1], [counted(one) for one in strange[0]])
    others = strange[1] @ strange[1].T
    np.fill_diagonal(others, -1)
    far = match.near.max(axis=1, initial=-1) < FAMILIAR
    absent = Outcomes.of(_only(match, far), None, crowd, others.max(axis=1, initial=-1)[far])
    ours = calibrate(ships, inside, gone, absent)
    limits = thresholds(ships, ours, (inside, gone, absent), crowd, budget)
    return Part(matcher, ours, said.members, said.texts), limits


def _photos(knowledge: KnowledgeBase, photos: Mapping[str, Sequence[tuple[str, Floats]]]) -> Part | None:
    members = [i for i, entry in enumerate(knowledge.live) if photos.get(entry.id)]
    if not members:
        return None
    examples = [photos[knowledge.live[i].id] for i in members]
    owner = np.repeat(np.arange(len(members)), [len(few) for few in examples])
    vectors = np.stack([vector for few in examples for _, vector in few]).astype(np.float32)
    matcher, rehearsal = learn(vectors, owner, np.ones(len(owner), dtype=bool), PHOTO_KERNEL, None)

    def outcomes(match: Match, truth: Integers | None, crowd: float) -> Outcomes:
        return Outcomes.of(match, truth, crowd, np.zeros(len(match), dtype=np.float32))

    inside = outcomes(rehearsal.alone, rehearsal.truth, max(matcher.crowd - 1, 1.0))
    ours = calibrate(prior("photo"), inside, outcomes(rehearsal.gone, None, matcher.crowd), _nothing())
    return Part(matcher, ours, np.array(members), tuple(name for few in examples for name, _ in few))


def _nothing() -> Outcomes:
    empty = np.zeros(0, dtype=bool)
    return Outcomes(np.zeros((0, len(prior("text").calibration.weights))), empty, empty)


def _only(match: Match, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Match:
    return Match(match.scores[chosen], match.near[chosen], match.wording[chosen], match.rank[chosen])
