"""What the bot says for a decision: words and buttons, before any platform has a say in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.asking import Answer, Clarify, Decision, Escalate, Hold, Prediction, Reason
from core.conversation import Conversation
from core.knowledge.entries import KnowledgeBase
from core.knowledge.hours import is_open, next_opening
from core.texts import say, unreadable
from core.texts.opening import opening
from core.texts.tongues import own_name
from core.values import Problem

CONTINUES = "\n\n"


@dataclass(frozen=True, slots=True)
class Offer:
    """A button to be: what it says, and what a tap on it will mean (`core.taps`)."""

    label: str
    meaning: dict[str, object]


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing to say; `pictures` are blobs sent along."""

    text: str
    offers: tuple[Offer, ...] = ()
    pictures: tuple[str, ...] = ()

    def after(self, text: str) -> Saying:
        """The same, said after `text`."""
        return replace(self, text=f"{text}{CONTINUES}{self.text}" if text else self.text)

    def before(self, text: str) -> Saying:
        """The same, with `text` said after it."""
        return replace(self, text=f"{self.text}{CONTINUES}{text}" if text else self.text)


@dataclass(frozen=True, slots=True)
class Voice:
    """In which language, with whose words and about which turn the bot speaks."""

    knowledge: KnowledgeBase
    language: str
    turn: str = ""

    def say(self, name: str, /, **values: object) -> str:
        """A fixed text, as the knowledge base words it."""
        return say(name, self.language, self.knowledge, **values)

    def person(self) -> Offer:
        """The button that asks for a human."""
        return Offer(self.say("person"), {"do": "person", "turn": self.turn})

    def topic(self, entry: str) -> Offer:
        """The button that means "this is what I asked"."""
        known = self.knowledge.entry(entry)
        return Offer(known.question if known else entry, {"do": "entry", "entry": entry, "turn": self.turn})

    def question(self, entry: str) -> str:
        """How an entry is named to a customer."""
        known = self.knowledge.entry(entry)
        return known.question if known else entry


def voice_for(conversation: Conversation, knowledge: KnowledgeBase, turn: str = "") -> Voice:
    """The bot's voice in this conversation."""
    return Voice(knowledge, conversation.language or conversation.author.language or knowledge.language, turn)


def saying(
    decision: Decision, prediction: Prediction | None, problems: tuple[Problem, ...], voice: Voice, now: int
) -> Saying:
    """The words for a decision; `problems` say what could not be read.

    Raises:
        ValueError: a Hold, which is never said.
    """
    match decision:
        case Answer(builtin=builtin) if builtin:
            return Saying(voice.say(builtin))
        case Answer(entry=entry):
            return answer(entry, voice)
        case Clarify(entries=entries):
            return clarify(entries, voice, "clarify")
        case Escalate(offer=True) as escalate:
            return _offer(escalate, prediction, problems, voice)
        case Escalate(reason=reason):
            return handed_over(reason, voice, now)
        case Hold():
            raise ValueError("a held prediction is never said")


def introduced(words: Saying, conversation: Conversation, voice: Voice, notice: str = "") -> Saying:
    """The words; the first of a conversation come after who is speaking, how to reach a person, and the notice."""
    words = words if conversation.noticed else words.after(notice)
    return words if conversation.welcomed else words.after(voice.say("welcome"))


def met(conversation: Conversation, notice: str = "") -> Conversation:
    """The conversation, once such an introduction is said; who blocks us does not read it."""
    told = bool(notice) and not conversation.blocked
    return replace(conversation, welcomed=True, noticed=conversation.noticed or told)


def answer(entry: str, voice: Voice) -> Saying:
    """An entry's answer, with the button "that's not it"."""
    known = voice.knowledge.entry(entry)
    if known is None:
        raise ValueError(f"the release has no entry {entry}")
    not_it = Offer(voice.say("not_it"), {"do": "not_it", "entry": entry, "turn": voice.turn})
    return Saying(known.answer_in(voice.language, voice.knowledge.language).strip(), (not_it,), known.media)


def clarify(entries: tuple[str, ...], voice: Voice, text: str) -> Saying:
    """ "Did you mean" with a button an entry, and one for none of these."""
    none = Offer(voice.say("none_of_these"), {"do": "none", "turn": voice.turn, "shown": list(entries)})
    return Saying(voice.say(text), (*(voice.topic(entry) for entry in entries), none))


def handed_over(reason: Reason | str, voice: Voice, now: int) -> Saying:
    """A human was asked: what to expect, honouring the working hours."""
    desk = voice.knowledge.desk
    if is_open(desk, now):
        text = voice.say("handoff")
    elif opens := next_opening(desk, now):
        text = voice.say("handoff_closed", opens=opening(desk, opens, now, voice.language))
    else:
        text = voice.say("handoff_later")
    if reason in (Reason.BRAIN, Reason.UNSENT):
        text = f"{voice.say('trouble')}{CONTINUES}{text}"
    if reason == Reason.STALE:
        text = f"{voice.say('too_late')}{CONTINUES}{text}"
    return Saying(text, (Offer(voice.say("ask_bot"), {"do": "bot"}),))


def foreign(prediction: Prediction, voice: Voice) -> str:
    """That the knowledge base does not speak the customer's language."""
    return voice.say("language", language=own_name(prediction.language))


def unread(problems: tuple[Problem, ...], voice: Voice) -> str:
    """What could not be read, each kind once."""
    return "\n".join(unreadable(problem, voice.language, voice.knowledge) for problem in dict.fromkeys(problems))


def _offer(escalate: Escalate, prediction: Prediction | None, problems: tuple[Problem, ...], voice: Voice) -> Saying:
    """The first time nothing is good enough: say so, name what is near, offer a person."""
    person = voice.person()
    if escalate.reason is Reason.LANGUAGE and prediction is not None:
        return Saying(foreign(prediction, voice), (person,))
    if escalate.reason is Reason.UNREADABLE:
        return Saying(unread(problems or (Problem.UNKNOWN,), voice), (person,))
    if not escalate.nearest:
        return Saying(voice.say("unsure_none"), (person,))
    topics = ", ".join(f"*{voice.question(entry)}*" for entry in escalate.nearest)
    buttons = tuple(voice.topic(entry) for entry in escalate.nearest)
    return Saying(voice.say("unsure", topics=topics), (*buttons, person))
