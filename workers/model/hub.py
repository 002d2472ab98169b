"""Models an operator names in the settings: a local folder, or a name on the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from core.errors import BadInput, Broken

TROUBLE = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)
"""What transformers raises for a folder it cannot load."""

# What is worth fetching: configuration, vocabulary, one set of weights. Never code.
_WANTED = ("*.json", "*.txt", "*.model", "*.safetensors", "*.yaml", "*.ckpt", "pytorch_model*.bin", "*/config.json")
_SMALL = 1 << 22  # bytes; a larger file is known by its size and by samples of it
_SAMPLES, _SAMPLE = 64, 1 << 14


def find(name: str) -> Path:
    """The folder of a model; a hub name is fetched into the hub's cache once.

    Raises:
        BadInput: neither an existing folder nor shaped like a hub name.
        Broken: the hub cannot be reached or has no such model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise BadInput(f"there is no model folder {name}")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    except (OSError, ValueError) as problem:  # the hub's errors, its offline mode, a name that is none
        raise Broken(
            f"cannot get the model {name!r} from the hub ({problem}); check the name, or copy the model "
            "to a folder of this machine, then name that folder in the settings"
        ) from problem


def fingerprint(folder: Path, *flavours: str) -> str:
    """A short stable hash of a model folder's content, plus of anything else that changes what comes out."""
    total = hashlib.sha256("\0".join(flavours).encode())
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        size = path.stat().st_size
        total.update(f"\0{relative}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _SMALL:
                total.update(file.read())
                continue
            for i in range(_SAMPLES):
                file.seek((size - _SAMPLE) * i // (_SAMPLES - 1))
                total.update(file.read(_SAMPLE))
    return total.hexdigest()[:12]


def settings(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A JSON file of the folder; empty when it is not there.

    Raises:
        Broken: it is there but is no JSON object.
    """
    path = folder / name
    if not path.is_file():
        return {}
    try:
        plain = json.loads(path.read_text())
    except ValueError as problem:
        raise Broken(f"{path} is not JSON: {problem}") from problem
    return plain if isinstance(plain, dict) else {"list": plain}


def device(wish: str) -> str:
    """The torch device for a wish: `auto` is the graphics card where there is one, else the processor.

    Raises:
        Broken: a device torch does not have here.
    """
    if wish == "cpu" or (wish == "auto" and not _has_card()):
        return "cpu"
    import torch

    if wish == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=wish)
    except (RuntimeError, AssertionError) as problem:
        raise Broken(f"POLYDESK_DEVICE={wish} cannot be used here ({problem}); set it to auto or cpu") from problem
    return wish


def precision(device: str, stored: str = "") -> str:
    """The torch type a network computes in: half precision on a graphics card, full precision on the processor.

    Vectors stay within a cosine of .999 of full precision's, so that they share its digest. What was trained in
    bfloat16 keeps it, since its numbers may be too large for float16; `stored` is the type its configuration names.
    """
    if device.partition(":")[0] not in ("cuda", "xpu"):
        return "float32"
    return "bfloat16" if stored.removeprefix("torch.") == "bfloat16" else "float16"


def stored(folder: Path) -> str:
    """The torch type that a model's configuration names, empty when it names none."""
    config = settings(folder)
    return str(config.get("dtype") or config.get("torch_dtype") or "")


def rows(device: str) -> int:
    """How many items go through a network at once: a processor gains nothing from more, a graphics card does."""
    return 32 if device == "cpu" else 256


@cache
def _has_card() -> bool:
    # Asking torch costs over a second of import, which a typed question on a machine without a card need not pay.
    return any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


def strictly(kind: Any, folder: Path, spare: str = "", precision: str = "") -> tuple[Any, bool]:
    """Load a transformers model, ready to infer, of which no weight is missing but those whose name contains `spare`.

    transformers makes up what it does not find; such a model would give different vectors every day. The second value
    tells whether the spare part is there. Weights become of the torch type `precision`, else stay as they were stored.

    Raises:
        Broken: weights are missing.
    """
    wanted = {"dtype": precision} if precision else {}
    model, report = kind.from_pretrained(folder, output_loading_info=True, **wanted)
    missing = sorted(name for name in report["missing_keys"] if not spare or spare not in name)
    if missing:
        raise Broken(f"{folder} lacks {len(missing)} weights of a {type(model).__name__}, e.g. {missing[0]}")
    return model.eval(), not report["missing_keys"]


def quiet() -> None:
    """Keep transformers from drawing progress bars over our log."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
