"""A question scored against a knowledge base: candidates, confidence, rivals, small talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.asking import Candidate
from workers.model.adapt import Adapted
from workers.model.channels import Texts, opinions
from workers.model.fusion.opinions import Fusion
from workers.model.fusion.pool import LogPool
from workers.model.heard import Heard, less
from workers.model.smalltalk import PERSON, signs

SHOWN = 10  # candidates that are told
RIVAL = 1 / 3  # an entry this likely beside the best is too close to choose without asking
RIVALS = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """The fields of `core.asking.Prediction` that scoring decides.

    `evidence` maps each channel to what it found: its own best `entry` with `confidence`, what it was nearest to, the
    score of the first candidate `without` this channel. `guaranteed` tells that labelled questions proved `answer_at`.
    """

    candidates: tuple[Candidate, ...] = ()
    confidence: float = 0.0
    answer_at: float = 1.0
    clarify_at: float = 1.0
    rivals: tuple[str, ...] = ()
    builtin: str = ""
    evidence: dict[str, object] = field(default_factory=dict)
    guaranteed: bool = False


def score(adapted: Adapted, heard: Heard, *, fusion: Fusion | None = None, talk: bool = True) -> Scored:
    """Score one question; see `score_all`."""
    return score_all(adapted, [heard], fusion=fusion, talk=talk)[0]


def score_all(
    adapted: Adapted, questions: Sequence[Heard], *, fusion: Fusion | None = None, talk: bool = True
) -> list[Scored]:
    """Score a batch of questions; a question gets the same scores in any batch.

    Args:
        adapted: the knowledge base.
        questions: encoded by the encoder that the knowledge base was adapted with.
        fusion: makes one opinion of the channels'; fixed weights by default.
        talk: whether small talk may win.
    """
    pool = fusion if fusion is not None else LogPool()
    texts = Texts(adapted, questions)
    return [_score(adapted, heard, texts, pool, talk) for heard in questions]


def _score(adapted: Adapted, heard: Heard, texts: Texts, fusion: Fusion, talk: bool) -> Scored:
    limits = adapted.thresholds
    answer_at = limits.shown_at if heard.typed is None and heard.voice is None else limits.answer_at
    builtin = _builtin(heard, texts) if talk else ""
    found = opinions(adapted, heard, texts)
    if not found or not adapted.entries:
        return Scored(answer_at=answer_at, clarify_at=limits.clarify_at, builtin=builtin)
    pooled = fusion.fuse(found, len(adapted.entries))
    order = np.argsort(-pooled, kind="stable")[:SHOWN]
    candidates = tuple(
        Candidate(
            entry=adapted.entries[i],
            score=round(float(pooled[i]), 6),
            channels={opinion.channel: round(float(opinion.scores[i]), 6) for opinion in found},
        )
        for i in order
    )
    best = float(pooled[order[0]])
    rivals = tuple(adapted.entries[i] for i in order[1 : RIVALS + 1] if pooled[i] >= RIVAL * best)
    return Scored(
        candidates=candidates,
        confidence=float(np.clip(best, 0, 1)),
        answer_at=answer_at,
        clarify_at=limits.clarify_at,
        rivals=rivals,
        builtin=builtin,
        evidence={
            opinion.channel: {
                "confidence": round(opinion.confidence, 4),
                **opinion.evidence,
                "without": _without(opinion.channel, adapted, heard, texts, fusion, int(order[0])),
            }
            for opinion in found
        },
    )


def _without(channel: str, adapted: Adapted, heard: Heard, texts: Texts, fusion: Fusion, entry: int) -> float:
    """What an entry would score had nothing come by a channel; nothing when nothing is left."""
    left = opinions(adapted, less(heard, channel), texts)
    return round(float(fusion.fuse(left, len(adapted.entries))[entry]), 4) if left else 0.0


def _builtin(heard: Heard, texts: Texts) -> str:
    """The small talk of a question; beside a photo only the wish for a person counts."""
    sign = signs().get(heard.said.text.strip(), "")
    names = [sign] + [texts.small_talk(piece) for piece in (heard.typed, heard.voice) if piece is not None]
    if PERSON in names or any(texts.wished(heard, part) for part in heard.wishes):
        return PERSON
    alone = heard.said.photos is None and not heard.screen and heard.said.shown is None
    parts = [piece for piece in (heard.typed, heard.voice) if piece is not None]
    said = [name for name in names if name]
    return said[0] if alone and said and len(said) >= len(parts) else ""
