"""Likeness of wording: hashed TF-IDF over words and pieces of words.

Embeddings know that "parcel" means "package"; they are less sure about "EMI", "COD" or a typing error. Here two texts
are alike when they share rare words, pairs of words or pieces of words. No vocabulary is kept: a feature is the CRC-32
of its letters, so that a lexicon is a handful of arrays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

LONGEST = 1000  # characters of a text that are looked at: a question is shorter, a screenshot is read line by line
_FEW = 4  # texts
SIZES = (2, 3, 4, 5)  # letters of a piece of a word
_WORD = re.compile(r"\w+")

Floats = NDArray[np.float32]
Counts = tuple[dict[int, int], dict[int, int]]
"""How often each word or pair of words, and each piece of a word, occurs; by hash."""


def count(text: str) -> Counts:
    """The features of one text."""
    words = [word[:40] for word in _WORD.findall(unicodedata.normalize("NFKC", text[:LONGEST]).casefold())]
    whole: dict[int, int] = {}
    parts: dict[int, int] = {}
    before = b""
    for word in words:
        letters = word.encode()
        key = crc32(letters)
        whole[key] = whole.get(key, 0) + 1
        if before:
            key = crc32(before + b" " + letters)
            whole[key] = whole.get(key, 0) + 1
        before = letters
        padded = f" {word} "
        for size in SIZES:
            for start in range(max(len(padded) - size + 1, 1)):
                key = crc32(padded[start : start + size].encode(), 1)
                parts[key] = parts.get(key, 0) + 1
    return whole, parts


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """The phrases of a knowledge base as sparse vectors of length one.

    `keys` (f,) are the hashes in ascending order with their weights `idf` (f,); `rows` (n, f) is a sparse matrix, a row
    a phrase; `postings` (f, n) is the same matrix the other way round. `pieces` says whether pieces of words count
    beside whole words.
    """

    keys: NDArray[np.uint32]
    idf: Floats
    rows: csr_matrix
    postings: csr_matrix
    pieces: bool

    def vectors(self, counted: Sequence[Counts]) -> csr_matrix:
        """Texts in the same space, (len(counted), f); a text that shares nothing is a row of zeros."""
        return _matrix(counted, self.keys, self.idf, self.pieces)

    def likeness(self, counted: Sequence[Counts]) -> Floats:
        """Cosine of every text to every phrase, (len(counted), n), in [0, 1]."""
        if len(counted) > _FEW:
            return np.asarray((self.vectors(counted) @ self.postings).toarray(), dtype=np.float32)
        # For a text or two the sparse product costs more in bookkeeping than in sums.
        row, column, value = _cells(counted, self.keys, self.idf, self.pieces)
        starts, n = self.postings.indptr, len(self.rows.indptr) - 1
        lengths = starts[column + 1] - starts[column]
        ends = np.cumsum(lengths)
        at = np.repeat(starts[column] - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)
        sums = np.bincount(
            np.repeat(row * n, lengths) + self.postings.indices[at],
            np.repeat(value, lengths) * self.postings.data[at],
            minlength=len(counted) * n,
        )
        return sums.reshape(len(counted), n).astype(np.float32)

    def among(self, start: int, stop: int) -> Floats:
        """Cosine of the phrases from `start` to `stop` to every phrase, (stop - start, n)."""
        return np.asarray((self.rows[start:stop] @ self.postings).toarray(), dtype=np.float32)


def lexicon(counted: Sequence[Counts], *, pieces: bool = True) -> Lexicon:
    """Weigh and store the features of phrases (smoothed IDF, logarithmic counts, as scikit-learn's vectoriser does)."""
    seen: dict[int, int] = {}
    for counts in counted:
        for block in counts if pieces else counts[:1]:
            for key in block:
                seen[key] = seen.get(key, 0) + 1
    keys = np.array(sorted(seen), dtype=np.uint32)
    frequency = np.array([seen[int(key)] for key in keys], dtype=np.float32)
    idf = (np.log((1 + len(counted)) / (1 + frequency)) + 1).astype(np.float32)
    rows = _matrix(counted, keys, idf, pieces)
    return Lexicon(keys, idf, rows, rows.T.tocsr(), pieces)


def _matrix(counted: Sequence[Counts], keys: NDArray[np.uint32], idf: Floats, pieces: bool) -> csr_matrix:
    row, column, value = _cells(counted, keys, idf, pieces)
    return csr_matrix((value, (row, column)), shape=(len(counted), len(keys)), dtype=np.float32)


def _cells(
    counted: Sequence[Counts], keys: NDArray[np.uint32], idf: Floats, pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Rows, columns and weights of known features.

    Words and pieces have half of a row's squared length each, so that neither drowns the other.
    """
    n = len(counted)
    kinds = 2 if pieces else 1
    rows, columns, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for kind in range(kinds):
        sizes = [len(counts[kind]) for counts in counted]
        total = sum(sizes)
        if not total or not len(keys):
            continue
        found = np.fromiter((key for counts in counted for key in counts[kind]), np.uint32, total)
        times = np.fromiter((value for counts in counted for value in counts[kind].values()), np.float32, total)
        column = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
        known = keys[column] == found
        row, column = np.repeat(np.arange(n), sizes)[known], column[known]
        value = (1 + np.log(times[known])) * idf[column]
        length = np.sqrt(np.bincount(row, value * value, minlength=n))
        rows.append(row)
        columns.append(column)
        values.append((value / length[row] * kinds**-0.5).astype(np.float32))
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
