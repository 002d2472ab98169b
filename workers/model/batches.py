"""Cut work into batches of like length, so that little is spent on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], rows: int = 32, tokens: int = 4096) -> Iterator[list[int]]:
    """Indices of at most `rows` items a batch, shortest first, whose padded size is at most `tokens`."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == rows or (len(batch) + 1) * lengths[index] > tokens):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
