"""What a seed decides before anything happens: how rough the day will be."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

POINTS = (
    "heard",  # an event is committed, its acknowledgement has not left
    "acked",  # the platform has its acknowledgement, nobody has begun to think
    "asked",  # the brain has the question
    "predicted",  # the prediction is here, nothing is committed
    "queued",  # words are committed, none is taken out of the outbox
    "taken",  # a row is marked as being sent, nothing has left
    "sending",  # the call is on its way
    "landed",  # the customer sees it, nobody has recorded it
    "recorded",  # it is recorded as sent
    "recovering",  # a restarted gateway looks for what is left
    "claiming",  # a claim is committed, the agent has no confirmation
)
_WORST = ("heard", "predicted", "queued", "taken", "sending", "landed")


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that strikes when a point is passed for the `nth` time: `crash`, `claim`, `storage` or `brain`."""

    point: str
    nth: int
    does: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The odds of a schedule; probabilities per call, times in seconds."""

    seed: int
    customers: int
    questions: int
    incidents: tuple[Incident, ...]
    agents: int
    dropped: float  # deliveries that do not reach us at first
    doubled: float  # deliveries that come twice
    shuffled: float  # longest delay of a delivery
    unacked: float  # acknowledgements that get lost
    throttled: float
    failed: float
    unknown: float
    refused: float  # answers that the platform will never take
    slow_platform: float  # longest time until a platform answers
    slow_store: float  # longest time that the store needs
    storage: float  # transactions that fail
    brain: tuple[float, float, float, float]  # odds of: slow, late, gone, failing
    unsure: float
    impatience: float  # longest pause between two messages
    jumps: tuple[int, ...]  # of the clock, ms
    blocks: bool
    in_order: bool  # the platforms deliver one event after the other, as polling does


def drawn(seed: int) -> Plan:
    """The plan of a seed."""
    dice = random.Random(f"plan {seed}")
    rough = dice.random()  # a calm day shows what a single accident does, a rough one what several do at once

    def odds(most: float) -> float:
        return dice.random() * most * rough if dice.random() < 0.6 else 0.0

    strikes = ("crash", "crash", "crash", "claim", "claim", "storage", "brain")
    incidents = tuple(
        Incident(dice.choice(POINTS), dice.choice((1, 1, 2, 3, 5, 8)), dice.choice(strikes))
        for _ in range(dice.choice((0, 1, 1, 2, 3, 5)))
    )
    plan = Plan(
        seed=seed,
        customers=dice.choice((1, 2, 2, 3)),
        questions=dice.choice((2, 3, 4)),
        incidents=incidents,
        agents=dice.choice((0, 0, 1, 2)),
        dropped=odds(0.4),
        doubled=odds(0.6),
        shuffled=dice.choice((0.0, 0.0, 1.0, 6.0)) * rough,
        unacked=odds(0.3),
        throttled=odds(0.3),
        failed=odds(0.4),
        unknown=odds(0.3),
        refused=odds(0.1),
        slow_platform=dice.choice((0.1, 0.5, 4.0)),
        slow_store=dice.choice((0.002, 0.01, 0.2)),
        storage=odds(0.1),
        brain=(odds(0.5), odds(0.2), odds(0.3), odds(0.3)),
        unsure=odds(0.4),
        impatience=dice.choice((0.5, 3.0, 20.0)),
        jumps=tuple(
            dice.choice((-300_000, -20_000, 15_000, 120_000, 900_000)) for _ in range(dice.choice((0, 0, 0, 1, 2)))
        ),
        blocks=dice.random() < 0.2,
        in_order=dice.random() < 0.4,
    )
    return harsh(plan) if dice.random() < 0.1 else plan


def harsh(plan: Plan) -> Plan:
    """The same day, with agents who come at every turn, a gateway that dies often, a slow and unsure platform."""
    dice = random.Random(f"harsh {plan.seed}")
    claims = tuple(Incident(dice.choice(_WORST), nth, "claim") for nth in (1, 2, 4))
    crashes = tuple(Incident(dice.choice(_WORST), nth, "crash") for nth in (1, 3))
    return replace(
        plan,
        incidents=claims + crashes,
        agents=2,
        doubled=0.5,
        unacked=0.2,
        throttled=0.1,
        unknown=0.2,
        refused=0.1,
        unsure=0.3,
        slow_platform=4.0,
        blocks=False,
    )
