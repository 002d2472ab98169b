"""One tree of errors, named by what the caller can do.

```
PolydeskError
├── BadInput            mend the input, then try again; nothing was changed
│   ├── KnowledgeError  file, line, field, what was expected
│   ├── SettingsError   all problems of the settings at once
│   └── NotAllowed      this move is not possible in the conversation's present state
├── Unreadable          a photo or voice note that cannot be read; `problem` says why
├── Retry               the same call may work later; `after` seconds
│   ├── Throttled       the platform asked us to wait
│   ├── BrainLate       no prediction before the deadline
│   └── BrainGone       no worker, or the one that held the question died (`held`)
├── Refused             the platform will never accept this call
│   └── Blocked         the customer has blocked the bot
├── OutcomeUnknown      the call may or may not have arrived
└── Broken              something we need is missing or broken; the message says what to do
```
"""

from __future__ import annotations

from collections.abc import Sequence

from core.values import Problem

MENDING = 5.0  # seconds until what is `Broken` is tried again: somebody may have mended it


class PolydeskError(Exception):
    """The root; never raised itself."""


class BadInput(PolydeskError):
    """The input is wrong; nothing was changed."""


class KnowledgeError(BadInput):
    """A knowledge-base file is wrong; `problems` holds one `file:line: field: what was expected` each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class SettingsError(BadInput):
    """Settings are missing or wrong; `problems` holds one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class NotAllowed(BadInput):
    """A move that the conversation's state forbids, such as claiming what a colleague has claimed."""


class Unreadable(PolydeskError):
    """A file that cannot be read as a photo or a voice note."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        self.problem = problem
        super().__init__(f"{problem}: {detail}" if detail else str(problem))


class Retry(PolydeskError):
    """Worth trying again after `after` seconds."""

    def __init__(self, message: str, after: float = 1.0) -> None:
        self.after = after
        super().__init__(message)


class Throttled(Retry):
    """The platform told us to slow down."""


class BrainLate(Retry):
    """No prediction came before the deadline."""


class BrainGone(Retry):
    """No worker can be reached; `held` when the one that worked on this very question died."""

    def __init__(self, message: str, held: bool = False) -> None:
        self.held = held
        super().__init__(message)


class Refused(PolydeskError):
    """The platform will never accept this call; resending is useless."""


class Blocked(Refused):
    """The customer has blocked the bot or left."""


class OutcomeUnknown(PolydeskError):
    """The connection broke after the call left: it may or may not have arrived.

    `readable` when the platform can be asked: the same call, made again with `since`, looks before it does anything.
    """

    def __init__(self, message: str, readable: bool = False) -> None:
        self.readable = readable
        super().__init__(message)


class Broken(PolydeskError):
    """Something the process needs is missing or broken; the message says what to do."""
