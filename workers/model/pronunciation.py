"""How words sound, for comparing what a recogniser wrote with what customers would say.

A recogniser that does not know a name writes other words that sound like it: "I smoke him" for "iced mocha". Written
out as classes of sounds that are easily taken for each other, without blanks between the words, both begin alike.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from zlib import crc32

from workers.model.lexical import LONGEST, Counts

SIZES = (3, 4, 5)  # sounds of a piece
CLASSES = {
    "P": "P B", "T": "T D DH TH", "K": "K G", "F": "F V", "S": "S Z", "C": "CH JH SH ZH", "M": "M N NG", "L": "L",
    "R": "R ER", "W": "W", "Y": "Y", "H": "HH", "a": "AA AO AH AW OW OY UH UW", "e": "AE EH EY IH IY AY",
}  # fmt: skip
"""ARPAbet symbols by class: voiced with unvoiced, nasals together, vowels of the back and of the front."""
_FILE = "pronunciations.txt.gz"
_PAIRS = {
    "tch": "C", "tio": "Ca", "ch": "C", "sh": "C", "ph": "F", "gh": "", "th": "T", "ck": "K", "qu": "KW", "wh": "W",
    "kn": "M", "wr": "R", "ce": "Se", "ci": "Se", "cy": "Se", "ge": "Ce", "gi": "Ce", "dg": "C", "ee": "e", "ea": "e",
    "ai": "e", "ay": "e", "ie": "e", "oo": "a", "ou": "a", "ow": "a", "au": "a", "oa": "a",
}  # fmt: skip
_LETTERS = {letter: sound for sound, letters in {
    "P": "pb", "T": "td", "K": "kgcq", "F": "fv", "S": "sz", "C": "j", "M": "mn", "L": "l", "R": "r", "W": "w",
    "Y": "y", "H": "h", "KS": "x", "a": "aou", "e": "ei",
}.items() for letter in letters}  # fmt: skip
_SPELT = re.compile("|".join([*sorted(_PAIRS, key=len, reverse=True), "[a-z]"]))
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TWICE = re.compile(r"(.)\1+")


def count(text: str) -> Counts:
    """The features of one text: its words by their sounds, pieces of all its sounds in a row."""
    plain = unicodedata.normalize("NFKD", text[:LONGEST]).casefold().replace("’", "'")
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = [sound(_DIGITS[int(word)] if word.isdigit() else word) for word in _WORD.findall(plain)]
    pairs = [f"{before} {word}" for before, word in pairwise(words)]
    row = f" {squeezed(''.join(words))} "
    pieces = (row[start : start + size] for size in SIZES for start in range(len(row) - size + 1))
    return _counted([*words, *pairs], 0), _counted(pieces, 1)


@lru_cache(maxsize=20_000)
def sound(word: str) -> str:
    """The classes of sounds of an English word in small letters; by its letters where nobody has written them down."""
    return _dictionary().get(word) or spelt(word)


def spelt(word: str) -> str:
    """What the letters of a word most likely sound like."""
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return squeezed("".join(_PAIRS.get(found) or _LETTERS.get(found, "") for found in _SPELT.findall(word)))


def squeezed(sounds: str) -> str:
    """Sounds of one class in a row are heard as one."""
    return _TWICE.sub(r"\1", sounds)


@cache
def _dictionary() -> dict[str, str]:
    """The words whose sounds their letters do not tell."""
    packed = (files("workers.model.materials") / _FILE).read_bytes()
    lines = gzip.decompress(packed).decode("ascii").splitlines()
    return dict(line.split(" ", 1) for line in lines if not line.startswith("#"))


def _counted(features: Iterable[str], seed: int) -> dict[int, int]:
    times: dict[int, int] = {}
    for feature in features:
        key = crc32(feature.encode(), seed)
        times[key] = times.get(key, 0) + 1
    return times
