"""Entries that were taken for each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from workers.train.results import Held


@dataclass(frozen=True, slots=True)
class Confused:
    """Two entries that were taken for each other: `forth` times `first` was expected, `back` times `second`.

    `asked` are some of these questions as far as they may be shown.
    """

    first: str
    second: str
    forth: int
    back: int
    asked: tuple[str, ...] = ()

    @property
    def times(self) -> int:
        """How often, either way."""
        return self.forth + self.back


def confused(held: Sequence[Held], shown: int = 2) -> tuple[Confused, ...]:
    """The pairs of entries that were taken for each other, most often first; best entries count, said or not."""
    found: dict[tuple[str, str], list[Held]] = defaultdict(list)
    for one in held:
        if one.case.inside and one.entry and not one.case.right:
            found[min(one.expect, one.entry), max(one.expect, one.entry)].append(one)
    pairs = []
    for (low, high), ones in found.items():
        many = sum(one.expect == low for one in ones)
        asked = tuple(one.asked for one in ones if one.asked)[:shown]
        if 2 * many >= len(ones):  # the one that is missed more often comes first
            pairs.append(Confused(low, high, many, len(ones) - many, asked))
        else:
            pairs.append(Confused(high, low, len(ones) - many, many, asked))
    return tuple(sorted(pairs, key=lambda pair: (-pair.times, pair.first, pair.second)))
