"""The brain without a broker: one knowledge base from a file, asked in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core import wire
from core.asking import Prediction, Question
from core.errors import BadInput, Broken
from core.knowledge.entries import KnowledgeBase, Release
from core.knowledge.files import load
from core.store.tables import new_id
from workers.configuration import Configuration
from workers.encodings import Encodings
from workers.engine import Engine
from workers.model.shelf import Shelf


class Local:
    """Questions about one knowledge base; photos and voice notes are files."""

    def __init__(self, engine: Engine, knowledge: KnowledgeBase, release: str) -> None:
        self._engine = engine
        self._release = release
        self.knowledge = knowledge

    @property
    def name(self) -> str:
        """The knowledge base's title with the beginning of its digest."""
        return f"{self.knowledge.title} {self._release[:12]}"

    @classmethod
    @contextmanager
    def open(
        cls, kb: Path, configuration: Configuration, model: Path | None = None, *, builtins: bool = True
    ) -> Iterator[Local]:
        """Load a knowledge base and the models it needs.

        Raises:
            KnowledgeError: the file is wrong. BadInput: the model folder holds none. Broken: weights are missing.
        """
        if model is not None:
            raise BadInput(f"{model} holds no model that this version can read: leave --model out for the shipped one")
        knowledge = load(kb)
        release = hashlib.sha256(wire.dumps(knowledge).encode()).hexdigest()
        cache = Encodings(configuration.encodings)
        engine = Engine(
            Shelf.of(configuration),
            _read,
            lambda blob: Release("local", 0, knowledge),
            cache,
            photos=any(entry.photos for entry in knowledge.live),
            builtins=builtins,
        )
        try:
            yield cls(engine, knowledge, release)
        finally:
            cache.close()

    def ask(
        self, text: str, photos: Sequence[Path] = (), voices: Sequence[Path] = (), history: Sequence[str] = ()
    ) -> Prediction:
        """Predict one question.

        Raises:
            PolydeskError: it cannot be predicted at all; a photo or voice note that cannot be read is named in the
                prediction instead.
        """
        question = Question(
            id=new_id(),
            release=self._release,
            text=text,
            photos=tuple(str(file) for file in photos),
            voices=tuple(str(file) for file in voices),
            history=tuple(history),
        )
        (answer,) = self._engine.predict([question])
        if isinstance(answer, Exception):
            raise answer
        return answer


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as problem:
        raise Broken(f"{name} cannot be read: {problem.strerror}") from problem
