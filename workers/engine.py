"""The engine: loads once, answers batches of questions about any release."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from core import wire
from core.asking import Prediction, Question
from core.errors import Broken, PolydeskError
from core.knowledge.entries import KnowledgeBase, Release, english
from core.knowledge.lint import Finding
from core.store.blobs import BlobFolder
from workers import media
from workers.configuration import Configuration
from workers.encodings import Encodings
from workers.examples import Examples
from workers.media import images
from workers.model.ablation import card
from workers.model.adapt import Adapted, adapt, voiced
from workers.model.conse import Conse
from workers.model.encodings import EncodingCache
from workers.model.heads import Floats
from workers.model.heard import Said, hear
from workers.model.ports import ImageFeatures, TextEncoder, WordTower
from workers.model.scoring import Scored, score_all
from workers.model.shelf import Shelf
from workers.model.trained import Trained
from workers.models import Models
from workers.perceiving import Perceived, Read, perceive, recognisers
from workers.recalling import Recalled, Senses
from workers.rehearsal import rehearse_media, rehearse_words
from workers.released import Released, tag
from workers.tongues import Spoken, foreign, spoken
from workers.toning import Strain, Toning

log = structlog.get_logger()

_KEPT = 6  # releases, each with each text encoder, that stay in memory


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A question on its way through the engine."""

    perceived: Perceived
    release: Release
    tongue: Spoken
    encoder: TextEncoder
    trained: Trained | None
    shelf: Shelf

    @property
    def model(self) -> str:
        """What answers: the encoder, with the beginning of the trained model's blob where one is in force."""
        trained = self.release.model[:12] if self.trained else ""
        return f"{self.encoder.digest}+{trained}" if trained else self.encoder.digest

    @property
    def sounds(self) -> bool:
        """Whether phrases are known by their sounds for it: an English voice note, or nothing that says otherwise."""
        return self.tongue.language == "en" and (self.perceived.transcript is not None or self.perceived.empty)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A release as a model knows it; `holds` says whether what labelled questions proved, they proved about it."""

    adapted: Adapted
    holds: bool


class Engine:
    """One per process; `predict` is called by one thread at a time, `warm` with `rehearse` by another one.

    `photos` says whether this process looks at example photos: a text worker does without the image encoder; `recall`
    whether it remembers what it recognised last; `tone` whether customers are told that their tone is looked at;
    without, no question has it looked at. `trained` answers about every release; without it, the one of `models` that a
    release names.
    """

    def __init__(
        self,
        shelf: Shelf,
        read: Read,
        release: Callable[[str], Release],
        cache: EncodingCache,
        *,
        photos: bool,
        builtins: bool = True,
        trained: Trained | None = None,
        models: Models | None = None,
        recall: bool = False,
        tone: bool = False,
    ) -> None:
        self._shelf = shelf
        self._recalled = Recalled(shelf) if recall else None
        self._toning = Toning(shelf) if tone else None
        self._read = read
        self._release = release
        self._cache = cache
        self._examples = Examples(read, cache)
        self._photos = photos
        self._builtins = builtins
        self._trained = trained
        self._released = Released(models, shelf, photos=photos, forget=self._forget) if models is not None else None
        if trained is not None and trained.joint is not None:
            shelf.restrain()
        self._adapted: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._releases: OrderedDict[str, Release] = OrderedDict()
        self._conses: OrderedDict[str, Conse] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def open(cls, configuration: Configuration, *, photos: bool) -> Engine:
        """The engine of a worker process; `warm` loads its models.

        Raises:
            Broken: decoders are missing; the message says what to do.
        """
        media.selftest()
        blobs = BlobFolder(configuration.blobs)
        shelf = Shelf.of(configuration)
        return cls(
            shelf,
            blobs.get,
            lambda blob: wire.loads(Release, blobs.get(blob)),
            Encodings(configuration.encodings),
            photos=photos,
            models=Models(blobs.get, configuration.trained),
            recall=True,
            tone=configuration.tone,
        )

    def warm(self) -> None:
        """Load what the first question would otherwise wait for.

        Raises:
            Broken: models are missing; the message says what to do.
        """
        self._shelf.text("en").encode(["hello"])
        self._shelf.language.identify("hello")
        if self._photos:
            self._shelf.image, self._shelf.reader, self._shelf.speech  # noqa: B018

    def rehearse(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Run once what takes longer the first time; questions may be asked meanwhile, by another thread.

        Args:
            ended: asked between steps of some seconds; once it is true, nothing else is rehearsed.

        Raises:
            Broken: models are missing; the message says what to do.
        """
        rehearse_words(self._shelf, self._cache)
        if self._photos and not ended():
            labels = rehearse_media(self._shelf)
            if labels is not None and self._shelf.labels and not ended():
                self._conse(self._shelf.text("en")).vector(labels)
        if self._toning and not ended():
            self._toning.warm(voices=self._photos)

    def predict(self, questions: Sequence[Question]) -> list[Prediction | Exception]:
        """A prediction or an error for each question; one bad question fails alone."""
        answers: dict[int, Prediction | Exception] = {}
        cases: dict[int, _Case] = {}
        for place, question in enumerate(questions):
            try:
                cases[place] = self._case(question)
            except PolydeskError as problem:
                answers[place] = problem
            except Exception as problem:
                log.exception("question.unreadable", question=question.id)
                answers[place] = problem
        groups: dict[tuple[str, str], list[int]] = {}
        for place, case in cases.items():
            groups.setdefault((case.perceived.question.release, case.model), []).append(place)
        for places in groups.values():
            try:
                told: Sequence[Prediction | Exception] = self._answer([cases[place] for place in places])
            except Exception as problem:
                log.exception("questions.failed", release=cases[places[0]].perceived.question.release)
                told = [problem] * len(places)
            answers |= dict(zip(places, told, strict=True))
        return [answers[place] for place in range(len(questions))]

    def listen(self, question: Question) -> Said:
        """What a question holds, perceived but not scored.

        Raises:
            PolydeskError: it cannot be read at all.
        """
        return self._said(self._case(question))

    def look(self, photo: str, knowledge: KnowledgeBase) -> Said:
        """What a photo shows, nothing read in it.

        Raises:
            PolydeskError: it cannot be read.
        """
        features = self._shelf.image.encode([images.decode(self._read(photo))])
        return Said(photos=features.vectors, shown=self._shown(features, self.encoder(knowledge), self._shelf))

    def encoder(self, knowledge: KnowledgeBase) -> TextEncoder:
        """The text encoder for a knowledge base's own language."""
        return self._shelf.text(tag(knowledge))

    def strange(self, knowledge: KnowledgeBase) -> tuple[Finding, ...]:
        """What of a knowledge base its text encoder was not trained for."""
        return foreign(knowledge, self.encoder(knowledge).languages, self._shelf.language)

    @property
    def pictures(self) -> tuple[str, int]:
        """Digest of the image encoder and the length of its vectors; loads it."""
        return self._shelf.image.digest, self._shelf.image.dim

    def recognisers(self, said: Sequence[Said]) -> dict[str, str]:
        """What recognised these questions, see `workers.perceiving`."""
        return recognisers(self._shelf, said)

    def adapted(self, knowledge: KnowledgeBase, trained: Trained, *, voices: bool) -> Adapted:
        """A knowledge base with what a model has learned, for whoever trains one; nothing is kept.

        `voices` says whether voice notes will be asked.
        """
        encoder = self.encoder(knowledge)
        learned = self._learn(knowledge, encoder, trained, self._shelf)
        return voiced(learned, _taught(knowledge, trained), text=encoder, cache=self._cache) if voices else learned

    def _case(self, question: Question) -> _Case:
        release = self._known(question.release)
        trained, shelf = self._trained, self._shelf
        if trained is None and self._released is not None:
            trained, shelf = self._released.of(release)
        senses: Senses = self._recalled.over(shelf) if self._recalled else shelf
        perceived = perceive(question, senses, self._read)
        words = " ".join((question.text, perceived.transcript.text if perceived.transcript else ""))
        tongue = spoken(words, question.language, release.knowledge, self._shelf.language)
        native = english(release.knowledge.language) and tongue.language == "en"
        try:
            encoder = shelf.text("en" if native else "")
        except Broken as problem:
            if self._released is None or shelf is self._shelf:
                raise
            self._released.refuse(release, str(problem))
            return self._case(question)
        return _Case(perceived, release, tongue, encoder, trained, shelf)

    def _forget(self, encoder: str) -> None:
        """Nothing is kept that was made with this text encoder, which is gone."""
        with self._lock:
            self._conses.pop(encoder, None)

    def _answer(self, cases: Sequence[_Case]) -> list[Prediction]:
        first = cases[0]
        # When a release is published, one worker of each queue reads it with a question that holds nothing, so that no
        # customer waits for it there; voice notes come to processes that look at photos.
        if self._photos and self._shelf.labels and any(case.perceived.empty for case in cases):
            self._conse(first.encoder)
        voices = any(case.sounds and (self._photos or not case.perceived.empty) for case in cases)
        known = self._adapt(first, voices=voices)
        adapted = known.adapted
        said = [self._said(case) for case in cases]
        heard = hear(said, first.encoder, adapted.spelling)
        trained = first.trained if first.trained and first.trained.encoder == first.encoder.digest else None
        scored = score_all(adapted, heard, fusion=trained.over(adapted) if trained else None, talk=self._builtins)
        if trained:
            budget = first.release.knowledge.error_budget
            holds = [known.holds and trained.sensed(recognisers(first.shelf, [one])) for one in said]
            scored = [trained.corrected(one, budget, holds=held) for one, held in zip(scored, holds, strict=True)]
        strains: Sequence[Strain | None] = [None] * len(cases)
        if self._toning:
            strains = self._toning.read([case.perceived for case in cases], first.encoder)
        return [
            self._told(case, self._explained(case, one, adapted, trained), adapted, strain)
            for case, one, strain in zip(cases, scored, strains, strict=True)
        ]

    def _explained(self, case: _Case, scored: Scored, adapted: Adapted, trained: Trained | None) -> Scored:
        """With the evidence card where it was asked for; a card that cannot be drawn is no reason not to answer."""
        if not case.perceived.question.explain or case.perceived.empty:
            return scored
        said, pool = self._said(case), trained.over(adapted) if trained else None
        sure = trained.sure if trained else float
        try:
            drawn = card(adapted, said, scored, case.encoder, fusion=pool, sure=sure)
        except Exception:
            log.exception("question.unexplained", question=case.perceived.question.id)
            return scored
        return replace(scored, evidence=scored.evidence | {"card": drawn}) if drawn else scored

    def _said(self, case: _Case) -> Said:
        perceived = case.perceived
        features = perceived.features
        return Said(
            text=perceived.question.text,
            transcript=perceived.transcript.text if perceived.transcript else "",
            certainty=perceived.transcript.confidence if perceived.transcript else 1.0,
            ocr=perceived.lines,
            photos=features.vectors if features is not None else None,
            shown=self._shown(features, case.encoder, case.shelf, case.trained) if features is not None else None,
            history=perceived.question.history,
            segments=perceived.transcript.segments if perceived.transcript else (),
            english=case.tongue.language == "en",
        )

    def _shown(
        self, features: ImageFeatures, encoder: TextEncoder, shelf: Shelf, trained: Trained | None = None
    ) -> Floats | None:
        """What pictures show in the space of words, (n, d)."""
        if isinstance(shelf.image, WordTower):
            return features.vectors
        shown = None
        if features.labels is not None:
            conse = self._conse(encoder)
            shown = np.stack([conse.vector(labels) for labels in features.labels])
        alignment = trained.alignment if trained is not None else None
        if alignment is not None and alignment.fits(shelf.image.digest, encoder.digest):
            return alignment.vectors(features.vectors, shown)
        return shown

    def _told(self, case: _Case, scored: Scored, adapted: Adapted, strain: Strain | None) -> Prediction:
        question, perceived = case.perceived.question, case.perceived
        return Prediction(
            question=question.id,
            attempt=question.attempt,
            release=question.release,
            model=case.model,
            candidates=scored.candidates if not perceived.empty else (),
            confidence=scored.confidence if not perceived.empty else 0.0,
            answer_at=scored.answer_at,
            clarify_at=scored.clarify_at,
            rivals=scored.rivals,
            builtin=scored.builtin,
            transcript=perceived.transcript.text if perceived.transcript else "",
            ocr=perceived.lines,
            language=case.tongue.language,
            spoken=case.tongue.known,
            unread=perceived.unread,
            evidence=scored.evidence,
            tone=strain.probability if strain else None,
            tone_by=strain.by if strain else None,
            guaranteed=scored.guaranteed,
        )

    def _known(self, blob: str) -> Release:
        if blob not in self._releases:
            self._releases[blob] = self._release(blob)
            while len(self._releases) > _KEPT:
                self._releases.popitem(last=False)
        return self._releases[blob]

    def _conse(self, encoder: TextEncoder) -> Conse:
        with self._lock:
            if encoder.digest not in self._conses:
                self._conses[encoder.digest] = Conse(encoder, self._shelf.labels)
                while len(self._conses) > _KEPT:
                    self._conses.popitem(last=False)
            return self._conses[encoder.digest]

    def _adapt(self, case: _Case, *, voices: bool) -> _Known:
        place = (case.perceived.question.release, case.model)
        known = self._adapted.get(place)
        knowledge, trained = case.release.knowledge, case.trained
        if known is None:
            adapted = self._learn(knowledge, case.encoder, trained, case.shelf)
            image = case.shelf.image.digest if self._photos else ""
            known = _Known(adapted, trained is not None and trained.holds(knowledge, image))
            self._adapted[place] = known
            while len(self._adapted) > _KEPT:
                self._adapted.popitem(last=False)
        if voices and known.adapted.heard is None:
            taught = _taught(knowledge, trained)
            adapted = voiced(known.adapted, taught, text=case.encoder, cache=self._cache)
            known = self._adapted[place] = replace(known, adapted=adapted)
        self._adapted.move_to_end(place)
        return known

    def _learn(self, knowledge: KnowledgeBase, encoder: TextEncoder, trained: Trained | None, shelf: Shelf) -> Adapted:
        image = shelf.image if self._photos else None
        return adapt(
            _taught(knowledge, trained),
            text=encoder,
            photos=self._examples.vectors(knowledge, trained, image) if image is not None else {},
            tower=image if isinstance(image, WordTower) else None,
            cache=self._cache,
        )


def _taught(knowledge: KnowledgeBase, trained: Trained | None) -> KnowledgeBase:
    """A knowledge base with what a model has learned about it, as it is without one."""
    return trained.taught(knowledge) if trained else knowledge
