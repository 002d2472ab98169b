"""Making other forms of a model's encoders: exported, or in eight bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.configuration import Configuration
from workers.model import hub, image, optimised, tuned
from workers.model.ports import ImageEncoder, Picture, TextEncoder
from workers.model.shelf import AUTO, LITE2, MINILM, MULTILINGUAL, Shelf
from workers.model.text import LONGEST
from workers.model.weights import eightbit, fetch, minilm
from workers.train.timing import IMAGE, TEXT

INT8, FP32 = "int8", "fp32"
EVERY = ""  # the language of the only text encoder
_SHOWN = 32  # pictures by which ranges are found
_FIRST = 8  # convolutions that stay in full precision


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """An encoder of a model.

    `graph` is the folder whose `model.onnx` runs it now, None where torch does; `folder` holds its other files; `name`
    is what the settings call it; `obstacle` says why it has no other form, empty when it can have one; `language` is
    what a text encoder is for: "en", "xx" for all others, or `EVERY`.
    """

    title: str
    what: str
    name: str
    original: TextEncoder | ImageEncoder
    kind: str
    folder: Path
    graph: Path | None
    languages: frozenset[str] = frozenset()
    longest: int = LONGEST
    obstacle: str = ""
    language: str = "en"

    @property
    def size(self) -> int:
        """Bytes on disk of what runs it now."""
        if self.graph is None:
            return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return sum((self.graph / name).stat().st_size for name in optimised.FILES[self.kind])


def subjects(configuration: Configuration, shelf: Shelf, finetuned: Path | None) -> list[Subject]:
    """The encoders that a model's questions go through; loads them.

    Args:
        configuration: which encoders.
        shelf: where they are.
        finetuned: the folder of the model's own text encoder, where it has one.

    Raises:
        Broken: one cannot be loaded; says what to do.
    """
    encoders = {encoder.digest: encoder for encoder in (shelf.text("en"), shelf.text("xx"))}
    languages = ("en", "xx") if len(encoders) == 2 else (EVERY,)
    texts = [
        _text(encoder, language, configuration, finetuned)
        for encoder, language in zip(encoders.values(), languages, strict=True)
    ]
    return [*texts, _pictures(shelf, configuration)]


def _text(encoder: TextEncoder, language: str, configuration: Configuration, finetuned: Path | None) -> Subject:
    family = encoder.digest.partition("-")[0]
    kind = optimised.WORDPIECES
    if family == "minilm":
        name, title, folder = MINILM, "text, English (MiniLM)", fetch.folder(configuration.models, "text-en")
    elif family == "use":
        name, title, folder = MULTILINGUAL, "text, other languages", fetch.folder(configuration.models, "text-multi")
        kind = optimised.SENTENCEPIECES
    else:
        folder = finetuned or hub.find(configuration.text_model)
        name, title = str(folder), "text, fine-tuned" if family == "tuned" else f"text ({folder.name})"
    obstacle, longest = "", LONGEST
    graph: Path | None = folder
    if family == "tuned":
        longest = tuned.read(folder).longest
    elif family not in ("minilm", "use"):
        (obstacle, longest), graph = _exportable(folder), None
    return Subject(title, TEXT, name, encoder, kind, folder, graph, encoder.languages, longest, obstacle, language)


def _exportable(folder: Path) -> tuple[str, int]:
    """Why a folder of transformers cannot be written as a graph ("" when it can), and how many tokens it takes."""
    config = hub.settings(folder)
    pooling = hub.settings(folder / "1_Pooling")
    prompts = hub.settings(folder, "config_sentence_transformers.json")
    wanted = {"model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12}
    parts = [str(one.get("type", "")) for one in hub.settings(folder, "modules.json").get("list", [])]
    fits = all(config.get(name, value) == value for name, value in wanted.items()) and "model_type" in config
    fits &= not pooling or bool(pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean")
    fits &= not any(part.endswith("Dense") for part in parts) and not prompts.get("default_prompt_name")
    fits &= all((folder / name).is_file() for name in ("model.safetensors", "tokenizer.json"))
    limits: list[int | float | None] = [
        LONGEST,
        hub.settings(folder, "sentence_bert_config.json").get("max_seq_length"),
        config.get("max_position_embeddings"),
        hub.settings(folder, "tokenizer_config.json").get("model_max_length"),
    ]
    longest = int(min(limit for limit in limits if limit))
    return "" if fits else "only a BERT with mean pooling can be exported", longest


def _pictures(shelf: Shelf, configuration: Configuration) -> Subject:
    name = configuration.image_model
    if name in (AUTO, LITE2):
        folder = fetch.folder(configuration.models, "image")
        title = "photos (EfficientNet-Lite2)"
        return Subject(title, IMAGE, name, shelf.image, optimised.PICTURES, folder, folder)
    folder = hub.find(name)
    obstacle = "only the built-in image encoder can be exported"
    return Subject(
        f"photos ({folder.name})", IMAGE, name, shelf.image, optimised.PICTURES, folder, None, obstacle=obstacle
    )


def make(subject: Subject, place: Path, shown: Sequence[Picture]) -> list[Path]:
    """Write the forms that a subject can have into folders under `place`.

    Args:
        subject: the encoder.
        place: a folder that is there.
        shown: pictures by which an image encoder's ranges are found.
    """
    if subject.obstacle:
        return []
    if subject.what == IMAGE:
        return [_form(subject, place, INT8, lambda graph: static(subject.folder / "model.onnx", graph, shown))]
    if subject.graph is not None:
        source, made = subject.graph / "model.onnx", []
    else:
        made = [_form(subject, place, FP32, lambda graph: _export(subject.folder, graph))]
        source = made[0] / "model.onnx"
    return [*made, _form(subject, place, INT8, lambda graph: eightbit.convert(source, graph))]


def _form(subject: Subject, place: Path, way: str, write: Callable[[Path], object]) -> Path:
    folder = place / f"{subject.original.digest}-{way}"
    folder.mkdir()
    write(folder / "model.onnx")
    for name in optimised.FILES[subject.kind][1:]:
        shutil.copyfile(subject.folder / name, folder / name)
    optimised.describe(
        folder,
        of=subject.original.digest,
        way=way,
        kind=subject.kind,
        languages=subject.languages,
        longest=subject.longest,
    )
    return folder


def _export(folder: Path, graph: Path) -> None:
    from safetensors.numpy import load_file

    weights = {name.removeprefix("bert."): one for name, one in load_file(folder / "model.safetensors").items()}
    minilm.build(weights, int(hub.settings(folder)["num_attention_heads"]), graph)


class _Shown:
    """Pictures for onnxruntime's calibration, one after the other."""

    def __init__(self, pictures: Sequence[Picture], side: int) -> None:
        self._rest = iter(pictures)
        self._side = side

    def get_next(self) -> dict[str, Any] | None:
        """The next input of the graph, None after the last one."""
        picture = next(self._rest, None)
        return None if picture is None else {"pixels": image.glance(picture, self._side)[None]}


def static(source: Path, graph: Path, shown: Sequence[Picture]) -> None:
    """Convolutions in 8 bits, their ranges as these pictures show them.

    The first ones and the last stay as they are: the labels and likenesses of pictures hang on them. Weights keep seven
    bits, for the reason that `workers.model.weights.eightbit` gives.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_infer_metadata, add_pre_process_metadata

    model = onnx.shape_inference.infer_shapes(onnx.load(source))
    for place, node in enumerate(model.graph.node):
        node.name = f"node{place}"
    add_pre_process_metadata(model)  # nothing is left to fold: without it onnxruntime warns
    add_infer_metadata(model)
    layers = [node.name for node in model.graph.node if node.op_type == "Conv"]
    side = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    quantize_static(
        model,
        graph,
        _Shown(shown[:: max(len(shown) // _SHOWN, 1)][:_SHOWN], side),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "Add", "Clip"],
        nodes_to_exclude=[*layers[:_FIRST], layers[-1]],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
    )
