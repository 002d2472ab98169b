"""The brain without a broker: one knowledge base from a file, asked in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core import wire
from core.asking import Prediction, Question
from core.errors import Broken
from core.knowledge.entries import KnowledgeBase, Release
from core.knowledge.files import load
from core.knowledge.lint import Finding
from core.store.tables import new_id
from workers.configuration import Configuration
from workers.encodings import Encodings
from workers.engine import Engine
from workers.model.adapt import Adapted
from workers.model.heard import Said
from workers.model.optimised import forms
from workers.model.ports import TextEncoder
from workers.model.shelf import Shelf
from workers.model.trained import Trained


class Local:
    """Questions about one knowledge base; photos and voice notes are files."""

    def __init__(self, engine: Engine, knowledge: KnowledgeBase, release: str) -> None:
        self._engine = engine
        self._release = release
        self.knowledge = knowledge

    @property
    def encoder(self) -> TextEncoder:
        """The text encoder for the knowledge base's language."""
        return self._engine.encoder(self.knowledge)

    @property
    def strange(self) -> tuple[Finding, ...]:
        """What of the knowledge base its text encoder was not trained for."""
        return self._engine.strange(self.knowledge)

    @property
    def pictures(self) -> tuple[str, int]:
        """Digest of the image encoder and the length of its vectors."""
        return self._engine.pictures

    def recognisers(self, said: Sequence[Said]) -> dict[str, str]:
        """The digests of what recognised these questions, as a model keeps them."""
        return self._engine.recognisers(said)

    def adapt(self, knowledge: KnowledgeBase, model: Trained, *, voices: bool = True) -> Adapted:
        """A knowledge base as it is with what a model has learned, nothing of it kept; `voices` if any are asked."""
        return self._engine.adapted(knowledge, model, voices=voices)

    def listen(
        self, text: str, photos: Sequence[str] = (), voices: Sequence[str] = (), history: Sequence[str] = ()
    ) -> Said:
        """What a question holds, perceived but not scored; raises PolydeskError when nothing of it can be read."""
        question = Question(new_id(), self._release, text, tuple(photos), tuple(voices), tuple(history))
        return self._engine.listen(question)

    def look(self, photo: str) -> Said:
        """What a photo shows, nothing read in it; raises PolydeskError when it cannot be read."""
        return self._engine.look(photo, self.knowledge)

    @property
    def name(self) -> str:
        """The knowledge base's title with the beginning of its digest."""
        return f"{self.knowledge.title} {self._release[:12]}"

    @classmethod
    @contextmanager
    def open(
        cls,
        kb: Path,
        configuration: Configuration,
        model: Path | None = None,
        *,
        builtins: bool = True,
        photos: bool = False,
        shelf: Shelf | None = None,
    ) -> Iterator[Local]:
        """Load a knowledge base and the models it needs.

        Args:
            kb: the knowledge base's folder or file.
            configuration: which encoders, where encodings are kept.
            model: the folder of a trained model.
            builtins: whether small talk may win.
            photos: look at example photos even where nobody has any.
            shelf: the encoders, where somebody has them already; those of the model's own stand beside them.

        Raises:
            KnowledgeError: the file is wrong. BadInput: the model folder holds none, a damaged one, or one of other
                encoders than the settings name. Broken: weights are missing.
        """
        trained = Trained.load(model) if model is not None else None
        made = forms(model) if model is not None else {}
        knowledge = load(kb)
        own = trained.text if trained is not None else None
        if shelf is None:
            shelf = Shelf.of(configuration, own, forms=made)
        elif own is not None or made:
            shelf = shelf.beside(own, made)
        release = hashlib.sha256(wire.dumps(knowledge).encode()).hexdigest()
        looks = photos or any(entry.photos for entry in knowledge.live) or bool(trained and trained.photos)
        cache = Encodings(configuration.encodings)
        engine = Engine(
            shelf,
            _read,
            lambda blob: Release("local", 0, knowledge),
            cache,
            photos=looks,
            builtins=builtins,
            trained=trained,
            tone=configuration.tone,
        )
        try:
            if trained is not None:
                sees = trained.joint is not None and looks
                trained.must_fit(engine.encoder(knowledge).digest, engine.pictures[0] if sees else "")
            yield cls(engine, knowledge, release)
        finally:
            cache.close()

    def ask(
        self,
        text: str,
        photos: Sequence[Path] = (),
        voices: Sequence[Path] = (),
        history: Sequence[str] = (),
        *,
        explain: bool = False,
    ) -> Prediction:
        """Predict one question; with its evidence card, and its tone where that is on, when asked to `explain`.

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
            explain=explain,
            tone=explain,
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
