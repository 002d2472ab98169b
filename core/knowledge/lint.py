"""What is allowed in a knowledge base but will disappoint somebody."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from difflib import get_close_matches

from core.knowledge.entries import NONE, Entry, KnowledgeBase
from core.knowledge.markup import markup_problems
from core.knowledge.rules import shown
from core.texts import placeholders, takes

LONG = 3000  # characters; a section of Slack's holds no more, and Telegram splits at 4096
_NOT_WORDS = re.compile(r"[\W_]+")
_NAMED = 5  # ids in one sentence


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: `kind` is a short stable name, `entries` the ids concerned, `message` a sentence."""

    kind: str
    message: str
    entries: tuple[str, ...] = ()


def lint(knowledge: KnowledgeBase) -> tuple[Finding, ...]:
    """Everything worth a warning; none of it keeps a knowledge base from being loaded or published.

    Photos count as the same when their names are: pack the knowledge base first, so that the names are blobs.
    Disabled entries are left alone.
    """
    live = knowledge.live
    found: list[Finding] = []
    if not live:
        found.append(Finding("no-entries", "there is no enabled entry: the bot can answer nothing"))
    found += _same_phrases(live)
    found += _same_photos(live)
    for entry in live:
        found += _entry(entry, knowledge.language)
    found += _languages(live, knowledge.language)
    found += _intents(live)
    found += _messages(knowledge)
    found += _cases(knowledge)
    return tuple(found)


def normal(phrase: str) -> str:
    """A phrase as customers' spelling blurs it: case, accents' encoding, punctuation and spaces do not count."""
    words = _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", phrase).casefold()).strip()
    return words or phrase.strip()


def _same_phrases(live: Iterable[Entry]) -> Iterator[Finding]:
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in live:
        own: set[str] = set()
        for phrase in entry.phrases:
            key = normal(phrase)
            if key in own:
                message = f"{entry.id}: {shown(phrase)} is there twice, which makes the entry look surer than it is"
                yield Finding("repeated-phrase", message, (entry.id,))
            own.add(key)
            owners[key].setdefault(entry.id, phrase)
    for phrases in owners.values():
        if len(phrases) > 1:
            wording = shown(next(iter(phrases.values())))
            yield Finding(
                "same-phrase", f"{wording} stands under {_list(phrases)}: the bot cannot choose", tuple(phrases)
            )


def _same_photos(live: Iterable[Entry]) -> Iterator[Finding]:
    owners: dict[str, dict[str, None]] = defaultdict(dict)
    for entry in live:
        for photo in entry.photos:
            owners[photo][entry.id] = None
    for ids in owners.values():
        if len(ids) > 1:
            yield Finding("same-photo", f"the same example photo stands under {_list(ids)}", tuple(ids))


def _entry(entry: Entry, language: str) -> Iterator[Finding]:
    def finding(kind: str, words: str) -> Finding:
        return Finding(kind, f"{entry.id}: {words}", (entry.id,))

    if not entry.variants:
        yield finding("no-variants", "has no variants; five or more ways of asking make it much easier to recognise")
    if not entry.answer.get(language, "").strip():
        yield finding("empty-answer", f"has no answer in {language}, the language of this knowledge base")
    for tag, answer in entry.answer.items():
        if tag != language and not answer.strip():
            yield finding("empty-answer", f"its answer in {tag} is empty")
        if len(answer) > LONG:
            yield finding(
                "long-answer", f"its answer in {tag} has {len(answer)} characters; over {LONG} it is cut in parts"
            )
        for problem in markup_problems(answer):
            yield finding("markdown", f"its answer in {tag}: {problem}")


def _languages(live: tuple[Entry, ...], language: str) -> Iterator[Finding]:
    for tag in sorted({tag for entry in live for tag in entry.answer} - {language}):
        lacking = [entry.id for entry in live if tag not in entry.answer]
        if lacking:
            message = f"{_lack(lacking, live)} no answer in {tag}, others have: {_list(lacking)}"
            yield Finding("missing-language", message, tuple(lacking))


def _intents(live: Iterable[Entry]) -> Iterator[Finding]:
    """A label that one entry alone uses and that looks like a slip of a label others share."""
    owners: dict[str, list[str]] = defaultdict(list)
    for entry in live:
        if entry.intent != entry.id:
            owners[entry.intent].append(entry.id)
    shared = [intent for intent, ids in owners.items() if len(ids) > 1]
    for intent, ids in owners.items():
        near = get_close_matches(intent, shared, n=1, cutoff=0.8)
        if len(ids) == 1 and near:
            message = f"{ids[0]}: the intent {shown(intent)} is its alone; was {shown(near[0])} meant?"
            yield Finding("lone-intent", message, (ids[0],))


def _messages(knowledge: KnowledgeBase) -> Iterator[Finding]:
    for name, texts in knowledge.messages.items():
        known = takes(name) | {"title"}
        for tag, text in texts.items():
            unknown = sorted(placeholders(text) - known)
            if unknown:
                filled = _list(f"{{{value}}}" for value in sorted(known))
                words = f"{{{unknown[0]}}} will not be filled in; what is: {filled}"
                yield Finding("placeholder", f"messages.{name} in {tag}: {words}")
            for problem in markup_problems(text):
                yield Finding("markdown", f"messages.{name} in {tag}: {problem}")


def _cases(knowledge: KnowledgeBase) -> Iterator[Finding]:
    if not knowledge.cases:
        yield Finding("no-cases", "there are no cases: nothing shows whether a change makes the bot better or worse")
        return
    expected = {case.expect for case in knowledge.cases}
    untested = [entry.id for entry in knowledge.live if entry.id not in expected]
    if untested:
        message = f"{_lack(untested, knowledge.live)} no case: {_list(untested)}"
        yield Finding("untested", message, tuple(untested))
    if NONE not in expected:
        yield Finding(
            "no-none-case", f"no case expects {NONE}: nothing shows whether the bot keeps silent when it should"
        )
    disabled = sorted(expected & {entry.id for entry in knowledge.entries if not entry.enabled})
    if disabled:
        yield Finding("disabled-case", f"cases expect entries that are disabled: {_list(disabled)}", tuple(disabled))


def _lack(lacking: Sized, among: Sized) -> str:
    return f"{len(lacking)} of {len(among)} entries {'has' if len(lacking) == 1 else 'have'}"


def _list(names: Iterable[str]) -> str:
    all_names = list(names)
    if len(all_names) > _NAMED:
        return f"{', '.join(all_names[:_NAMED])} and {len(all_names) - _NAMED} more"
    return " and ".join(filter(None, (", ".join(all_names[:-1]), *all_names[-1:])))
