"""How long to wait for the rest of what a customer is saying."""

from __future__ import annotations

from collections.abc import Sequence

from core.values import AttachmentKind, InboundEvent

LONGEST = 10.0  # seconds from the first event of a turn in which we wait for more words; files may take longer

_ALBUM = 1.5  # the parts of an album come as updates of their own, with no count and no end mark
_LONE_PHOTO = 2.5  # people send the picture, then type what is wrong with it
_LONE_VOICE = 0.6  # a note is mostly complete; a caption typed as a second message follows at once
_FRAGMENT = 0.9  # "hi" ... "my tent" ... "it broke"
_FINEST = 0.001  # clocks count milliseconds: what rounding leaves of one would be waited for without end
_WHOLE = 4  # words that make a message look like a whole question


def quiet_for(events: Sequence[InboundEvent]) -> float:
    """Seconds of silence after the last event that make these events a turn; 0 for what is plainly a whole question."""
    last = events[-1]
    words = " ".join(event.text for event in events).split()
    if last.group:
        return _ALBUM
    if not last.text and last.attachments:
        if words:
            return 0.0 if _whole(words) else _LONE_VOICE
        kinds = {part.kind for part in last.attachments}
        return _LONE_PHOTO if AttachmentKind.PHOTO in kinds else _LONE_VOICE
    return 0.0 if _whole(words) else _FRAGMENT


def still_quiet(events: Sequence[InboundEvent], silent: float, heard: float, composing: float) -> float:
    """Seconds for which it must still be quiet, 0 when these events are a turn.

    `silent` seconds have passed since the last event and `heard` since the first; `composing` is for how long a sign
    lasts that the customer goes on. It counts after a whole question too: whoever visibly writes more would get, in the
    middle of it, an answer that the next words may make wrong. Without a sign a whole question waits for nothing.
    """
    wait = min(max(quiet_for(events) - silent, composing), LONGEST - heard)
    return wait if wait >= _FINEST else 0.0


def _whole(words: Sequence[str]) -> bool:
    return len(words) >= _WHOLE or bool(words and words[-1][-1] in "?!.。？！؟")
