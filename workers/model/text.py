"""Sentences to vectors with the built-in encoders, without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from workers.model.batches import by_length
from workers.model.ports import Vectors
from workers.model.sessions import session
from workers.model.weights import lock

Tokenise = Callable[[str], list[int]]
"""A text to token ids, the special tokens at both ends included, not longer than the encoder can take."""

LONGEST = 256  # tokens; what comes after is not read
ENGLISH = frozenset({"en"})
MULTILINGUAL = frozenset({"ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"})


class OnnxText:
    """A text encoder whose graph takes `ids` (int64), `mask` (float32), both (n, length), to `vectors` (n, dim)."""

    def __init__(
        self, graph: Path, tokenise: Tokenise, *, digest: str, languages: frozenset[str], threads: int = 1
    ) -> None:
        self._session = session(graph, threads)
        self._tokenise = tokenise
        self.digest = digest
        self.languages = languages
        self.dim = int(self._session.get_outputs()[0].shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dim), L2-normalised."""
        tokens = [self._tokenise(text) for text in texts]
        lengths = [len(ids) for ids in tokens]
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for rows in by_length(lengths):
            ids = np.zeros((len(rows), lengths[rows[-1]]), dtype=np.int64)
            mask = np.zeros(ids.shape, dtype=np.float32)
            for at, row in enumerate(rows):
                ids[at, : lengths[row]] = tokens[row]
                mask[at, : lengths[row]] = 1.0
            vectors[rows] = self._session.run(["vectors"], {"ids": ids, "mask": mask})[0]
        return vectors


def wordpieces(file: Path, longest: int = LONGEST) -> Tokenise:
    """The tokenizer of a `tokenizer.json`."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(LONGEST, longest))

    def tokenise(text: str) -> list[int]:
        return list(tokenizer.encode(text).ids)

    return tokenise


def sentencepieces(file: Path) -> Tokenise:
    """The tokenizer of a SentencePiece model."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(file))

    def tokenise(text: str) -> list[int]:
        ids: list[int] = pieces.encode(text)
        return [pieces.bos_id(), *ids[: LONGEST - 2], pieces.eos_id()]

    return tokenise


def minilm_digest() -> str:
    """The digest of the built-in MiniLM, whatever runs it."""
    return f"minilm-{lock.job('text-en').digest[:12]}"


def minilm(folder: Path, threads: int = 1) -> OnnxText:
    """all-MiniLM-L6-v2 (https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2): English, 384 dimensions."""
    tokenise = wordpieces(folder / "tokenizer.json")
    return OnnxText(folder / "model.onnx", tokenise, digest=minilm_digest(), languages=ENGLISH, threads=threads)


def multilingual_digest() -> str:
    """The digest of the built-in multilingual encoder."""
    return f"use-{lock.job('text-multi').digest[:12]}"


def multilingual(folder: Path, threads: int = 1) -> OnnxText:
    """Universal Sentence Encoder multilingual v3 (https://arxiv.org/abs/1907.04307): 16 languages, 512 dimensions."""
    tokenise = sentencepieces(folder / "sp.model")
    graph, digest = folder / "model.onnx", multilingual_digest()
    return OnnxText(graph, tokenise, digest=digest, languages=MULTILINGUAL, threads=threads)
