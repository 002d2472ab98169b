"""Text encoders that were fine-tuned on a knowledge base, each in a folder of its own.

```
config.json, tokenizer.json, 1_Pooling/   as transformers and sentence-transformers know them
model.safetensors                         the weights, for a graphics card or more fine-tuning
model.onnx                                the same weights, for the processor
finetuned.json                            what it is, with the SHA-256 of every file
```
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.errors import Broken
from workers.model.ports import TextEncoder
from workers.model.text import OnnxText, wordpieces

NOTE = "finetuned.json"
MARK = "tuned-"  # what the digest of a fine-tuned encoder begins with
FORM = 1  # of the folder; another number is not read
ARCHITECTURE = "bert-mean"  # the one that can be fine-tuned: `workers.model.weights.minilm.build`
_ONNX = ("model.onnx", "tokenizer.json")
_TORCH = ("model.safetensors", "config.json", "tokenizer.json", "1_Pooling/config.json")
_AGAIN = "copy it again, or make it anew with `polydesk train --finetune`"


@dataclass(frozen=True, slots=True)
class Note:
    """What a folder says about itself.

    `files` maps names to SHA-256; `longest` is how many tokens the encoder can take; `told` is how it was made, for
    people.
    """

    files: dict[str, str]
    languages: tuple[str, ...]
    longest: int
    architecture: str = ARCHITECTURE
    form: int = FORM
    told: dict[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Names weights with tokenizer, whatever runs them."""
        parts = "\0".join(self.files[name] for name in ("model.safetensors", "tokenizer.json"))
        return f"{MARK}{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def is_tuned(folder: Path) -> bool:
    """Whether the folder says that it is one of ours."""
    return (folder / NOTE).is_file()


def describe(folder: Path, languages: frozenset[str], longest: int, told: dict[str, object]) -> Note:
    """Write the note of a folder whose other files are complete."""
    files = {name: _sha256(folder / name) for name in dict.fromkeys((*_ONNX, *_TORCH))}
    note = Note(files=files, languages=tuple(sorted(languages)), longest=longest, told=told)
    (folder / NOTE).write_text(json.dumps(asdict(note), indent=1))
    return note


def read(folder: Path) -> Note:
    """The note of a folder.

    Raises:
        Broken: it cannot be read, or is about an architecture or a form this program does not run.
    """
    try:
        plain = json.loads((folder / NOTE).read_text())
        note = Note(**plain)
        form, architecture, _ = note.form, note.architecture, note.digest
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Broken(f"the fine-tuned text model in {folder} is damaged: {NOTE}: {problem!r}; {_AGAIN}") from problem
    if (form, architecture) != (FORM, ARCHITECTURE):
        raise Broken(
            f"the fine-tuned text model in {folder} is of the architecture {architecture!r}, form {form}; "
            f"this version runs {ARCHITECTURE!r}, form {FORM}: make it anew with `polydesk train --finetune`"
        )
    return note


def load(folder: Path, *, device: str = "cpu", threads: int = 1) -> TextEncoder:
    """The encoder: without torch on the processor, with it on any other device.

    Raises:
        Broken: the folder is damaged or made for another architecture; says what to do.
    """
    note = read(folder)
    _check(folder, note, _ONNX if device == "cpu" else _TORCH)
    languages = frozenset(note.languages)
    if device != "cpu":
        from workers.model.pooled import PooledText

        return PooledText(folder, device=device, digest=note.digest, languages=languages)
    tokenise = wordpieces(folder / "tokenizer.json", note.longest)
    return OnnxText(folder / "model.onnx", tokenise, digest=note.digest, languages=languages, threads=threads)


def whole(folder: Path) -> None:
    """Make sure that a folder holds what was written; raises Broken like `read` where it does not."""
    _check(folder, read(folder), tuple(dict.fromkeys((*_ONNX, *_TORCH))))


def _check(folder: Path, note: Note, names: tuple[str, ...]) -> None:
    for name in names:
        try:
            whole = _sha256(folder / name) == note.files.get(name)
        except OSError as problem:
            raise Broken(f"the fine-tuned text model in {folder} is damaged: {problem}; {_AGAIN}") from problem
        if not whole:
            raise Broken(f"the fine-tuned text model in {folder} is damaged: {name} is not what was written; {_AGAIN}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
