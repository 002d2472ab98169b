from __future__ import annotations

from importlib.resources import files

import pytest

from core.knowledge.entries import Desk, KnowledgeBase
from core.knowledge.tree import Fields, Scalar, grow
from core.texts import languages, names, placeholders, say, texts, unreadable
from core.texts.opening import opening
from core.texts.tongues import own_name
from core.values import Problem

ENGLISH = texts("en")
HOUR = 3_600_000
MONDAY_NOON = 1_798_455_600_000  # Mon 2026-12-28 12:00 in Berlin


def test_the_promised_languages_are_there():
    assert languages() == ("de", "en", "es", "fr", "it", "nl", "pl", "pt")


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_text_with_the_same_placeholders(language):
    written = texts(language)
    assert list(written) == list(ENGLISH)
    for name, text in written.items():
        assert isinstance(text, str) and text.strip() == text and text, name
        assert placeholders(text) == placeholders(ENGLISH[name]), name


@pytest.mark.parametrize("language", languages())
def test_no_text_is_written_twice_and_none_was_left_in_english(language):
    tree = grow(files("core.texts").joinpath(f"{language}.yaml").read_bytes(), language)
    assert isinstance(tree, Fields)
    keys = [key.value for key, _ in tree.pairs if isinstance(key, Scalar)]
    assert len(keys) == len(set(keys))
    if language != "en":
        assert [name for name, text in texts(language).items() if text == ENGLISH[name]] == []


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("problem", Problem)
def test_every_problem_says_what_we_can_read(language, problem):
    text = unreadable(problem, language)
    assert text != say("unreadable", language)
    for kind in ("JPEG", "PNG", "WebP"):
        assert kind in text


@pytest.mark.parametrize("language", languages())
def test_the_first_message_tells_how_to_reach_a_person(language):
    person = say("person", language).casefold()
    for name in ("welcome", "help", "bot"):
        assert person in say(name, language).casefold(), name


@pytest.mark.parametrize("language", languages())
def test_buttons_fit_on_every_platform(language):
    # Slack shows at most 75 characters on a button.
    for name in ("none_of_these", "not_it", "person", "ask_bot"):
        assert len(say(name, language)) <= 30


def test_a_region_uses_its_language_and_an_unknown_one_english():
    assert say("greeting", "pt-BR") == say("greeting", "pt")
    assert say("greeting", "DE-at") == say("greeting", "de")
    assert say("greeting", "ja") == say("greeting", "en")
    assert say("greeting", "") == say("greeting", "en")


def test_values_are_filled_in_once():
    text = say("claimed", "en", name="{minutes} {name}")
    assert text == "{minutes} {name} is here for you now."


def test_a_forgotten_value_or_an_unknown_name_is_a_mistake_of_the_caller():
    with pytest.raises(KeyError, match="minutes"):
        say("nobody", "en")
    with pytest.raises(KeyError):
        say("no_such_text", "en")


def base(**messages: dict[str, str]) -> KnowledgeBase:
    return KnowledgeBase(title="Northwind", language="en", messages=messages)


def test_an_override_is_chosen_like_an_answer():
    knowledge = base(greeting={"en": "Ahoy from {title}!", "de": "Moin!"})
    assert say("greeting", "de-AT", knowledge) == "Moin!"
    assert say("greeting", "fr", knowledge) == "Ahoy from Northwind!"
    assert say("thanks", "fr", knowledge) == say("thanks", "fr")
    assert say("greeting", "fr", base(greeting={"es": "Hola"})) == "Hola"


@pytest.mark.parametrize(
    "wording", ["{0}", "{", "}", "{}", "{foo}", "{name.__class__}", "{name!r:>9}", "{{name}}x", "%s"]
)
def test_an_override_with_strange_braces_does_not_crash(wording):
    said = say("claimed", "en", base(claimed={"en": wording}), name="Ana")
    assert said == wording.replace("{name}", "Ana")


def test_short_names_of_the_format_reach_the_longer_texts():
    knowledge = base(closed={"en": "We sleep until {opens}."}, unreadable={"en": "Plain text only, please."})
    assert say("handoff_closed", "en", knowledge, opens="nine") == "We sleep until nine."
    assert unreadable(Problem.STICKER, "en", knowledge) == "Plain text only, please."
    exact = base(unreadable={"en": "any"}, unreadable_sticker={"en": "no stickers"})
    assert unreadable(Problem.STICKER, "en", exact) == "no stickers"
    assert unreadable(Problem.VIDEO, "en", exact) == "any"
    assert {"closed", "welcome", "back", "unreadable"} <= names()


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (1, "today at 13:00"),
        (12, "tomorrow at 00:00"),
        (48, "on Wednesday at 12:00"),
        (24 * 7, "on 2027-01-04 at 12:00"),
    ],
)
def test_the_opening_in_words(hours, words):
    assert opening(Desk(timezone="Europe/Berlin"), MONDAY_NOON + hours * HOUR, MONDAY_NOON, "en") == words


@pytest.mark.parametrize("language", languages())
def test_the_opening_reads_in_every_language(language):
    desk = Desk(timezone="Europe/Berlin")
    moments = {opening(desk, MONDAY_NOON + hours * HOUR, MONDAY_NOON, language) for hours in (1, 12, 48, 500)}
    assert len(moments) == 4
    assert not any("{" in moment for moment in moments)


def test_languages_name_themselves():
    assert own_name("de-CH") == "Deutsch"
    assert own_name("zh-Hans") == "中文"
    assert own_name("tlh") == "tlh"
