"""A knowledge base that was uploaded as a zip file."""

from __future__ import annotations

from pathlib import Path

from core.archives import unpack
from core.errors import BadInput, KnowledgeError


def from_zip(raw: bytes, folder: Path, *, name: str = "upload.zip") -> Path:
    """Unpack an upload into `folder` (empty, ours alone) and return the folder that holds its `kb.yaml`.

    That is `folder`, or the one folder in the archive when people zipped that. Read it with `load(..., trusted=False)`.

    Raises:
        KnowledgeError: no `kb.yaml`, or what `core.archives.unpack` refuses.
    """
    try:
        unpack(raw, folder, name=name)
    except BadInput as problem:
        raise KnowledgeError([str(problem)]) from problem
    tops = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    for top in tops[: 1 if len(tops) > 2 else 2]:
        if (top / "kb.yaml").is_file():
            return top
    raise KnowledgeError([f"{name}: expected kb.yaml at the top of the archive, or in its only folder"])
