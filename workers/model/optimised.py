"""Encoders in the forms that `polydesk optimise` made of them, each in a folder of its own.

```
model.onnx                               the graph; its inputs and outputs are those of the original's
tokenizer.json | sp.model | labels.json  what goes with it
form.json                                what it is, with the SHA-256 of every file
```

`model.json` of the model's folder names them under `forms`: the original's digest -> the folder. They run on the
processor, whatever `POLYDESK_DEVICE` says.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from core.errors import BadInput, Broken
from workers.model import image as pictures
from workers.model import text as texts
from workers.model.ports import ImageEncoder, TextEncoder

NOTE, FORMS = "form.json", "forms"
FORM = 1  # of the folder; another number is not read
WORDPIECES, SENTENCEPIECES, PICTURES = "wordpieces", "sentencepieces", "pictures"
FILES = {
    WORDPIECES: ("model.onnx", "tokenizer.json"),
    SENTENCEPIECES: ("model.onnx", "sp.model"),
    PICTURES: ("model.onnx", "labels.json"),
}
_AGAIN = "make it anew with `polydesk optimise`"


@dataclass(frozen=True, slots=True)
class Note:
    """What a folder says about itself.

    `of` is the digest of the encoder that it stands in for, `way` how it was made (`int8`, `fp32`); `files` maps names
    to SHA-256; `longest` is how many tokens a text encoder takes.
    """

    of: str
    way: str
    kind: str
    files: dict[str, str]
    languages: tuple[str, ...] = ()
    longest: int = texts.LONGEST
    form: int = FORM

    @property
    def digest(self) -> str:
        """Names the form: other vectors than the original's, so that no cache mixes them."""
        whole = hashlib.sha256("\0".join(sorted(self.files.values())).encode())
        return f"{self.of}-{self.way}-{whole.hexdigest()[:12]}"


def describe(
    folder: Path, *, of: str, way: str, kind: str, languages: frozenset[str] = frozenset(), longest: int = texts.LONGEST
) -> Note:
    """Write the note of a folder whose other files are complete."""
    files = {name: _sha256(folder / name) for name in FILES[kind]}
    note = Note(of, way, kind, files, tuple(sorted(languages)), longest)
    (folder / NOTE).write_text(json.dumps(asdict(note), indent=1), encoding="utf-8")
    return note


def is_form(folder: Path) -> bool:
    """Whether the folder says that it is one of ours."""
    return (folder / NOTE).is_file()


def read(folder: Path) -> Note:
    """The note of a folder whose files are what was written.

    Raises:
        Broken: it is damaged, or was made by another version; says what to do.
    """
    try:
        plain = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        if plain["form"] != FORM:
            raise Broken(f"{folder} was optimised by another version (form {plain['form']}, {FORM} is read): {_AGAIN}")
        note = Note(**plain | {"languages": tuple(plain["languages"])})
        wrong = [name for name in FILES[note.kind] if _sha256(folder / name) != note.files.get(name)]
    except Broken:
        raise
    except Exception as problem:  # whatever JSON or a disk may hold instead
        raise Broken(f"the optimised encoder in {folder} is damaged ({problem!r}): {_AGAIN}") from problem
    if wrong:
        raise Broken(f"the optimised encoder in {folder} is damaged: {wrong[0]} is not what was written; {_AGAIN}")
    return note


def text(folder: Path, threads: int = 1) -> TextEncoder:
    """The text encoder of a folder; raises Broken like `read`."""
    note = read(folder)
    if note.kind not in (WORDPIECES, SENTENCEPIECES):
        raise Broken(f"{folder} holds no text encoder: {_AGAIN}")
    tokenise = (
        texts.wordpieces(folder / "tokenizer.json", note.longest)
        if note.kind == WORDPIECES
        else texts.sentencepieces(folder / "sp.model")
    )
    languages = frozenset(note.languages)
    return texts.OnnxText(folder / "model.onnx", tokenise, digest=note.digest, languages=languages, threads=threads)


def image(folder: Path, threads: int = 1) -> ImageEncoder:
    """The image encoder of a folder; raises Broken like `read`."""
    note = read(folder)
    if note.kind != PICTURES:
        raise Broken(f"{folder} holds no image encoder: {_AGAIN}")
    return pictures.EfficientNetLite(folder, threads, digest=note.digest)


def forms(model: Path) -> dict[str, Path]:
    """The forms in a model's folder, by the digest of the encoder that each stands in for; none where none were made.

    Raises:
        BadInput: they were made of weights that this installation does not have. Broken: one is damaged.
    """
    try:
        plain = json.loads((model / "model.json").read_text(encoding="utf-8")).get(FORMS, {})
        found = {str(of): model / _inside(str(name)) for of, name in plain.items()}
    except (OSError, ValueError, AttributeError) as problem:
        raise Broken(f"{model / 'model.json'} is damaged ({problem}): {_AGAIN}") from problem
    ours = {one.rpartition("-")[0]: one for one in (texts.minilm_digest(), texts.multilingual_digest())}
    ours |= {"lite2": pictures.lite2_digest()}
    for of, folder in found.items():
        family = of.partition("-")[0]
        if ours.get(family, of) != of:
            raise BadInput(f"{model} was optimised from other weights ({of}) than are prepared here: {_AGAIN}")
        if read(folder).of != of:
            raise Broken(f"the optimised encoder in {folder} is not the one of {model / 'model.json'}: {_AGAIN}")
    return found


def _inside(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        raise ValueError(f"{name!r} lies outside of the folder")
    return name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
