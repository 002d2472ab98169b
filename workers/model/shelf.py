"""The encoders of one process, each loaded when it is first needed."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from core.knowledge.entries import english
from workers.configuration import Configuration
from workers.model import hub
from workers.model.ports import ImageEncoder, LanguageIdentifier, SpeechRecogniser, TextEncoder, TextReader
from workers.model.weights import fetch

if TYPE_CHECKING:  # scipy behind it, which nobody needs who leaves tone of voice off
    from workers.model.tone import ToneReader
    from workers.model.voice import VoiceEncoder

MINILM, MULTILINGUAL, LITE2, MOONSHINE, AUTO = "minilm", "multilingual", "efficientnet-lite2", "moonshine", "auto"
ECAPA, NO_VOICE = "ecapa", "none"
_TEXT, _IMAGE = "text ", "image"  # what the names of loaded encoders begin with, or are


class Shelf:
    """What the settings chose; anything but a built-in name is a local folder or a hub name.

    Any thread may take from it: whoever comes first loads, the others wait. A model of its own that does not load is
    tried again at the next call.

    Args:
        models: the folder of prepared weights (`polydesk models prepare`).
        text: `auto` (MiniLM for English, the multilingual encoder for all else), `minilm`, `multilingual`, or a model.
        image: `efficientnet-lite2` (also `auto`) or a model.
        speech: `moonshine` (also `auto`) or a model.
        english: the folder of a fine-tuned encoder that stands in for MiniLM where `text` is `auto` or `minilm`.
        voice: `ecapa` (also `auto`; weights that are prepared only when asked for), a SpeechBrain model, or `none`.
        device: `auto`, `cpu` or a torch device.
        threads: how many each model may use.
        forms: what `polydesk optimise` made, by the digest of the encoder that each folder stands in for.
    """

    def __init__(
        self,
        models: Path,
        *,
        text: str = AUTO,
        image: str = LITE2,
        speech: str = MOONSHINE,
        voice: str = AUTO,
        english: Path | None = None,
        device: str = AUTO,
        threads: int = 1,
        forms: Mapping[str, Path] | None = None,
    ) -> None:
        self._models = models
        self._names = {"text": text, "image": image, "speech": speech, "voice": voice}
        self._english = english
        self._device = device
        self._threads = threads
        self._forms = dict(forms or {})
        self._rest: Shelf | None = None
        self._loaded: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls, configuration: Configuration, english: Path | None = None, *, forms: Mapping[str, Path] | None = None
    ) -> Self:
        """The shelf a worker's settings describe; `english` as in the constructor, `forms` of an optimised model."""
        return cls(
            configuration.models,
            text=configuration.text_model,
            image=configuration.image_model,
            speech=configuration.speech_model,
            english=english,
            voice=configuration.voice_model,
            device=configuration.device,
            threads=configuration.threads,
            forms=forms,
        )

    def beside(self, english: Path | None, forms: Mapping[str, Path]) -> Self:
        """A model's shelf: its own encoders, arguments as in the constructor, in the place of those of this shelf.

        Everything else is shared with this one; what it loads by itself is gone when it is.
        """
        other = copy.copy(self)
        other._rest, other._english, other._forms = self, english or self._english, dict(forms)
        other._loaded, other._locks, other._lock = {}, {}, threading.Lock()
        return other

    @property
    def apart(self) -> frozenset[str]:
        """The digests of the text encoders that only it has loaded, not the shelf that it stands beside."""
        shared = [] if self._rest is None else [id(one) for one in list(self._rest._loaded.values())]
        texts = [one for name, one in self._loaded.items() if name.startswith(_TEXT)]
        return frozenset(one.digest for one in texts if id(one) not in shared)

    def text(self, language: str) -> TextEncoder:
        """The text encoder for a language (BCP 47 tag, possibly empty: then the one for every language).

        Raises:
            Broken: it cannot be loaded; says what to do.
        """
        name = self._named(language)
        return cast(TextEncoder, self._once(f"{_TEXT}{name}", lambda: self._text(name)))

    def languages(self, language: str) -> frozenset[str]:
        """What the text encoder for a language was trained for, as it says itself, without loading it.

        Raises:
            Broken: it is not there, or damaged; says what to do.
        """
        from workers.model import optimised, text, tuned

        name = self._named(language)
        if name in (MINILM, MULTILINGUAL):
            return text.ENGLISH if name == MINILM else text.MULTILINGUAL
        folder = hub.find(name)
        if optimised.is_form(folder):
            return frozenset(optimised.read(folder).languages)
        return frozenset(tuned.read(folder).languages) if tuned.is_tuned(folder) else frozenset()

    def _named(self, language: str) -> str:
        """A built-in text encoder's name, or where another is found."""
        name = self._names["text"]
        if name == AUTO:
            name = MINILM if english(language) else MULTILINGUAL
        return str(self._english) if name == MINILM and self._english is not None else name

    @property
    def image(self) -> ImageEncoder:
        """The image encoder; raises Broken like `text`."""
        return cast(ImageEncoder, self._once(_IMAGE, self._image))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels the image encoder gives, in order; none when it gives none."""
        if self._names["image"] not in (AUTO, LITE2):
            return ()
        from workers.model.image import label_names

        names = self._once("labels", lambda: label_names(fetch.folder(self._models, "image")))
        return cast(tuple[str, ...], names)

    @property
    def speech(self) -> SpeechRecogniser:
        """The speech recogniser; raises Broken like `text`."""
        return cast(SpeechRecogniser, self._once("speech", self._speech))

    @property
    def voice(self) -> VoiceEncoder:
        """The voice encoder, for tone of voice only; raises Broken like `text`."""
        return cast("VoiceEncoder", self._once("voice", self._voice))

    @property
    def hears_tone(self) -> bool:
        """Whether tone of voice may be read at all."""
        return self._names["voice"] != NO_VOICE

    @property
    def tone(self) -> ToneReader:
        """The reader of tone of voice, over the voice encoder; raises Broken like `text`.

        Its head is the shipped one, unless one of the operator's own lies beside the prepared weights as
        `tone.safetensors`.
        """

        def load() -> ToneReader:
            from workers.model import tone
            from workers.model.listening import Listener

            own = self._models / tone.SHIPPED.name
            return tone.ToneReader(self.voice, tone.load(own if own.is_file() else tone.SHIPPED), Listener())

        return cast("ToneReader", self._once("tone", load))

    @property
    def reader(self) -> TextReader:
        """The reader of text in pictures."""

        def load() -> TextReader:
            from workers.model.ocr import RapidReader

            return RapidReader(self._threads)

        return cast(TextReader, self._once("reader", load))

    @property
    def language(self) -> LanguageIdentifier:
        """The language identifier; raises Broken like `text`."""

        def load() -> LanguageIdentifier:
            from workers.model.language import FastText

            return FastText(fetch.folder(self._models, "language"))

        return cast(LanguageIdentifier, self._once("language", load))

    def _once(self, key: str, load: Callable[[], object]) -> object:
        if self._rest is not None and key != _IMAGE and not key.startswith(_TEXT):
            return self._rest._once(key, load)
        if key in self._loaded:
            return self._loaded[key]
        with self._lock:
            lock_of_key = self._locks.setdefault(key, threading.Lock())
        with lock_of_key:
            if key not in self._loaded:
                self._loaded[key] = load()
            return self._loaded[key]

    def _text(self, name: str) -> TextEncoder:
        from workers.model import optimised, text

        named = None if name in (MINILM, MULTILINGUAL) else hub.find(name)
        if named is not None and optimised.is_form(named):
            return optimised.text(named, self._threads)
        if self._forms and (form := self._forms.get(_digest(name, named))):
            return optimised.text(form, self._threads)
        rest = self._rest
        if rest is not None and name != str(self._english):
            return cast(TextEncoder, rest._once(f"{_TEXT}{name}", lambda: rest._text(name)))
        if name == MULTILINGUAL:
            return text.multilingual(fetch.folder(self._models, "text-multi"), self._threads)
        if name == MINILM and hub.device(self._device) == "cpu":
            return text.minilm(fetch.folder(self._models, "text-en"), self._threads)
        if named is not None:
            from workers.model import tuned

            if tuned.is_tuned(named):
                return tuned.load(named, device=hub.device(self._device), threads=self._threads)
        device = self._torch()
        from workers.model.pooled import PooledText

        if named is None:
            folder = fetch.folder(self._models, "text-en")
            return PooledText(folder, device=device, digest=text.minilm_digest(), languages=text.ENGLISH)
        return PooledText(named, device=device)

    def _image(self) -> ImageEncoder:
        from workers.model import image, optimised

        name = self._names["image"]
        if name in (AUTO, LITE2):
            form = self._forms.get(image.lite2_digest())
            if form is not None:
                return optimised.image(form, self._threads)
        if self._rest is not None:
            return self._rest.image
        if name in (AUTO, LITE2):
            return image.EfficientNetLite(fetch.folder(self._models, "image"), self._threads)
        return image.load(hub.find(name), device=self._torch())

    def _speech(self) -> SpeechRecogniser:
        from workers.model import speech
        from workers.model.listening import Listener

        name = self._names["speech"]
        folder = fetch.folder(self._models, "speech-en") if name in (AUTO, MOONSHINE) else hub.find(name)
        return speech.Recogniser(speech.load(folder, device=self._torch()), Listener())

    def _voice(self) -> VoiceEncoder:
        from workers.model import phonetic, voice

        name = self._names["voice"]
        if name not in (AUTO, ECAPA):
            return voice.load(hub.find(name), device=self._torch())
        folders = [fetch.folder(self._models, job) for job in ("voice", "speech-en")]
        device = self._torch()
        return phonetic.Together(voice.ecapa(folders[0], device=device), phonetic.shipped(folders[1], device=device))

    def restrain(self) -> None:
        """Hold torch to its share of the cores, in the calling thread and those that begin later."""
        import torch

        torch.set_num_threads(self._threads)

    def _torch(self) -> str:
        """The device, torch held to its share of the cores."""
        device = hub.device(self._device)
        self.restrain()
        return device


def _digest(name: str, named: Path | None) -> str:
    """The digest of a text encoder that need not be loaded."""
    from workers.model import pooled, text, tuned

    if named is None:
        return text.minilm_digest() if name == MINILM else text.multilingual_digest()
    return tuned.read(named).digest if tuned.is_tuned(named) else pooled.digest_of(named)
