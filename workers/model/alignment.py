"""What pictures show, in the space of a text encoder, by a projection that was trained on an operator's own pairs.

The picture's vector times a matrix is added to what ConSE makes of its labels, so that a picture unlike any in training
stays where ConSE put it. `workers.train.aligning` trains the matrix; here it is used, without torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load, save

from workers.model.heads import Floats

FORM = 1  # of the file; another number is not read


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A projection `matrix` (pictures, words) from the image encoder `image` to the text encoder `text` (digests)."""

    image: str
    text: str
    matrix: Floats

    def fits(self, image: str, text: str) -> bool:
        """Whether these are the encoders it was trained with."""
        return (self.image, self.text) == (image, text)

    def vectors(self, pictures: Floats, shown: Floats | None) -> Floats:
        """Pictures (n, pictures) with their ConSE vectors (n, words), if any, to (n, words), L2-normalised."""
        return projected(pictures, shown, self.matrix)

    def to_bytes(self) -> bytes:
        """A safetensors file with the encoders' digests in its header."""
        told = {"form": FORM, "image": self.image, "text": self.text, "shape": self.matrix.shape}
        return bytes(save({"matrix": self.matrix}, metadata={"alignment": json.dumps(told)}))

    @classmethod
    def from_bytes(cls, stored: bytes) -> Alignment:
        """What `to_bytes` wrote.

        Raises:
            ValueError: it is damaged, of another version, or of other dimensions than it names.
        """
        try:
            length = int.from_bytes(stored[:8], "little")
            told = json.loads(json.loads(stored[8 : 8 + length])["__metadata__"]["alignment"])
            form, image, text, shape = told["form"], str(told["image"]), str(told["text"]), tuple(told["shape"])
            matrix = load(stored)["matrix"]
        except Exception as problem:  # safetensors has errors of its own kind
            raise ValueError(f"no whole alignment: {problem}") from problem
        if form != FORM:
            raise ValueError(f"an alignment of form {form}, {FORM} is read")
        if matrix.shape != shape or matrix.ndim != 2:
            raise ValueError(f"a matrix {matrix.shape}, but {shape} was named")
        return cls(image, text, matrix.astype(np.float32))


def projected(sources: Floats, base: Floats | None, matrix: Floats) -> Floats:
    """`base` (n, words) with `sources` (n, d) times `matrix` (d, words) added, L2-normalised; (n, words)."""
    found = sources @ matrix + (0 if base is None else base)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9), dtype=np.float32)
