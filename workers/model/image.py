"""Pictures to vectors, with the labels ImageNet would give them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.errors import Broken
from workers.model import hub
from workers.model.ports import ImageFeatures, Picture, Vectors
from workers.model.sessions import session
from workers.model.weights import lock

_BATCH, _CARD = 8, 64  # pictures at once on a processor, on a graphics card
GLANCES = (1.0, 0.75, 0.5)  # how much of its width and height is seen of a picture, about its middle
_MIRRORED = 1  # the glance that sees the picture mirrored


class EfficientNetLite:
    """EfficientNet-Lite2 (https://arxiv.org/abs/1905.11946): 1280 dimensions, 1000 labels, 20-25 ms a glance on a core.

    The whole picture is squeezed into the network's square: what a customer photographs need not be in its middle. What
    is there is looked at twice more, larger. A vector is the mean of the glances' square roots: as in Fisher vectors
    (Perronnin et al. 2010, https://doi.org/10.1007/978-3-642-15561-1_11) roots keep a few loud numbers from deciding.
    Both were chosen by photos held out of Grocery Store (`tests/bench/photos.py`).

    Args:
        folder: what `polydesk models prepare` made.
        threads: how many it may use.
        glances: what is looked at.
    """

    def __init__(self, folder: Path, threads: int = 1, *, digest: str = "", glances: Sequence[float] = GLANCES) -> None:
        self._session = session(folder / "model.onnx", threads)
        self._side = int(self._session.get_inputs()[0].shape[1])
        self._glances = tuple(glances)
        self.dim = int(self._session.get_outputs()[0].shape[1])
        self.digest = (digest or lite2_digest()) + ("" if self._glances == GLANCES else str(glances))

    def encode(self, images: Sequence[Picture]) -> ImageFeatures:
        """Vectors (n, 1280), labels (n, 1000)."""
        vectors = np.empty((len(images), self.dim), dtype=np.float32)
        labels = np.empty((len(images), self._session.get_outputs()[1].shape[1]), dtype=np.float32)
        for place, image in enumerate(images):
            pixels = np.stack(
                [glance(image, self._side, number, self._glances) for number in range(len(self._glances))]
            )
            seen, named = self._session.run(["vectors", "labels"], {"pixels": pixels})
            mixed = np.sqrt(seen).mean(axis=0)  # the network ends in ReLU6: nothing is negative
            vectors[place], labels[place] = mixed / max(float(np.linalg.norm(mixed)), 1e-9), named.mean(axis=0)
        return ImageFeatures(vectors, labels)


def glance(image: Picture, side: int, number: int = 0, glances: Sequence[float] = GLANCES) -> Picture:
    """What one glance at a picture sees, as EfficientNet takes it: (side, side, 3)."""
    photo, (height, width), share = Image.fromarray(image), image.shape[:2], glances[number]
    left, top = width * (1 - share) / 2, height * (1 - share) / 2
    part = (left, top, width - left, height - top)
    seen = photo.resize((side, side), Image.Resampling.BICUBIC, box=part, reducing_gap=3.0)
    return np.asarray(seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number == _MIRRORED else seen)


def lite2_digest() -> str:
    """The digest of the built-in image encoder."""
    return f"lite2-{lock.job('image').digest[:12]}-2"


def label_names(folder: Path) -> tuple[str, ...]:
    """The names of EfficientNet's 1000 labels, in the order of its output."""
    names: list[str] = json.loads((folder / "labels.json").read_text())
    return tuple(names)


class TransformersImage:
    """A vision model of transformers (ViT, DINOv2, ConvNeXt ...) from a local folder; it gives no labels.

    On a graphics card it runs in half precision, in large batches; `precision` is like that of `PooledText`.
    """

    def __init__(self, folder: Path, *, device: str = "cpu", precision: str = "") -> None:
        import torch
        from transformers import AutoImageProcessor, AutoModel

        hub.quiet()
        self._torch = torch
        self._device = device
        self._folder = folder
        self._rows = _BATCH if device == "cpu" else _CARD
        try:
            self._prepare = AutoImageProcessor.from_pretrained(folder, backend="pil")
            # A checkpoint saved from a classifier has no pooling layer; a made-up one would be worse than none.
            kind = precision or hub.precision(device, hub.stored(folder))
            model, self._pools = hub.strictly(AutoModel, folder, spare="pooler", precision=kind)
            self._model = model.to(device)
        except hub.TROUBLE as problem:
            raise Broken(f"cannot load the image model in {folder}: {problem}") from problem
        self.digest = f"image-{hub.fingerprint(folder, 'image-1')}"
        probe = self.encode([np.full((32, 32, 3), 255, np.uint8)]).vectors
        if not np.isfinite(probe).all():
            self._model = hub.strictly(AutoModel, folder, spare="pooler", precision="float32")[0].to(device)
        self.dim = probe.shape[1]

    def encode(self, images: Sequence[Picture]) -> ImageFeatures:
        """Vectors (n, dim); the model's own pooling where it has one, else the mean over the places."""
        if not images:
            return ImageFeatures(np.empty((0, self.dim), dtype=np.float32), None)
        parts = [self._vectors(images[start : start + self._rows]) for start in range(0, len(images), self._rows)]
        return ImageFeatures(np.concatenate(parts), None)

    def _vectors(self, images: Sequence[Picture]) -> Vectors:
        pixels = self._prepare(images=[Image.fromarray(image) for image in images], return_tensors="pt")
        with self._torch.inference_mode():
            return self._unit(self._seen(pixels["pixel_values"].to(self._device, self._model.dtype)))

    def _seen(self, pixels: Any) -> Any:
        states = self._model(pixel_values=pixels)
        if self._pools and getattr(states, "pooler_output", None) is not None:
            return states.pooler_output.flatten(1)
        last = states.last_hidden_state  # (n, dim, height, width) of a convolutional network, else (n, places, dim)
        return last.flatten(2).mean(dim=2) if last.dim() == 4 else last.mean(dim=1)

    def _unit(self, tensor: Any) -> Vectors:
        found: Vectors = self._torch.nn.functional.normalize(tensor.float(), dim=-1).cpu().numpy()
        return found


class ClipImage(TransformersImage):
    """A model of the CLIP family (Radford et al. 2021, https://arxiv.org/abs/2103.00020): pictures beside words."""

    def __init__(self, folder: Path, *, device: str = "cpu", precision: str = "") -> None:
        from transformers import AutoTokenizer

        super().__init__(folder, device=device, precision=precision)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
        except hub.TROUBLE as problem:
            raise Broken(f"cannot load the vocabulary of the image model in {folder}: {problem}") from problem

    def encode_words(self, texts: Sequence[str]) -> Vectors:
        """Vectors (len(texts), dim) in the space of the pictures."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        places = self._model.config.text_config.max_position_embeddings
        # SigLIP was trained on sentences padded to the full length; CLIP does not mind.
        tokens = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=places, return_tensors="pt"
        ).to(self._device)
        with self._torch.inference_mode():
            return self._unit(_features(self._model.get_text_features(**tokens)))

    def _seen(self, pixels: Any) -> Any:
        return _features(self._model.get_image_features(pixel_values=pixels))


def _features(found: Any) -> Any:
    """transformers 5 wraps the features, earlier versions give the tensor."""
    return getattr(found, "pooler_output", found)


def load(folder: Path, *, device: str = "cpu") -> TransformersImage:
    """The image encoder in a folder: of the CLIP family when its configuration has a text side, else a plain one.

    Raises:
        Broken: no model transformers can load.
    """
    return (ClipImage if "text_config" in hub.settings(folder) else TransformersImage)(folder, device=device)
