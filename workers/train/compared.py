"""The ways of fusing that a training compares, each behind one method."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from workers.model.adapt import Adapted
from workers.model.fusion.gate import shipped
from workers.model.fusion.joint import Dimensions
from workers.model.fusion.opinions import Fusion, Opinion
from workers.model.fusion.pool import LogPool
from workers.model.fusion.strategy import Joint
from workers.model.heads import Floats
from workers.model.heard import Heard
from workers.model.trained import FIXED, LATE
from workers.train.checkpoints import Checkpoint
from workers.train.log import Log
from workers.train.rehearsing import Rehearsal, rehearsed
from workers.train.strategies import STEPS, Points, fit

BASELINE = "TF-IDF + logistic regression"


class Rival:
    """A way of fusing: its `name`, `seconds` of training, and how long its questions `took` altogether."""

    baseline = False
    note = ""

    def __init__(self, name: str, seconds: float = 0.0) -> None:
        self.name, self.seconds = name, seconds
        self.took, self.asked = 0.0, 0

    def scores(self, heard: Sequence[Heard], opinions: Sequence[Sequence[Opinion]], entries: int) -> list[Floats]:
        """Probabilities (entries,) for each question."""
        began = time.perf_counter()
        found = self._scores(heard, opinions, entries)
        self.took += time.perf_counter() - began
        self.asked += len(heard)
        return found

    def pooled(self) -> Rival:
        """What fuses opinions alone, to leave channels out: itself, or the learned gate."""
        return Pooled(LATE, shipped())

    def _scores(self, heard: Sequence[Heard], opinions: Sequence[Sequence[Opinion]], entries: int) -> list[Floats]:
        raise NotImplementedError


class Pooled(Rival):
    """Fuses the channels' opinions; needs no training of its own."""

    def __init__(self, name: str, fusion: Fusion) -> None:
        super().__init__(name)
        self._fusion = fusion

    def pooled(self) -> Rival:
        """Another one that counts its own time."""
        return Pooled(self.name, self._fusion)

    def _scores(self, heard: Sequence[Heard], opinions: Sequence[Sequence[Opinion]], entries: int) -> list[Floats]:
        return [self._fusion.fuse(some, entries) for some in opinions]


class Network(Rival):
    """Fuses vectors, by a network that was trained on the knowledge base's own points."""

    note = "trained on the knowledge base's phrases and photos alone"

    def __init__(self, name: str, joint: Joint, adapted: Adapted, seconds: float) -> None:
        super().__init__(name, seconds)
        self.joint, self._adapted = joint, adapted

    def pooled(self) -> Rival:
        """Another one that counts its own time: it does without any of its channels."""
        return Network(self.name, self.joint, self._adapted, self.seconds)

    def rehearsed(self, points: Points) -> Rehearsal:
        """What its confidences are worth on questions composed of the points that it was trained with."""
        means = self.joint.weights["heads.prototypes"] if self.joint.means is None else self.joint.means
        return rehearsed(self.joint.network(self.joint.entries, means), points)

    def _scores(self, heard: Sequence[Heard], opinions: Sequence[Sequence[Opinion]], entries: int) -> list[Floats]:
        over = self.joint.over(self._adapted)
        return [over.fuse(some, entries) for some in opinions]


class Floor(Rival):
    """The baseline: TF-IDF with logistic regression over all words that were typed, heard or read."""

    baseline = True

    def __init__(self, adapted: Adapted) -> None:
        super().__init__(BASELINE)
        began = time.perf_counter()
        self._model = None
        if adapted.texts is not None:
            spoken = adapted.texts.matcher.spoken
            texts = [name for name, said in zip(adapted.texts.names, spoken, strict=True) if said]
            owner = adapted.texts.members[adapted.texts.matcher.owner[spoken]]
            if len(np.unique(owner)) > 1:
                self._words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts)
                self._model = LogisticRegression(C=10, max_iter=1000).fit(self._words.transform(texts), owner)
        self.seconds = time.perf_counter() - began

    def _scores(self, heard: Sequence[Heard], opinions: Sequence[Sequence[Opinion]], entries: int) -> list[Floats]:
        found = np.zeros((len(heard), entries), dtype=np.float32)
        if self._model is not None and heard:
            texts = [" ".join((one.said.text, one.said.transcript, *one.said.ocr)) for one in heard]
            found[:, self._model.classes_] = self._model.predict_proba(self._words.transform(texts))
        return list(found)


def rivals(
    adapted: Adapted, log: Log, points: Points, names: Sequence[str], work: Path, *, baseline: bool
) -> dict[str, Rival]:
    """Fixed weights, the learned gate, then those of `names` that fuse vectors, each trained; perhaps the baseline.

    Checkpoints are kept in `work`.
    """
    found: dict[str, Rival] = {LATE: Pooled(LATE, shipped()), FIXED: Pooled(FIXED, LogPool())}
    for name in names if len(points.phrases) else ():
        dimensions = Dimensions(name, points.outside.shape[1], points.photos.shape[1], channels=points.channels)
        checkpoint = Checkpoint(work / f"{name}.pt", log.say)
        before = checkpoint.load()
        with log.stage(name, STEPS, done=before["step"] if before else 0) as stage:
            began = time.perf_counter()
            net = fit(dimensions, points, told=stage.step, checkpoint=checkpoint)
            joint = Joint.of(net, dimensions, adapted.entries, points.prototypes())
            found[name] = Network(name, joint, adapted, time.perf_counter() - began)
    if baseline:
        found[BASELINE] = Floor(adapted)
    return found
