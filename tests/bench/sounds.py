"""Whether how a voice note sounds, projected into the space of words, adds anything to its transcript.

    python -m tests.bench.sounds ../shared/data var/models WORK [--notes 150]

Spoken orders (Picovoice's grammar, Apache-2.0), an entry a drink with its name and 40 phrases; names of drinks are what
the recogniser garbles. Notes are other sentences of the grammar, each said once, by three synthesised voices, half of
them with noise 12 dB below: two voices teach, the third is asked, each in turn. Then all three teach, and the 18 real
recordings are asked, clean and with noise. No voice is in both, nor any sentence that we had spoken.

The rows: the transcript as the bot scores it; likewise when the transcripts of the teaching notes have become phrases
of their entries, which training from history does anyway; the projection alone; both together, with the weight that
was best when one of the teaching voices was left out of everything. Sources are what the voice encoder gives, then
the recogniser's top layer with it or alone. Gains have bootstrap intervals (95 %).

Then ten sentences by six speakers (EmoDB, CC0; German, which the recogniser does not know): sentences that others said
in training, and sentences that nobody did. What was heard is kept in WORK.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from core.knowledge.entries import Entry, KnowledgeBase
from tests.bench.asked import lost, share, slug
from tests.bench.orders import BELOW, order
from tests.bench.voices import VOICES, noisy, say_as
from workers.media.audio import decode
from workers.model import phonetic
from workers.model.adapt import adapt, voiced
from workers.model.channels import Texts, opinions
from workers.model.encodings import Remembered, encoded
from workers.model.fusion.opinions import VOICE
from workers.model.heads import Floats, Integers
from workers.model.heard import Said, hear
from workers.model.ports import RATE, TextEncoder, Wave
from workers.model.shelf import Shelf
from workers.model.voice import VoiceEncoder
from workers.train.hearing import Notes, believed, nearness, parts, project, together
from workers.train.tone import listen as hear_clips

REAL = "real"
SOURCES = {"": slice(None, -1), ", with the top layer": slice(None), ", the top layer alone": slice(-1, None)}
PHRASES = 40
SENTENCES_SAID = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}  # of EmoDB, by its codes


@dataclass(frozen=True)
class Note:
    """A voice note with its entry's number, who speaks, whether there is noise, how it is made."""

    name: str
    owner: int
    speaker: str
    noise: bool
    make: Callable[[], Wave]


@dataclass(frozen=True)
class Listened:
    """All notes of a set: `notes` with empty transcripts' vectors, what was understood, how surely; `noise` (n,)."""

    notes: Notes
    said: tuple[str, ...]
    sure: tuple[float, ...]
    noise: np.ndarray[tuple[int], np.dtype[np.bool_]]


def orders(folder: Path, many: int) -> tuple[dict[str, list[str]], list[Note]]:
    """Phrases by entry; the notes, real ones last."""
    grammar = yaml.safe_load((folder / "coffee_maker.yaml").read_text(encoding="utf-8"))["context"]
    drinks: list[str] = grammar["slots"]["coffeeDrink"]
    dice = random.Random(4)
    phrases = {slug(drink): [drink, *(order(grammar, drink, dice) for _ in range(PHRASES))] for drink in drinks}
    known = {text for some in phrases.values() for text in some}
    dice, notes = random.Random(11), []
    for number in range(many):
        drink = drinks[number % len(drinks)]
        while (text := order(grammar, drink, dice)) in known:
            pass
        known.add(text)
        speaker, noise = VOICES[number // 10 % 3], bool(number // 30 % 2)
        notes.append(Note(str(number), number % len(drinks), speaker, noise, _spoken(text, speaker, noise, number)))
    labels = json.loads((folder / "label.json").read_text(encoding="utf-8"))
    for number, file in enumerate(sorted((folder / "speech").rglob("*.wav"))):
        drink = slug(labels[file.name]["slots"]["coffeeDrink"].strip())
        for noise in (False, True):
            make = _real(file, noise, 1000 * number + noise)
            notes.append(Note(f"{file.stem}-{int(noise)}", list(phrases).index(drink), REAL, noise, make))
    return phrases, notes


def _spoken(text: str, speaker: str, noise: bool, seed: int) -> Callable[[], Wave]:
    def make() -> Wave:
        dice = random.Random(seed)
        wave = say_as(text, speaker, dice)
        return noisy(wave, BELOW, dice) if noise else wave

    return make


def _real(file: Path, noise: bool, seed: int) -> Callable[[], Wave]:
    def make() -> Wave:
        wave = decode(file.read_bytes()).wave
        return noisy(wave, BELOW, random.Random(seed)) if noise else wave

    return make


def listen(notes: Sequence[Note], models: Path, work: Path) -> Listened:
    """Hear notes that were not heard before; the recogniser's top layer is the last block."""
    shelf, loaded, rows = Shelf(models, device="cpu"), [], []
    for note in notes:
        place = work / f"{note.name}.npz"
        if not place.is_file():
            if not loaded:
                loaded.append(phonetic.Phonetic(models / "speech-en", layers=8))
            wave = note.make()
            (said,) = shelf.speech.transcribe([wave])
            blocks = [*parts(shelf.voice.encode([wave])), loaded[0].states([wave])]
            place.parent.mkdir(parents=True, exist_ok=True)
            draft = place.with_suffix(".new.npz")
            np.savez(draft, said=said.text, sure=said.confidence, **{f"b{i}": b[0] for i, b in enumerate(blocks)})
            draft.rename(place)
        with np.load(place) as kept:
            rows.append({name: kept[name] for name in kept.files})
    width = sum(name.startswith("b") for name in rows[0])
    return Listened(
        Notes(
            tuple(np.stack([row[f"b{i}"] for row in rows]).astype(np.float32) for i in range(width)),
            np.zeros((len(rows), 1), np.float32),
            np.array([note.owner for note in notes]),
            np.array([note.speaker for note in notes]),
        ),
        tuple(str(row["said"]) for row in rows),
        tuple(float(row["sure"]) for row in rows),
        np.array([note.noise for note in notes]),
    )


@dataclass(frozen=True)
class Bench:
    """Phrases by entry with everything that was heard."""

    phrases: dict[str, list[str]]
    heard: Listened
    encoder: TextEncoder
    cache: Remembered = field(default_factory=Remembered)

    def understood(self, asked: Integers, taught: Integers) -> Floats:
        """(n, entries): what the channel `voice` thinks of notes when other notes' transcripts became phrases."""
        ids = list(self.phrases)
        more: dict[str, list[str]] = {id: list(some) for id, some in self.phrases.items()}
        for row in taught:
            if self.heard.said[row]:
                more[ids[self.heard.notes.owner[row]]].append(self.heard.said[row])
        entries = tuple(Entry(id, some[0], {}, variants=tuple(dict.fromkeys(some[1:]))) for id, some in more.items())
        knowledge = KnowledgeBase(title="orders", entries=entries)
        plain = adapt(knowledge, text=self.encoder, cache=self.cache)
        adapted = voiced(plain, knowledge, text=self.encoder, cache=self.cache)
        said = [Said(transcript=self.heard.said[row], certainty=self.heard.sure[row]) for row in asked]
        ready = hear(said, self.encoder, adapted.spelling)
        texts, found = Texts(adapted, ready), np.full((len(asked), len(ids)), 1 / len(ids), np.float32)
        for row, one in enumerate(ready):
            for opinion in opinions(adapted, one, texts):
                if opinion.channel == VOICE:
                    found[row] = opinion.scores
        return found

    def meant(self, asked: Integers) -> Floats:
        """(n, entries): how near each note's transcript is, as `sounds` has it without any sound."""
        ids = list(self.phrases)
        text_of = np.array([ids.index(id) for id, some in self.phrases.items() for _ in some])
        texts = encoded(self.encoder, [one for some in self.phrases.values() for one in some], self.cache)
        return nearness(encoded(self.encoder, self.heard.said, self.cache)[asked], texts, text_of, len(ids))

    def sounds(self, asked: Integers, taught: Integers, some: slice, added: bool) -> Floats:
        """(n, entries): how near the projection of some blocks is; `added` to the transcript's vector, or alone."""
        notes, ids = self.heard.notes, list(self.phrases)
        said = encoded(self.encoder, self.heard.said, self.cache)
        whole = Notes(notes.blocks[some], said if added else np.zeros_like(said), notes.owner, notes.speaker)
        text_of = np.array([ids.index(id) for id, some in self.phrases.items() for _ in some])
        texts = encoded(self.encoder, [one for some in self.phrases.values() for one in some], self.cache)
        every = np.arange(len(notes.owner))
        found = project(whole.only(np.isin(every, taught)), texts, text_of)
        return nearness(found.vectors(whole)[asked], texts, text_of, len(ids))


def folds(heard: Listened) -> Iterator[tuple[Integers, Integers]]:
    """What is asked, what teaches."""
    speaker = heard.notes.speaker
    for one in VOICES:
        yield np.flatnonzero(speaker == one), np.flatnonzero((speaker != one) & (speaker != REAL))
    yield np.flatnonzero(speaker == REAL), np.flatnonzero(speaker != REAL)


def table(bench: Bench) -> None:
    """Print a row a way, columns for synthesised and real notes, clean and noisy."""
    notes, truth = bench.heard.notes, bench.heard.notes.owner
    ways: dict[str, dict[int, bool]] = {}
    plain, learned = "transcript alone", "transcript, taught by the notes' transcripts"
    for asked, taught in folds(bench.heard):
        inner = [(taught[notes.speaker[taught] == one], taught[notes.speaker[taught] != one]) for one in VOICES]
        inner = [(out, rest) for out, rest in inner if len(out) and len(rest)]
        scored = {plain: bench.understood(asked, taught[:0]), learned: bench.understood(asked, taught)}
        before, owners = [bench.understood(*pair) for pair in inner], [truth[out] for out, _ in inner]
        again = believed(before, [bench.meant(out) for out, _ in inner], owners)
        scored["nearest text of the transcript's vector"] = bench.meant(asked)
        scored["both: nearest text of the transcript's vector"] = together(scored[learned], bench.meant(asked), again)
        for source, some in SOURCES.items():
            for added in (False, True):
                name = f"projection{source}{', added to the transcript' * added}"
                began = time.process_time()
                scored[name] = bench.sounds(asked, taught, some, added)
                took = time.process_time() - began
                held = [bench.sounds(out, rest, some, added) for out, rest in inner]
                weight = believed(before, held, owners)
                scored[f"both: {name}"] = together(scored[learned], scored[name], weight)
                print(f"  {name}: trained in {took:.1f} s on {len(taught)} notes, weight {weight}", flush=True)
        for name, scores in scored.items():
            ways.setdefault(name, {}).update(zip(asked.tolist(), scores.argmax(axis=1) == truth[asked], strict=True))
    real = notes.speaker == REAL
    columns = [np.flatnonzero((real == which) & (bench.heard.noise == loud)) for which in (0, 1) for loud in (0, 1)]
    columns += [np.flatnonzero(~real), np.flatnonzero(real)]
    print("| way | " + " | ".join(f"{name} ({len(some)})" for name, some in zip(
        ("unseen voice", "12 dB", "real", "real, 12 dB", "synthesised: gain", "real: gain"), columns, strict=True
    )) + " |\n" + "| --- " * 7 + "|")  # fmt: skip
    for name, right in ways.items():
        cells = [share([right[row] for row in some]) for some in columns[:4]]
        cells += [lost([right[r] for r in some], [ways[learned][r] for r in some]) for some in columns[4:]]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def sentences(data: Path, models: Path, work: Path) -> None:
    """Print how often a voice alone finds its sentence of ten."""
    shelf, codes = Shelf(models, device="cpu"), list(SENTENCES_SAID)
    found = hear_clips(data / "emodb/wav", shelf.voice, work)
    clips, blocks = found.clips, parts(found.ways["clean"])
    texts = shelf.text("de").encode(list(SENTENCES_SAID.values()))
    nothing = np.zeros((len(clips), texts.shape[1]), np.float32)
    owner, speaker = np.array([codes.index(one.sentence) for one in clips]), np.array([one.speaker for one in clips])
    notes = Notes(blocks, nothing, owner, speaker)
    known: list[bool] = []
    strange: list[bool] = []
    for one in sorted(set(speaker.tolist())):
        for left in (None, *range(5)):
            out = (owner % 5 == left) & (left is not None)
            learned = project(notes.only((speaker != one) & ~out), texts, np.arange(len(codes)))
            asked = notes.only((speaker == one) & (out | (left is None)))
            first = nearness(learned.vectors(asked), texts, np.arange(len(codes)), len(codes)).argmax(axis=1)
            (known if left is None else strange).extend((first == asked.owner).tolist())
    print(f"EmoDB, unseen speaker: sentences of training {share(known)}, other sentences {share(strange)}, chance 10")


def cost(encoder: VoiceEncoder) -> None:
    """Print what a note of five seconds costs, in time of the processor, which others cannot lengthen."""
    wave = np.random.default_rng(0).normal(0, 0.1, 5 * RATE).astype(np.float32)
    times = []
    for _ in range(5):
        began = time.process_time()
        encoder.encode([wave])
        times.append(1000 * (time.process_time() - began))
    print(f"the voice encoder takes {np.median(times):.0f} ms of a processor for 5 s of sound")


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("--notes", type=int, default=150)
    options.add_argument("--skip-emodb", action="store_true")
    return options


def main() -> None:
    """Print the tables."""
    chosen = arguments().parse_args()
    phrases, notes = orders(chosen.data / "picovoice_s2i", chosen.notes)
    heard = listen(notes, chosen.models, chosen.work / "orders")
    shelf = Shelf(chosen.models, device="cpu")
    table(Bench(phrases, heard, shelf.text("en")))
    if not chosen.skip_emodb:
        sentences(chosen.data, chosen.models, chosen.work)
    cost(shelf.voice)


if __name__ == "__main__":
    main()
