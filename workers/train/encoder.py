"""Fine-tuning the text encoder as a stage of a training: whether it is offered, how it went, whether it is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import wire
from core.errors import BadInput, Broken
from core.knowledge.entries import NONE, KnowledgeBase, english
from core.knowledge.history import Splits
from workers.configuration import Configuration
from workers.model import hub, metrics
from workers.model.fusion.gate import shipped
from workers.model.points import phrases_of
from workers.model.shelf import AUTO, MINILM
from workers.model.smalltalk import outside
from workers.model.trained import LATE
from workers.model.tuned import is_tuned, whole
from workers.model.weights import fetch
from workers.train import results as told
from workers.train.compared import Pooled
from workers.train.finetune import Progress, finetune
from workers.train.log import Log, Stage
from workers.train.measuring import choosing, measured, right
from workers.train.notes import note, put
from workers.train.parting import Ground

STAGE = "fine-tuning"
FEWEST = 20  # labelled questions to choose by; with fewer, phrases are withheld to choose by


def offered(configuration: Configuration, knowledge: KnowledgeBase) -> Path:
    """The folder of the encoder that can be fine-tuned.

    Raises:
        BadInput: it is another one than the built-in English encoder; says what to do.
    """
    built_in = configuration.text_model in (AUTO, MINILM)
    if built_in and english(knowledge.language):
        return fetch.folder(configuration.models, "text-en")
    what = (
        f"the knowledge base's language is {knowledge.language}"
        if built_in
        else f"POLYDESK_TEXT_MODEL names {configuration.text_model}"
    )
    raise BadInput(f"fine-tuning is there for the built-in English text encoder, but {what}: train without it")


def lacking(parts: Splits) -> bool:
    """Whether there are too few labelled questions to choose an encoder by."""
    return len(choosing(parts.validation)) < FEWEST


def tune(frozen: Ground, knowledge: KnowledgeBase, source: Path, out: Path, device: str, log: Log) -> told.Finetuned:
    """Fine-tune on all phrases that may be learned from; goes on where an earlier call with the same inputs stood.

    Args:
        frozen: what was heard with the encoder as it is.
        knowledge: what may be learned from.
        source: the folder of that encoder.
        out: the folder to write; not there afterwards where there was no gain, which `why` tells.
        device: a wish, see `workers.model.hub.device`.
        log: told how far it is.
    """
    file = out.with_name("finetuned.json")
    before = note(told.Finetuned, file)
    if before is not None and (not before.kept or _whole(out, log)):  # a training that was killed later
        return before
    said = phrases_of(frozen.model.taught(knowledge))
    texts = [text for text, spoken in zip(said.texts, said.spoken, strict=True) if spoken]
    with ExitStack() as stack:
        try:
            found = finetune(
                source, texts, said.owner[said.spoken], outside()["en"], out,
                device=hub.device(device), progress=_telling(log, stack), say=log.say,
            )  # fmt: skip
        except BadInput as problem:
            told_of = told.Finetuned(False, str(problem))
        else:
            told_of = told.Finetuned(
                True, "", found.epochs, found.best, len(found.held), found.before, found.after, found.seconds
            )
    put(file, wire.dumps(told_of).encode())
    return told_of


def _whole(folder: Path, log: Log) -> bool:
    """Whether the encoder that was made is there; one that was damaged since is made anew."""
    if not is_tuned(folder):
        return False
    try:
        whole(folder)
    except Broken as problem:
        log.say(f"{problem}: this is done now")
        return False
    return True


def judged(frozen: Ground, tuned: Ground, found: told.Finetuned) -> told.Finetuned:
    """Whether the fine-tuned encoder is kept: it must not be worse on questions that it never saw.

    Neither those that prove the threshold nor those held out have a say.
    """
    by = "withheld" if frozen.withheld else "validation"
    before, after = (one.withheld or choosing(one.validation) for one in (frozen, tuned))
    both = {one.example.line for one in before} & {one.example.line for one in after}
    hits, sures = [], []
    for one, asked in ((frozen, before), (tuned, after)):
        some = [question for question in asked if question.example.line in both]
        judgements = measured(Pooled(LATE, shipped()), one.adapted, some)
        hits.append(right(judgements, some))
        sures.append([judgement.sure for judgement in judgements])
    if not both:
        why = "no labelled question could tell whether fine-tuning helps: the text encoder is left as it is"
        return replace(found, kept=False, why=why)
    inside = sum(one.example.expect != NONE for one in before if one.example.line in both)
    was, now = (told.Share.of(sum(hit), inside) for hit in hits)
    worse = _surer(sures[0], hits[0], sures[1], hits[1])
    kept = sum(hits[1]) >= sum(hits[0]) and not worse
    why = (
        f"of {inside} {by} questions with an entry {sum(hits[0])} are understood without fine-tuning, "
        f"{sum(hits[1])} with it"
    )
    if not kept:
        less = " and its confidence is worth less" if worse and sum(hits[1]) >= sum(hits[0]) else ""
        why += less
    why += ": the fine-tuned text encoder is kept" if kept else ": the text encoder is left as it is"
    return replace(found, kept=kept, why=why, questions=len(both), frozen=was, tuned=now)


def _surer(before: list[float], hit: list[bool], after: list[float], hit_after: list[bool]) -> bool:
    """Whether the earlier confidences were better ones, beyond what chance explains."""
    lost = metrics.logarithmic_loss(after, hit_after) - metrics.logarithmic_loss(before, hit)
    return bool(lost.mean() > lost.std() / np.sqrt(len(lost)))


def _telling(log: Log, stack: ExitStack) -> Callable[[Progress], None]:
    """Tells a stage of `log`, which begins with the first step: only then it is known where it goes on from."""
    stages: list[Stage] = []

    def tell(one: Progress) -> None:
        done = (one.epoch - 1) * one.steps + one.step
        if not stages:
            stages.append(stack.enter_context(log.stage(STAGE, one.epochs * one.steps, done=done - 1)))
        stages[0].step(done, loss=one.loss)
        if one.held_out is not None:
            stages[0].step(done, held_out=True, accuracy=one.held_out)

    return tell
