"""The trained models that releases name, each with its encoders."""

from __future__ import annotations

from collections.abc import Callable

from core.errors import BadInput, Broken
from core.knowledge.entries import KnowledgeBase, Release, english
from workers.model.shelf import Shelf
from workers.model.trained import Trained
from workers.models import Models


class Released:
    """What answers about a release: the model that it names, or the shipped one where that is of no use here.

    Args:
        models: where models come from; those it lets go of are forgotten here too.
        shelf: the encoders of the settings.
        photos: whether this process looks at photos.
        forget: told the digest of each text encoder that is gone with its model.
    """

    def __init__(self, models: Models, shelf: Shelf, *, photos: bool, forget: Callable[[str], None]) -> None:
        self._models = models
        self._shelf = shelf
        self._photos = photos
        self._forget = forget
        self._shelves: dict[str, Shelf] = {}
        self._unfit: set[tuple[str, str]] = set()  # models, each with a language
        models.dropped = self._let_go

    def of(self, release: Release) -> tuple[Trained | None, Shelf]:
        """The model with its encoders; None, and the encoders of the settings, where the shipped one answers.

        One that was made for other encoders than the settings name for this language is told once, and never loaded
        again: a process keeps its settings.
        """
        use = release.model, tag(release.knowledge)
        trained = self._models.get(release.model) if release.model and use not in self._unfit else None
        if trained is None:
            return None, self._shelf
        if release.model not in self._shelves:
            made = self._models.forms(release.model)
            own = trained.text is not None or made
            self._shelves[release.model] = self._shelf.beside(trained.text, made) if own else self._shelf
            if trained.joint is not None:
                self._shelf.restrain()
        shelf = self._shelves[release.model]
        try:
            text, image = shelf.text(tag(release.knowledge)).digest, shelf.image.digest if self._photos else ""
        except (BadInput, Broken) as problem:  # one of them does not load
            self._models.refuse(release.model, str(problem))
            return None, self._shelf
        try:
            trained.must_fit(text, image)
        except BadInput as problem:
            self._unfit.add(use)
            self._models.refuse(release.model, str(problem), again=0.0)  # it may fit another language
            return None, self._shelf
        return trained, shelf

    def refuse(self, release: Release, problem: str) -> None:
        """Do without the model for a while: one of its encoders is gone, or damaged meanwhile."""
        self._models.refuse(release.model, problem)

    def _let_go(self, blob: str) -> None:
        """Forget the encoders of a model that is not kept any longer, and what was made with them."""
        shelf = self._shelves.pop(blob, None)
        for digest in shelf.apart if shelf is not None and shelf is not self._shelf else ():
            self._forget(digest)


def tag(knowledge: KnowledgeBase) -> str:
    """The tag of the text encoder for a knowledge base's own language."""
    return "en" if english(knowledge.language) else knowledge.language
