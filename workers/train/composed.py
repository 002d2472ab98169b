"""Knowledge bases drawn at random, with questions of several channels whose right entry is known by rule.

Three kinds of knowledge bases: topics of which some have a look (a thing whose photos mean that topic); things that are
described and photographed; and matters of things ("how do I store an avocado"), where words tell the matter and a photo
tells the thing, so that neither is enough. The patterns of questions, with the rule that says what is right:

- `agree`: every channel is about the entry.
- `alone`: a picture without a word, about the entry or about none.
- `empty`: one channel is about the entry, the others say nothing (a photo of something else, "see the picture").
- `parts`: words tell the matter, a photo or an earlier message the thing.
- `conflict`: words are about one entry, what is shown about another. The words are right in 60 of 100, the picture in
  20; in the others nobody can tell, so that nothing is. What people do nobody has measured; this is our assumption.
- `none`: no channel is about any entry.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.knowledge.entries import Entry, KnowledgeBase
from workers.model.heads import Floats
from workers.model.heard import Said
from workers.train.material import Material, Photo, Thing

PATTERNS = ("agree", "alone", "empty", "parts", "conflict", "none")
_SHARES = (0.3, 0.18, 0.2, 0.0, 0.12, 0.2)
_SAYS_NOTHING = (
    (
        "see the picture",
        "look at this",
        "hello, please have a look",
        "what about this?",
        "this one",
        "can you help me?",
    ),
    (
        "here is a photo",
        "as you can see",
        "hi there, any idea?",
        "check this out please",
        "what is that?",
        "help please",
    ),
)
_MATTERS = (
    {
        "rotten": ("the {} was rotten when it arrived", "my {} came spoiled", "it smells bad and has brown spots"),
        "price": ("how much does the {} cost", "price of the {}", "what do I pay for it?"),
        "store": ("how do I store the {}", "where should I keep the {}", "does it go into the fridge?"),
        "cancel": ("take the {} off my order", "I don't want the {} any more", "please remove that from my basket"),
        "organic": ("is the {} organic", "was the {} grown without pesticides", "is it from a certified farm?"),
        "stock": ("do you have the {} in stock", "when is the {} available again", "is it sold out?"),
    },
    {
        "origin": ("where does the {} come from", "which country is the {} from", "who produces it?"),
        "missing": ("the {} was not in my parcel", "you forgot the {}", "it was on the bill, and I never got it"),
        "recipe": ("what can I cook with the {}", "a recipe with {}", "how do people prepare it?"),
        "allergy": ("can I eat the {} with an allergy", "does the {} contain nuts", "is it safe for my allergic son?"),
        "wrong": ("I got the wrong kind of {}", "this is not the {} that I ordered", "you sent me another kind"),
        "bulk": ("can I order a box of {}", "discount for ten {}", "what if I need twenty of them?"),
    },
)


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """A question with the id of its right entry, empty when it should not be answered."""

    said: Said
    truth: str
    pattern: str


@dataclass(slots=True, eq=False)
class Subject:
    """What customers say about an entry (bare: without naming the thing), and what they show."""

    entry: Entry
    phrases: Sequence[str]
    photos: Sequence[Photo] = ()
    bare: str = ""
    thing: str = ""


@dataclass(slots=True, eq=False)
class World:
    """A knowledge base with its example photos, and all that questions about it are made of."""

    knowledge: KnowledgeBase
    examples: dict[str, list[tuple[str, Floats]]]
    subjects: list[Subject]
    strangers: Sequence[str]
    strange: Sequence[Photo]
    parts: bool = False
    _by_thing: dict[str, list[Subject]] = field(default_factory=dict)


def world(material: Material, dice: random.Random) -> World:
    """Draw a knowledge base."""
    return dice.choice((_of_topics, _of_topics, _of_things, _of_matters))(material, dice)


def questions(world: World, material: Material, dice: random.Random, many: int, *, unseen: bool) -> list[Composed]:
    """Draw questions, most of them of several channels."""
    shares = (0.18, 0.0, 0.2, 0.32, 0.1, 0.2) if world.parts else _SHARES
    found: list[Composed] = []
    while len(found) < many:
        pattern = dice.choices(PATTERNS, shares)[0]
        one = _question(world, material, dice, pattern, _SAYS_NOTHING[unseen])
        if one is not None:
            found.append(one)
    return found


def _of_topics(material: Material, dice: random.Random) -> World:
    size, known, looks = dice.randint(6, 60), dice.choice((1, 2, 3, 5, 8, 15)), dice.choice((0.3, 0.6, 1.0))
    topics = dice.sample(sorted(material.topics), min(size + 10, len(material.topics)))
    things = dice.sample(material.things, len(material.things))
    subjects, examples = [], {}
    for number, topic in enumerate(topics[:size]):
        # Sentences that were rendered are asked, not known, so that a screen or a note is never a phrase of the entry.
        rendered = [s for s in material.topics[topic] if s in material.screens or s in material.notes]
        others = [s for s in material.topics[topic] if s not in material.screens and s not in material.notes]
        some = dice.sample(others, min(len(others), known + 12))
        entry = Entry(id=f"e{number}", question=some[0], answer={}, variants=tuple(some[1:known]))
        photos: Sequence[Photo] = ()
        if things and dice.random() < looks:
            thing = things.pop()
            shown = dice.randint(1, 3)
            examples[entry.id] = [(f"{entry.id}-{i}", photo.vector) for i, photo in enumerate(thing.photos[:shown])]
            photos = (*thing.photos[shown:], *thing.bad[shown:])
        subjects.append(Subject(entry, (*some[known:], *rendered), photos))
    near = [s for topic in topics[size:] for s in dice.sample(material.topics[topic], 3)]
    strange = (*material.strange, *(photo for thing in things for photo in thing.photos))
    return _world(subjects, examples, (*material.strangers, *near), strange)


def _of_things(material: Material, dice: random.Random) -> World:
    things = dice.sample(material.things, dice.randint(6, max(len(material.things) - 8, 7)))
    left = [thing for thing in material.things if thing not in things]
    subjects, examples = [], {}
    for number, thing in enumerate(things):
        shown, half = dice.randint(1, 3), max(1, len(thing.sentences) // 2)
        entry = Entry(id=f"e{number}", question=thing.name, answer={}, variants=tuple(thing.sentences[:half]))
        examples[entry.id] = [(f"{entry.id}-{i}", photo.vector) for i, photo in enumerate(thing.photos[:shown])]
        subjects.append(
            Subject(entry, _described(thing, dice), (*thing.photos[shown:], *thing.bad[shown:]), thing=thing.name)
        )
    near = [sentence for thing in left for sentence in _described(thing, dice)[:3]]
    strange = (*material.strange, *(photo for thing in left for photo in thing.photos))
    return _world(subjects, examples, (*material.strangers[: len(near)], *near), strange)


def _of_matters(material: Material, dice: random.Random) -> World:
    unseen = 0 if any(topic.startswith("bank ") for topic in material.topics) else 1
    things = dice.sample(material.things, dice.randint(3, 8))
    matters = dice.sample(sorted(_MATTERS[unseen]), dice.randint(2, 5))
    subjects, examples = [], {}
    for thing in things:
        shown = dice.randint(1, 3)
        for matter in matters:
            whole, other, bare = _MATTERS[unseen][matter]
            id = f"{matter}-{thing.name.replace(' ', '-')}"
            entry = Entry(id=id, question=whole.format(thing.name), answer={})
            examples[id] = [(f"{id}-{i}", photo.vector) for i, photo in enumerate(thing.photos[:shown])]
            photos = (*thing.photos[shown:], *thing.bad[shown:])
            subjects.append(Subject(entry, (other.format(thing.name),), photos, bare, thing.name))
    left = [thing for thing in material.things if thing not in things]
    strange = (*material.strange, *(photo for thing in left for photo in thing.photos))
    return replace(_world(subjects, examples, material.strangers, strange), parts=True)


def _world(
    subjects: list[Subject],
    examples: dict[str, list[tuple[str, Floats]]],
    strangers: Sequence[str],
    strange: Sequence[Photo],
) -> World:
    knowledge = KnowledgeBase(title="drawn", entries=tuple(subject.entry for subject in subjects))
    return World(knowledge, examples, subjects, strangers, strange)


def _described(thing: Thing, dice: random.Random) -> list[str]:
    """Customers' words: some of what is written about the thing, at times a word of its name."""
    said = []
    for _ in range(6):
        words = [word for word in " ".join(thing.sentences).split() if dice.random() < 0.22]
        said.append(" ".join([*words, *([dice.choice(thing.name.split())] if dice.random() < 0.4 else [])]) or "hm")
    return said


def _question(
    world: World, material: Material, dice: random.Random, pattern: str, nothing: Sequence[str]
) -> Composed | None:
    subject, other = dice.sample(world.subjects, 2)
    if pattern == "none":
        return _none(world, material, dice, nothing)
    if pattern == "alone":
        return _alone(world, subject, material, dice)
    if pattern == "parts":
        return _parts(subject, material, dice)
    if pattern == "conflict":
        said = _words(subject.phrases, material, dice)
        shown = _shown(other, dice)
        if said is None or shown is None:
            return None
        right = dice.choices((subject.entry.id, other.entry.id, ""), (0.6, 0.2, 0.2))[0]
        return Composed(_together(said, shown), right, pattern)
    words, shown = _words(subject.phrases, material, dice), _shown(subject, dice)
    if words is None:
        return None
    if pattern == "agree":
        parts = [words] + ([shown] if shown is not None else [])
        if len(parts) < 2 or dice.random() < 0.3:
            also = _words(subject.phrases, material, dice, but=words)
            parts += [also] if also is not None else []
        return Composed(_together(*parts), subject.entry.id, pattern) if len(parts) > 1 else None
    # One is about the entry, the other about nothing.
    if shown is not None and dice.random() < 0.5:
        return Composed(_together(shown, Said(text=dice.choice(nothing))), subject.entry.id, pattern)
    beside = _picture(dice.choice(world.strange)) if dice.random() < 0.7 else _stranger_screen(world, material, dice)
    return Composed(_together(words, beside), subject.entry.id, pattern) if beside is not None else None


def _alone(world: World, subject: Subject, material: Material, dice: random.Random) -> Composed | None:
    """A picture without a word: of what the entry looks like, a screen that says it, or of something else."""
    if dice.random() < 0.3:
        other = _stranger_screen(world, material, dice) if dice.random() < 0.3 else _picture(dice.choice(world.strange))
        return Composed(other, "", "alone") if other is not None else None
    screens = [phrase for phrase in subject.phrases if phrase in material.screens]
    if screens and (not subject.photos or dice.random() < 0.4):
        return Composed(_picture(material.screens[dice.choice(screens)]), subject.entry.id, "alone")
    shown = _shown(subject, dice)
    return Composed(shown, subject.entry.id, "alone") if shown is not None else None


def _parts(subject: Subject, material: Material, dice: random.Random) -> Composed | None:
    """The matter in words without the thing's name, the thing in a photo or in the message before."""
    if not subject.bare:
        return None
    if dice.random() < 0.75:
        seen = Said(photos=None)
        photo = dice.choice(subject.photos)
        return Composed(_together(Said(text=subject.bare), _picture(photo), seen), subject.entry.id, "parts")
    before = dice.choice(
        (f"I ordered the {subject.thing}", f"{subject.thing}", f"a question about the {subject.thing}")
    )
    return Composed(Said(text=subject.bare, history=(before,)), subject.entry.id, "parts")


def _none(world: World, material: Material, dice: random.Random, nothing: Sequence[str]) -> Composed | None:
    words: Said | None = Said(text=dice.choice(world.strangers))
    if dice.random() < 0.3:
        words = Said(text=dice.choice(nothing))
    elif dice.random() < 0.4:
        words = _words(world.strangers, material, dice)
    beside = _picture(dice.choice(world.strange)) if dice.random() < 0.7 else _stranger_screen(world, material, dice)
    return Composed(_together(words, beside), "", "none") if words is not None and beside is not None else None


def _words(phrases: Sequence[str], material: Material, dice: random.Random, but: Said | None = None) -> Said | None:
    """What is typed, spoken or on a screen, of one of the phrases."""
    kinds = [kind for kind in ("typed", "spoken", "screen") if but is None or kind not in _kinds(but)]
    dice.shuffle(kinds)
    for kind in kinds:
        known = {"typed": phrases, "spoken": material.notes, "screen": material.screens}[kind]
        some = [phrase for phrase in phrases if phrase in known]
        if not some:
            continue
        phrase = dice.choice(some)
        if kind == "typed":
            return Said(text=phrase)
        if kind == "screen":
            return _picture(material.screens[phrase])
        heard, sure = material.notes[phrase]
        return Said(transcript=heard, certainty=sure)
    return None


def _kinds(said: Said) -> list[str]:
    has = {"typed": said.text, "spoken": said.transcript, "screen": said.photos is not None}
    return [kind for kind, there in has.items() if there]


def _shown(subject: Subject, dice: random.Random) -> Said | None:
    return _picture(dice.choice(subject.photos)) if subject.photos else None


def _stranger_screen(world: World, material: Material, dice: random.Random) -> Said | None:
    some = [sentence for sentence in world.strangers if sentence in material.screens]
    return _picture(material.screens[dice.choice(some)]) if some else None


def _picture(photo: Photo) -> Said:
    return Said(photos=photo.vector[None], shown=photo.shown[None], ocr=photo.lines)


def _together(*parts: Said) -> Said:
    """One question of all these parts."""
    photos = [part.photos for part in parts if part.photos is not None]
    shown = [part.shown for part in parts if part.shown is not None]
    notes = [part for part in parts if part.transcript]
    return Said(
        text=next((part.text for part in parts if part.text), ""),
        transcript=notes[0].transcript if notes else "",
        certainty=notes[0].certainty if notes else 1.0,
        ocr=tuple(line for part in parts for line in part.ocr),
        photos=np.concatenate(photos) if photos else None,
        shown=np.concatenate(shown) if shown else None,
        history=next((part.history for part in parts if part.history), ()),
    )
