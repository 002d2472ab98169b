"""The values of a training that a worker does for a gateway: what it is given, what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

AUTO = "auto"
STRATEGIES = (AUTO, "fixed", "late", "early", "weighted", "attention", "serial")
"""How channels may be fused: `auto` chooses between the learned gate (`late`) and fixed weights."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a training is wished: whether the text encoder is fine-tuned too, which of `STRATEGIES` fuses channels."""

    finetune: bool = False
    strategy: str = AUTO


USUAL = Options()


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent to a worker: which training, the blob of its snapshot, how it is wished."""

    training: str
    snapshot: str
    options: Options = USUAL


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of the gate; higher is better. None where there was nothing to compare or to measure."""

    what: str
    before: float | None
    after: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training came to: the blobs of model and report, whether the gate was passed, why, the figures.

    `strategy` names what fuses channels, `tuned` says in a sentence what came of fine-tuning, if that was wished;
    `instead` why it was compared with the shipped model in the place of the one in force, where it was.
    """

    model: str
    report: str
    passed: bool
    why: str
    checks: tuple[Check, ...] = ()
    strategy: str = ""
    tuned: str = ""
    instead: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """What a worker says of a training while it runs, and in the end.

    `seq` counts from 1; `done` of `total` steps of a stage, 0 when nobody knows how many; `seconds_left` is how long
    the rest of the stage will take, 0 when nobody knows. The last one has an `outcome`, or a `problem`: a sentence for
    people; `stopped_by` names the admin who stopped it, `refused` says that the same would be refused again.
    """

    training: str
    seq: int
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds_left: int = 0
    outcome: Outcome | None = None
    problem: str = ""
    stopped_by: str = ""
    refused: bool = False

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return bool(self.outcome or self.problem)


@dataclass(frozen=True, slots=True)
class Halt:
    """Word for a worker that a training is to end.

    `by` names the admin who stopped it; without one it was given up while its worker was cut off, and whoever starts it
    again goes on where it stands.
    """

    by: str = ""


def stopped(by: str) -> str:
    """What is said of a training that an admin has stopped."""
    return f"Stopped by {by}"


class Trainer(Protocol):
    """What trains: a Celery queue in production."""

    async def send(self, order: Order) -> None:
        """Ask for a training; raises Retry when nobody can be reached."""
        ...

    async def stop(self, training: str, by: str) -> None:
        """Tell whoever works on a training, or takes it later, to end it; raises Retry like `send`."""
        ...

    async def give_up(self, training: str) -> None:
        """Like `stop`, for one that no living worker seemed to hold: what was done so far is kept."""
        ...

    async def news(self, seconds: float) -> News | None:
        """The oldest news of any training, waited for; None when there are none. Raises Retry like `send`.

        They are told again until `heard` is called.
        """
        ...

    async def heard(self) -> None:
        """What `news` gave last is noted and may go; raises Retry like `send`."""
        ...

    async def holders(self) -> dict[str, frozenset[str]]:
        """The living workers, each with the trainings that it works on; raises Retry when nobody can be reached."""
        ...
