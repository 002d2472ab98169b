"""The fixed texts: what the bot says besides the answers of the knowledge base.

Each language has a YAML file here, name -> Markdown; `{value}` marks what the caller fills in. A knowledge base may
override any text under `messages`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any, cast

import yaml

from core.knowledge.entries import KnowledgeBase
from core.values import Problem

DEFAULT = "en"
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
# What the format calls a text, where we say it by a longer name.
_ALSO = {"handoff_closed": "closed"}


@cache
def languages() -> tuple[str, ...]:
    """The languages that the fixed texts are written in."""
    return tuple(sorted(path.name[:-5] for path in files(__name__).iterdir() if path.name.endswith(".yaml")))


@cache
def texts(language: str) -> dict[str, str]:
    """All fixed texts of one of `languages()`, name -> text."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw = files(__name__).joinpath(f"{language}.yaml").read_text(encoding="utf-8")
    return cast(dict[str, str], yaml.load(raw, Loader=loader))


@cache
def names() -> frozenset[str]:
    """Every name that `say` knows and that a knowledge base may override."""
    return frozenset({*texts(DEFAULT), *_ALSO.values()})


def placeholders(text: str) -> frozenset[str]:
    """The names of the values that a text has room for."""
    return frozenset(_PLACEHOLDER.findall(text))


def takes(name: str) -> frozenset[str]:
    """The values that a text of this name (or an override of it) gets, `{title}` apart."""
    long = next((long for long, short in _ALSO.items() if short == name), name)
    return placeholders(texts(DEFAULT)[long])


def say(name: str, language: str, knowledge: KnowledgeBase | None = None, /, **values: object) -> str:
    """The text `name` in `language` (a BCP 47 tag; its first part counts too), else in English.

    An override in `knowledge.messages` comes first, chosen by language like an answer: the customer's, then the
    knowledge base's own, then any. `{title}` is always known when a knowledge base is given; what an override asks for
    and nobody knows stays as it was written.

    Raises:
        KeyError: there is no such text, or the caller left out a value that the text of ours needs.
    """
    written = _pick(texts, language, name)
    missing = placeholders(written) - values.keys()
    if missing:
        raise KeyError(f"the text {name} needs {', '.join(sorted(missing))}")
    known = {key: str(value) for key, value in values.items()}
    if knowledge is not None:
        known.setdefault("title", knowledge.title)
        written = _override(name, language, knowledge) or written
    return _PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), written)


def unreadable(problem: Problem, language: str, knowledge: KnowledgeBase | None = None) -> str:
    """What could not be read, and what we can read instead."""
    return say(f"unreadable_{problem.value}", language, knowledge)


def _pick(source: Any, language: str, name: str) -> str:
    for tag in (language, language.split("-")[0].lower()):
        if tag in languages():
            return cast(dict[str, str], source(tag))[name]
    return cast(dict[str, str], source(DEFAULT))[name]


def _override(name: str, language: str, knowledge: KnowledgeBase) -> str:
    """The knowledge base's own wording; one for `unreadable` stands for every kind of unreadable."""
    for key in (name, _ALSO.get(name, ""), name.split("_")[0] if name.startswith("unreadable_") else ""):
        written = knowledge.messages.get(key)
        if written:
            for tag in (language, language.split("-")[0], knowledge.language):
                if tag in written:
                    return written[tag]
            return next(iter(written.values()))
    return ""
