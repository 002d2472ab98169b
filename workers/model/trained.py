"""What `polydesk train` leaves in a folder, and what answering with it needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.knowledge.entries import KnowledgeBase
from workers.model.calibration import Thresholds
from workers.model.fusion.gate import Gate, shipped
from workers.model.fusion.opinions import Fusion
from workers.model.fusion.pool import LogPool
from workers.model.heads import Floats
from workers.model.recalibration import Recalibration
from workers.model.scoring import Scored
from workers.model.selective import group

FORM = 1
FILE, PHOTOS, TEXT, GATE = "model.json", "photos.npz", "text", "gate.safetensors"
FIXED, LATE = "fixed", "late"
FUSIONS = (FIXED, LATE)


@dataclass(frozen=True, slots=True)
class Learned:
    """What past conversations taught about an entry: customers' own words, and how many photos."""

    phrases: tuple[str, ...] = ()
    photos: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained model.

    `fusion` names how channels are pooled; `learned` maps an entry's id to what history taught; `photos` to vectors
    (n, dim) of the image encoder `image`; `correction` is applied to confidences. `answer_at` is the threshold that
    labelled questions proved for `budget`, 0 when none did: then the knowledge base's own calibration decides.
    `groups` maps groups of channels (`selective.group`) to thresholds of their own that were proven for it; when there
    are any, a group that has none gets the knowledge base's. `encoder` is the digest of the text encoder it was trained
    with.
    """

    encoder: str
    fusion: str = LATE
    learned: Mapping[str, Learned] = field(default_factory=dict)
    groups: Mapping[str, float] = field(default_factory=dict)
    photos: Mapping[str, Floats] = field(default_factory=dict)
    image: str = ""
    correction: Recalibration = field(default_factory=Recalibration)
    answer_at: float = 0.0
    budget: float = 0.0
    gate: Gate | None = None
    text: Path | None = None

    @property
    def pool(self) -> Fusion:
        """What makes one opinion of several."""
        return LogPool() if self.fusion == FIXED else self.gate or shipped()

    def taught(self, knowledge: KnowledgeBase) -> KnowledgeBase:
        """The knowledge base with the words of past customers among its variants; unknown entries are passed over."""
        entries = []
        for entry in knowledge.entries:
            known = {phrase.casefold() for phrase in entry.phrases}
            more = self.learned.get(entry.id, Learned()).phrases
            fresh = tuple(phrase for phrase in dict.fromkeys(more) if phrase.casefold() not in known)
            entries.append(replace(entry, variants=(*entry.variants, *fresh)))
        return replace(knowledge, entries=tuple(entries))

    def proven(self, budget: float, channels: Iterable[str]) -> float:
        """The threshold that labelled questions proved for this very budget and such questions; 0 when they did not."""
        if abs(self.budget - budget) > 1e-9:
            return 0.0
        return self.groups.get(group(channels), 0.0) if self.groups else self.answer_at

    def limits(self, ours: Thresholds, budget: float, channels: Iterable[str] = ("text",)) -> Thresholds:
        """The thresholds in force for a question of some channels: the proven one where it was proven."""
        at = self.proven(budget, channels)
        return Thresholds(at, min(ours.clarify_at, at), at) if at else ours

    def corrected(self, scored: Scored, budget: float) -> Scored:
        """A scored question with the confidence, and the thresholds, that labelled questions taught."""
        limits = self.limits(Thresholds(scored.answer_at, scored.clarify_at), budget, scored.evidence)
        return replace(
            scored,
            confidence=self.sure(scored.confidence),
            answer_at=limits.answer_at,
            clarify_at=limits.clarify_at,
            guaranteed=self.proven(budget, scored.evidence) > 0,
            evidence={name: self._told(one) for name, one in scored.evidence.items()},
        )

    def sure(self, score: float) -> float:
        """The confidence that labelled questions make of a fused score."""
        return float(self.correction(score))

    def _told(self, evidence: object) -> object:
        if not isinstance(evidence, dict) or not evidence.get("without"):
            return evidence
        return evidence | {"without": round(self.sure(evidence["without"]), 4)}

    def save(self, folder: Path) -> None:
        """Write it; `model.json` comes last, so that a folder that has one is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.photos:
            with (folder / PHOTOS).open("wb") as file:
                np.savez(file, allow_pickle=False, **{id: some.astype(np.float16) for id, some in self.photos.items()})
        if self.gate is not None:
            (folder / GATE).write_bytes(self.gate.to_bytes())
        plain: dict[str, Any] = {
            "form": FORM,
            "encoder": self.encoder,
            "fusion": self.fusion,
            "learned": {id: asdict(one) for id, one in self.learned.items()},
            "groups": dict(self.groups),
            "image": self.image,
            "correction": self.correction.plain(),
            "answer_at": self.answer_at,
            "budget": self.budget,
        }
        draft = folder / f"{FILE}.new"
        draft.write_text(json.dumps(plain, ensure_ascii=False, indent=1), encoding="utf-8")
        draft.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Trained:
        """What `save` wrote.

        Raises:
            BadInput: the folder holds no model, a damaged one, or one of another version; says what to do.
        """
        if not (folder / FILE).is_file():
            raise BadInput(f"{folder} holds no model: expected a folder that `polydesk train --out` wrote")
        try:
            plain = json.loads((folder / FILE).read_text(encoding="utf-8"))
            if plain["form"] != FORM:
                raise BadInput(
                    f"{folder} was made by another version (form {plain['form']}, {FORM} is read): train again"
                )
            if plain["fusion"] not in FUSIONS:
                raise ValueError(f"unknown fusion {plain['fusion']!r}")
            photos: dict[str, Floats] = {}
            if (folder / PHOTOS).is_file():
                with np.load(folder / PHOTOS, allow_pickle=False) as arrays:
                    photos = {id: arrays[id].astype(np.float32) for id in arrays.files}
            return cls(
                encoder=str(plain["encoder"]),
                fusion=plain["fusion"],
                learned={
                    id: Learned(tuple(one["phrases"]), int(one["photos"])) for id, one in plain["learned"].items()
                },
                groups={str(name): float(at) for name, at in plain.get("groups", {}).items()},
                photos=photos,
                image=str(plain["image"]),
                correction=Recalibration.of(plain["correction"]),
                answer_at=float(plain["answer_at"]),
                budget=float(plain["budget"]),
                gate=Gate.from_bytes((folder / GATE).read_bytes()) if (folder / GATE).is_file() else None,
                text=folder / TEXT if (folder / TEXT).is_dir() else None,
            )
        except BadInput:
            raise
        except Exception as problem:
            raise BadInput(f"{folder / FILE} cannot be read ({problem}): train again") from problem
