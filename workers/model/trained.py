"""What `polydesk train` leaves in a folder, and what answering with it needs."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput, Broken
from core.knowledge.entries import KnowledgeBase
from workers.model import tuned
from workers.model.adapt import Adapted
from workers.model.alignment import Alignment
from workers.model.basis import basis
from workers.model.calibration import Thresholds
from workers.model.fusion.gate import Gate, shipped
from workers.model.fusion.opinions import Fusion
from workers.model.fusion.pool import LogPool
from workers.model.heads import Floats
from workers.model.recalibration import Recalibration
from workers.model.scoring import Scored
from workers.model.selective import group

if TYPE_CHECKING:  # torch behind it, which a text worker does without unless the model needs it
    from workers.model.fusion.strategy import Joint

FORM = 1
FILE, PHOTOS, TEXT, GATE = "model.json", "photos.npz", "text", "gate.safetensors"
JOINT, ALIGNMENT = "strategy.safetensors", "alignment.safetensors"
FIXED, LATE = "fixed", "late"
VECTORS = ("early", "weighted", "attention", "serial")  # `fusion.strategy.STRATEGIES`, which needs torch
LEARNED = "a customer's photo "  # what begins the name of a photo that history taught
FUSIONS = (LATE, FIXED, *VECTORS)
_CERTAIN = 1 - 1e-6  # a network's confidence goes no higher, so that a threshold of 1 is never reached
_SAME = 1e-9  # budgets that differ by less are the same
_OF = "of:"  # before an entry's id, which may be a word that NumPy takes for itself


@dataclass(frozen=True, slots=True)
class Learned:
    """What past conversations taught about an entry: customers' own words, and how many photos."""

    phrases: tuple[str, ...] = ()
    photos: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained model.

    `fusion` names how channels are pooled, `joint` is the network of a strategy that fuses vectors; `learned` maps an
    entry's id to what history taught; `photos` to vectors (n, dim) of the image encoder `image`; `correction` is
    applied to confidences. `answer_at` is the threshold that labelled questions proved for `budget`, 0 when none did:
    then the knowledge base's own calibration decides. `groups` maps groups of channels (`selective.group`) to
    thresholds of their own that were proven for it; when there are any, a group that has none gets the knowledge
    base's. `proven_for` is the digest (`basis`) of the knowledge base that labelled questions were asked of; about any
    other one, and where it is empty as in models of earlier versions, nothing is proven. `senses` holds the digests of
    what recognised the labelled questions, `speech` and `reader`, as far as there were voice notes and text in photos;
    about a question that another one recognised nothing is proven either. `estimate` is the threshold of
    a `joint` that is not proven; with 0 it only asks back. `encoder` is the digest of the text encoder it was trained
    with, `text` the folder of that encoder where it was fine-tuned. `alignment` takes the place of ConSE where pairs
    proved that it is better.
    """

    encoder: str
    fusion: str = LATE
    learned: Mapping[str, Learned] = field(default_factory=dict)
    groups: Mapping[str, float] = field(default_factory=dict)
    photos: Mapping[str, Floats] = field(default_factory=dict)
    image: str = ""
    correction: Recalibration = field(default_factory=Recalibration)
    answer_at: float = 0.0
    estimate: float = 0.0
    budget: float = 0.0
    proven_for: str = ""
    senses: Mapping[str, str] = field(default_factory=dict)
    gate: Gate | None = None
    joint: Joint | None = None
    alignment: Alignment | None = None
    text: Path | None = None

    def over(self, adapted: Adapted) -> Fusion:
        """What makes one opinion of several about a knowledge base."""
        if self.joint is not None:
            return self.joint.over(adapted)
        return LogPool() if self.fusion == FIXED else self.gate or shipped()

    def must_fit(self, encoder: str, image: str = "") -> None:
        """Raise BadInput unless it was trained with this text encoder; says what to do.

        A model that fuses vectors also needs the `image` encoder it was trained with, where photos are looked at.
        """
        if self.joint is not None and image not in ("", self.image):
            raise BadInput(
                f"the model's strategy {self.fusion} was trained with the image encoder {self.image}, but the settings "
                f"make it {image}: set POLYDESK_IMAGE_MODEL as it was then, or train again"
            )
        if encoder != self.encoder and self.encoder.startswith(tuned.MARK) and self.text is None:
            raise BadInput(
                f"the model's own text encoder {self.encoder} is missing: copy the model's folder again, with {TEXT}/ "
                "in it, or train again"
            )
        if encoder != self.encoder:
            raise BadInput(
                f"the model was trained with the text encoder {self.encoder}, but the settings and the knowledge "
                f"base's language make it {encoder}: set POLYDESK_TEXT_MODEL as it was then, or train again"
            )

    def taught(self, knowledge: KnowledgeBase) -> KnowledgeBase:
        """The knowledge base with the words of past customers among its variants; unknown entries are passed over."""
        entries = []
        for entry in knowledge.entries:
            known = {phrase.casefold() for phrase in entry.phrases}
            more = self.learned.get(entry.id, Learned()).phrases
            fresh = tuple(phrase for phrase in dict.fromkeys(more) if phrase.casefold() not in known)
            entries.append(replace(entry, variants=(*entry.variants, *fresh)))
        return replace(knowledge, entries=tuple(entries))

    def holds(self, knowledge: KnowledgeBase, image: str = "") -> bool:
        """Whether what labelled questions proved, they proved about just this knowledge base.

        `image` is the digest of the image encoder where photos are looked at. Reads the example photos that are files;
        ask it once for each release.
        """
        return bool(self.proven_for) and image in ("", self.image) and self.proven_for == basis(knowledge)

    def sensed(self, senses: Mapping[str, str]) -> bool:
        """Whether what recognised a question (digests as in `senses`) recognised the labelled ones too."""
        return all(self.senses.get(name, digest) == digest for name, digest in senses.items())

    def proven(self, budget: float, channels: Iterable[str]) -> float:
        """The threshold that labelled questions proved for such questions and a budget; 0 when they did not.

        What keeps a budget keeps every laxer one.
        """
        return self._former(channels) if budget >= self.budget - _SAME else 0.0

    def _former(self, channels: Iterable[str]) -> float:
        return self.groups.get(group(channels), 0.0) if self.groups else self.answer_at

    def limits(
        self, ours: Thresholds, budget: float, channels: Iterable[str] = ("text",), *, holds: bool
    ) -> Thresholds:
        """The thresholds in force for a question of some channels: the proven one where it was proven.

        About a knowledge base that was edited since nothing is proven any longer (`holds` is False), nor for a stricter
        budget: the larger one of the threshold as it was proven and the knowledge base's own estimate is in force then,
        and is an estimate too. For a laxer budget it is the smaller one, so that no threshold falls as the budget does.
        `ours` are about the confidences of opinions; of a strategy that fuses vectors they tell nothing, so that one
        without a threshold, or with one for a laxer budget, only asks back, and one about an edited knowledge base
        keeps its own.
        """
        former, lax, strict = self._former(channels), budget > self.budget + _SAME, budget < self.budget - _SAME
        if self.joint is not None:
            at = 1.0 if strict else former or self.estimate or 1.0
        elif not former or (lax and (former > ours.answer_at or not holds)):
            return ours
        else:
            at = max(former, ours.answer_at) if strict or not holds else former
        return Thresholds(at, min(ours.clarify_at, at), at)

    def corrected(self, scored: Scored, budget: float, *, holds: bool) -> Scored:
        """A scored question with the confidence, and the thresholds, that labelled questions taught.

        `holds` tells whether what they proved holds for this knowledge base.
        """
        limits = self.limits(Thresholds(scored.answer_at, scored.clarify_at), budget, scored.evidence, holds=holds)
        return replace(
            scored,
            confidence=self.sure(scored.confidence),
            answer_at=limits.answer_at,
            clarify_at=limits.clarify_at,
            guaranteed=holds and 0 < self.proven(budget, scored.evidence) == limits.answer_at,
            evidence={name: self._told(one) for name, one in scored.evidence.items()},
        )

    def sure(self, score: float) -> float:
        """The confidence that labelled questions make of a fused score."""
        return min(float(self.correction(score)), _CERTAIN if self.joint is not None else 1.0)

    def _told(self, evidence: object) -> object:
        if not isinstance(evidence, dict) or not evidence.get("without"):
            return evidence
        return evidence | {"without": round(self.sure(evidence["without"]), 4)}

    def save(self, folder: Path) -> None:
        """Write it; `model.json` comes last, so that a folder that has one is whole.

        A fine-tuned text encoder that lies elsewhere is copied into the folder; what an earlier model left is gone.

        Raises:
            Broken: it cannot be written.
        """
        parts = self._parts()
        plain: dict[str, Any] = {
            "form": FORM,
            "encoder": self.encoder,
            "fusion": self.fusion,
            "learned": {id: asdict(one) for id, one in self.learned.items()},
            "groups": dict(self.groups),
            "image": self.image,
            "correction": self.correction.plain(),
            "answer_at": self.answer_at,
            "estimate": self.estimate,
            "budget": self.budget,
            "proven_for": self.proven_for,
            "senses": dict(self.senses),
            "parts": {name: _sha256(content) for name, content in parts.items() if content is not None},
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / FILE).unlink(missing_ok=True)
            for name, content in parts.items():
                if content is None:
                    (folder / name).unlink(missing_ok=True)
                else:
                    (folder / name).write_bytes(content)
            if self.text != folder / TEXT:
                shutil.rmtree(folder / TEXT, ignore_errors=True)
                if self.text is not None:
                    scratch = folder / f".{TEXT}.new"
                    shutil.rmtree(scratch, ignore_errors=True)
                    shutil.copytree(self.text, scratch)
                    scratch.rename(folder / TEXT)
            draft = folder / f"{FILE}.new"
            draft.write_text(json.dumps(plain, ensure_ascii=False, indent=1), encoding="utf-8")
            draft.replace(folder / FILE)
        except OSError as problem:
            raise Broken(f"the model cannot be written to {folder} ({problem}): free space there") from problem

    def _parts(self) -> dict[str, bytes | None]:
        """The files beside `model.json`; None for one that this model has not."""
        photos = io.BytesIO()
        np.savez(
            photos, allow_pickle=False, **{f"{_OF}{id}": some.astype(np.float16) for id, some in self.photos.items()}
        )
        return {
            PHOTOS: photos.getvalue() if self.photos else None,
            GATE: self.gate.to_bytes() if self.gate is not None else None,
            ALIGNMENT: self.alignment.to_bytes() if self.alignment is not None else None,
            JOINT: self.joint.to_bytes() if self.joint is not None else None,
        }

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
                raise BadInput(
                    f"{folder} is of the unknown strategy {plain['fusion']!r}, known are {', '.join(FUSIONS)}: "
                    "train again, or use the version that made it"
                )
            parts = _read(folder, plain.get("parts"))
            photos: dict[str, Floats] = {}
            if PHOTOS in parts:
                with np.load(io.BytesIO(parts[PHOTOS]), allow_pickle=False) as arrays:
                    photos = {id.removeprefix(_OF): arrays[id].astype(np.float32) for id in arrays.files}
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
                estimate=float(plain.get("estimate", 0.0)),
                budget=float(plain["budget"]),
                proven_for=str(plain.get("proven_for", "")),
                senses={str(name): str(digest) for name, digest in plain.get("senses", {}).items()},
                gate=Gate.from_bytes(parts[GATE]) if GATE in parts else None,
                alignment=Alignment.from_bytes(parts[ALIGNMENT]) if ALIGNMENT in parts else None,
                joint=_joint(folder, parts.get(JOINT), plain["fusion"]) if plain["fusion"] in VECTORS else None,
                text=folder / TEXT if (folder / TEXT).is_dir() else None,
            )
        except BadInput:
            raise
        except Exception as problem:
            raise BadInput(f"{folder / FILE} cannot be read ({problem}): train again") from problem


def _read(folder: Path, digests: Mapping[str, str] | None) -> dict[str, bytes]:
    """The files beside `model.json`; a model of an earlier version does not tell their digests.

    Raises:
        BadInput: one is missing, or is not what was written.
    """
    if digests is None:
        return {name: (folder / name).read_bytes() for name in (PHOTOS, GATE) if (folder / name).is_file()}
    found = {}
    for name, digest in digests.items():
        content = (folder / name).read_bytes() if (folder / name).is_file() else b""
        if _sha256(content) != digest:
            what = "is damaged" if content else "is missing or empty"
            raise BadInput(f"{folder / name} {what}: copy the model's folder again, or train again")
        found[name] = content
    return found


def _joint(folder: Path, stored: bytes | None, fusion: str) -> Joint:
    """The strategy's network; raises BadInput when it is none that can be run."""
    from workers.model.fusion.strategy import Joint

    try:
        joint = Joint.from_bytes(stored or b"")
        if joint.dimensions.strategy != fusion:
            raise ValueError(f"it is of the strategy {joint.dimensions.strategy!r}, the model of {fusion!r}")
    except ValueError as problem:
        raise BadInput(
            f"{folder / JOINT} cannot be used ({problem}): train again with `polydesk train --strategy {fusion}`"
        ) from problem
    return joint


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
