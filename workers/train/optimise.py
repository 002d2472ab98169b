"""Optimising a trained model: its encoders in smaller, faster forms, each taken only where nothing is lost."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import BadInput, Broken
from workers.configuration import Configuration
from workers.evaluation import evaluate
from workers.local import Local
from workers.model import optimised
from workers.model.shelf import AUTO, MINILM, Shelf
from workers.model.trained import ALIGNMENT, FILE, TEXT, Trained
from workers.train.forms import Subject, subjects
from workers.train.likeness import Tolerance
from workers.train.log import Log
from workers.train.sample import Sample, gather
from workers.train.weighed import ORIGINAL, PAGE, TABLE, Asked, Optimised, Row, Tried, markdown, plain
from workers.train.weighing import weigh

_MAKING = ".making-"  # what the name of a folder on its way begins with
_LEFT = ("log", "work")  # of a training, which no answer needs


def optimise(
    model: Path,
    out: Path,
    configuration: Configuration,
    log: Log,
    *,
    samples: Sequence[Path],
    kb: Path | None = None,
    tolerance: Tolerance | None = None,
    weigh_memory: bool = True,
) -> Optimised:
    """Measure the forms that a model's encoders can have, then write `out`: the model with those that gain.

    Args:
        model: a folder that `polydesk train --out` wrote; it stays as it is.
        out: a folder that is not there, is empty, or was written by this before.
        configuration: which encoders; forms are made for the processor.
        log: what it says while it runs.
        samples: knowledge bases whose phrases and example photos forms are compared on, beside the model's own.
        kb: a knowledge base whose cases a form must not lose either; its phrases join the samples.
        tolerance: what a form may lose.
        weigh_memory: also measure what each form holds, in a process of its own.

    Raises:
        BadInput: like `check`. KnowledgeError: a knowledge base is wrong. Broken: weights are missing or damaged.
    """
    trained = check(model, out)
    work = _Work(
        model,
        out,
        trained,
        replace(configuration, device="cpu", threads=1),
        log,
        tolerance or Tolerance(),
        weigh_memory,
    )
    with log.stage("samples"):
        sample = gather(trained, [*samples, *([kb] if kb is not None else [])])
    place = _place(out)
    try:
        with tempfile.TemporaryDirectory(prefix=_MAKING, dir=place) as scratch:
            return work.done(sample, kb, Path(scratch))
    except OSError as problem:
        raise Broken(f"the optimised model cannot be written to {out} ({problem}): free space there") from problem


@dataclass(frozen=True, slots=True)
class _Work:
    """One model on its way."""

    model: Path
    out: Path
    trained: Trained
    configuration: Configuration
    log: Log
    limits: Tolerance
    weigh_memory: bool

    def done(self, sample: Sample, kb: Path | None, scratch: Path) -> Optimised:
        """Weigh every encoder, then put the folder together in `scratch`, then where it belongs."""
        rows: list[Row] = []
        cases: list[Tried] = []
        taken: dict[str, Path] = {}
        (scratch / "forms").mkdir()
        before = self._asked(kb, self.model, "cases before") if kb is not None else None
        models = self.configuration.models if self.weigh_memory else None
        for number, subject in enumerate(self._subjects(), 1):
            with self.log.stage(f"encoder {number}"):
                measured, best = weigh(subject, scratch / "forms", sample, self.limits, models)
            if best is not None and kb is not None and before is not None:
                _assemble(self.model, scratch / "trial", self.trained, taken | {subject.original.digest: best})
                after = self._asked(kb, scratch / "trial", f"cases after {number}")
                cases.append(Tried(subject.title, before, after))
                if why := cases[-1].loss(self.limits.cases):
                    best = None
                    measured = [replace(one, taken=one.way == ORIGINAL, why=one.why or why) for one in measured]
            if best is not None:
                taken[subject.original.digest] = best
            rows += measured
        found = Optimised(
            at=int(time.time() * 1000),
            tolerance=self.limits,
            sentences=len(sample.sentences) + len(sample.others),
            pictures=len(sample.asked),
            rows=(*rows, *_untouched()),
            cases=tuple(cases),
            guarantee=bool(self.trained.answer_at and taken),
        )
        made = scratch / "made"
        _assemble(self.model, made, self.trained, taken)
        (made / TABLE).write_text(plain(found) + "\n", encoding="utf-8")
        (made / PAGE).write_text(markdown(found), encoding="utf-8")
        for path in (made, *made.rglob("*")):  # customers' words are in it
            path.chmod(0o700 if path.is_dir() else 0o600)
        _put(made, self.out)
        return found

    def _subjects(self) -> list[Subject]:
        own, text = self.configuration, self.trained.text
        if text is not None and own.text_model not in (AUTO, MINILM):
            own = replace(own, text_model=str(text))  # the settings do not use it, but it is what was asked about
        return subjects(own, Shelf.of(own, text), text)

    def _asked(self, kb: Path, model: Path, stage: str) -> Asked:
        with self.log.stage(stage), Local.open(kb, self.configuration, model, builtins=False) as local:
            return Asked.of(evaluate(local, None)[0])


def check(model: Path, out: Path) -> Trained:
    """The model that is to be optimised; nothing is written over but what this wrote.

    Raises:
        BadInput: no model, one that is optimised already, a folder for another one that cannot be had.
    """
    trained = Trained.load(model)
    if optimised.forms(model):
        raise BadInput(f"{model} is optimised already: name the folder that `polydesk train --out` wrote")
    here, there = model.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise BadInput(f"--out {out} must lie apart from --model {model}: name another folder")
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is not a folder: name one for the optimised model")
    others = [one for one in out.iterdir() if not one.name.startswith(_MAKING)] if out.is_dir() else []
    if others and not (out / TABLE).is_file():
        raise BadInput(f"{out} holds other files: name an empty folder, or one that optimise made")
    return trained


def _place(out: Path) -> Path:
    """Where the folder is put together: in itself where it is there, since it may be a mount point, else beside it."""
    place = out.absolute() if out.is_dir() else out.absolute().parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as problem:
        raise BadInput(f"{out} cannot be made ({problem.strerror}): name a folder that you may write to") from problem
    return place


def _put(made: Path, out: Path) -> None:
    """Give a folder its name, or its content to a folder that is there.

    `model.json` goes first and comes last, so that what is half done is no model; the table that makes it ours is
    always there.
    """
    if not out.exists():
        made.rename(out)
        return
    for old in sorted(out.iterdir(), key=lambda one: one.name != FILE):
        if old.is_dir() and not old.is_symlink():
            if old.name != made.parent.name:  # which holds it
                shutil.rmtree(old)
        elif old.name != TABLE:
            old.unlink()
    for new in sorted(made.iterdir(), key=lambda one: (one.name == FILE, one.name != TABLE)):
        new.rename(out / new.name)


def _assemble(model: Path, target: Path, trained: Trained, taken: Mapping[str, Path]) -> None:
    """A copy of a model's folder with these forms in it, by the digest of what each stands in for.

    The vectors of past customers' photos stay those of the original image encoder: within the tolerance they are what
    the form would make of the same photos, which nobody kept.
    """
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(model, target, ignore=lambda folder, names: [one for one in names if _spare(one)])
    told = json.loads((target / FILE).read_text(encoding="utf-8"))
    told[optimised.FORMS] = {}
    digests = {of: optimised.read(folder).digest for of, folder in taken.items()}
    for of, folder in taken.items():
        name = TEXT if trained.text is not None and of == trained.encoder else f"{optimised.FORMS}/{folder.name}"
        shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(folder, target / name)
        told[optimised.FORMS][of] = name
    told |= {key: digests[told[key]] for key in ("encoder", "image") if told.get(key) in digests}
    if taken:  # thresholds were proven with the encoders as they were
        told["proven_for"] = ""
    if trained.alignment is not None:  # within the tolerance the forms' vectors are those it was trained on
        image, text = (digests.get(one, one) for one in (trained.alignment.image, trained.alignment.text))
        stored = replace(trained.alignment, image=image, text=text).to_bytes()
        (target / ALIGNMENT).write_bytes(stored)
        told["parts"][ALIGNMENT] = hashlib.sha256(stored).hexdigest()
    (target / FILE).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


def _spare(name: str) -> bool:
    return name in _LEFT or name.startswith(".") or name.endswith(".new") or name in (TABLE, PAGE)


def _untouched() -> tuple[Row, ...]:
    """What has no other form."""
    return (
        Row("voice notes", ORIGINAL, "", taken=True, why="eight bits hear more words wrong: docs/decisions/0006"),
        Row("text in photos", ORIGINAL, "", taken=True, why="its networks come optimised"),
    )
