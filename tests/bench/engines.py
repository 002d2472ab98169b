"""Which engine runs the built-in encoders best on a processor, all of them in one run.

    python -m tests.bench.engines var/models [--only text|image|speech] [--quick]

Each engine encodes the same items in turns, on one thread; time is the processor's, so that whatever else the machine
does meanwhile hardly counts. Read the ratios. `--quick` leaves out torch.compile, which takes minutes.
`cosine` is to torch in full precision, mean and least; `apart` is the least cosine between an item alone and the same
item in a batch. The photo network has random weights here, since its torch weights are not kept; its time does not
depend on them. Speech is measured by the words it gets wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.knowledge.files import load
from workers.media import audio, images
from workers.model import text as texts
from workers.model.heads import Floats
from workers.model.ports import Picture
from workers.model.sessions import session
from workers.model.weights import eightbit
from workers.train.timing import timed

DEMO = Path(__file__).parents[2] / "bot" / "demo"
Encode = Callable[[list[Any]], Floats]


def row(name: str, cells: Sequence[str]) -> None:
    print(f"{name:<34}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


def table(engines: dict[str, Encode], items: list[Any], batched: int) -> None:
    """Prints a line an engine, the first of which is what the others are compared with."""
    row("", ["p50 ms", "p95 ms", f"ms at {batched}", "cosine", "least", "apart"])
    reference: Floats | None = None
    speeds = timed(list(engines.values()), items)
    for (name, encode), speed in zip(engines.items(), speeds, strict=True):
        alone = np.concatenate([encode([item]) for item in items])
        together = np.concatenate([encode(items[at : at + batched]) for at in range(0, len(items), batched)])
        reference = alone if reference is None else reference
        cosine = (alone * reference).sum(axis=1)
        told = [f"{speed.p50:.2f}", f"{speed.p95:.2f}", f"{1000 / speed.batched:.2f}"]
        told += [f"{value:.5f}" for value in (cosine.mean(), cosine.min(), (alone * together).sum(axis=1).min())]
        row(name, told)


def text(models: Path, scratch: Path, quick: bool) -> None:
    """MiniLM on phrases of the demo."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    folder = models / "text-en"
    tokenise = texts.wordpieces(folder / "tokenizer.json")

    def onnx(graph: Path) -> Encode:
        return texts.OnnxText(graph, tokenise, digest="", languages=frozenset()).encode

    def torched(half: bool, compiled: bool) -> Encode:
        model: Any = AutoModel.from_pretrained(folder, dtype=torch.bfloat16 if half else torch.float32).eval()
        model = torch.compile(model, dynamic=True) if compiled else model

        def encode(some: list[str]) -> Floats:
            tokens = [tokenise(one) for one in some]
            ids = torch.zeros((len(some), max(map(len, tokens))), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for place, one in enumerate(tokens):
                ids[place, : len(one)], mask[place, : len(one)] = torch.tensor(one), 1
            with torch.inference_mode():
                states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            pooled = (states * mask[..., None]).sum(dim=1)
            found: Floats = torch.nn.functional.normalize(pooled, dim=1).numpy()
            return found

        return encode

    eightbit.convert(folder / "model.onnx", scratch / "ours.onnx")
    quantize_dynamic(folder / "model.onnx", scratch / "dynamic.onnx", weight_type=QuantType.QInt8, per_channel=True)
    engines = {"torch fp32": torched(False, False), "torch bf16": torched(True, False)}
    if not quick:
        engines |= _compiled("torch.compile fp32", lambda: torched(False, True), ["warm"])
        engines |= _compiled("torch.compile bf16", lambda: torched(True, True), ["warm"])
    engines |= {"onnxruntime fp32": onnx(folder / "model.onnx")}
    engines |= {"onnxruntime int8, a scale a batch": onnx(scratch / "dynamic.onnx")}
    engines |= {"onnxruntime int8, a scale a token": onnx(scratch / "ours.onnx")}
    phrases = [phrase for entry in load(DEMO).live for phrase in entry.phrases]
    table(engines, phrases[:: max(len(phrases) // 64, 1)][:64], 32)


def image(scratch: Path, quick: bool) -> None:
    """EfficientNet-Lite2, random weights, on photos of the demo."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    from workers.model.weights.efficientnet import build
    from workers.train.forms import static

    torch.manual_seed(0)
    network = EfficientNet.from_name("efficientnet-lite2").eval()
    build(network, scratch / "image.onnx")
    photos = [images.decode(file.read_bytes()) for file in sorted((DEMO / "photos").glob("*.jpg"))[:40]]
    static(scratch / "image.onnx", scratch / "image8.onnx", photos[::2])

    def onnx(graph: Path) -> Encode:
        from workers.model.image import glance

        run = session(graph).run

        def encode(some: list[Picture]) -> Floats:
            pixels = np.stack([glance(one, 260) for one in some])
            found: Floats = run(["vectors"], {"pixels": pixels})[0]
            return found

        return encode

    def torched(half: bool, compiled: bool) -> Encode:
        from workers.model.image import glance

        kind = torch.bfloat16 if half else torch.float32
        model: Any = EfficientNet.from_name("efficientnet-lite2").eval()
        model.load_state_dict(network.state_dict())
        model = model.to(kind).to(memory_format=torch.channels_last)
        see = torch.compile(model.extract_features) if compiled else model.extract_features

        def encode(some: list[Picture]) -> Floats:
            pixels = torch.from_numpy(np.stack([glance(one, 260) for one in some]))
            with torch.inference_mode():
                ready = (pixels.permute(0, 3, 1, 2) / 127.5 - 1).to(kind)
                states = see(ready.contiguous(memory_format=torch.channels_last)).float().mean(dim=(2, 3))
            found: Floats = torch.nn.functional.normalize(states, dim=1).numpy()
            return found

        return encode

    engines = {"torch fp32": torched(False, False), "torch bf16": torched(True, False)}
    if not quick:
        engines |= _compiled("torch.compile fp32", lambda: torched(False, True), [photos[0]])
        engines |= _compiled("torch.compile bf16", lambda: torched(True, True), [photos[0]])
    engines |= {"onnxruntime fp32": onnx(scratch / "image.onnx"), "onnxruntime int8": onnx(scratch / "image8.onnx")}
    table(engines, photos[:24], 8)


def _compiled(name: str, make: Callable[[], Encode], warm: list[Any]) -> dict[str, Encode]:
    """An engine that needs a compiler of C++; says so where there is none."""
    began = time.process_time()
    try:
        encode = make()
        encode(warm)
    except Exception as problem:  # torch's compiler fails in ways of its own
        print(f"{name}: not measured ({type(problem).__name__}: {str(problem).splitlines()[0][:80]})")
        return {}
    encode(warm * 3)
    print(f"{name}: {time.process_time() - began:.0f} s until its first answers")
    return {name: encode}


def speech(models: Path) -> None:
    """Moonshine on the demo's voice notes, whose words are known."""
    import torch

    from bot.demo.studio.speech import NOTES
    from workers.model.listening import Listener
    from workers.model.recognisers import Moonshine
    from workers.model.speech import Recogniser

    files = [file for file in sorted((DEMO / "voice").glob("*.ogg")) if file.stem in NOTES]
    said = [_words(NOTES[file.stem].words) for file in files]
    waves = [audio.decode(file.read_bytes()).wave for file in files]
    recognisers = {}
    for name in ("torch fp32", "torch bf16", "torch dynamic int8"):
        network = Moonshine(models / "speech-en")
        if name.endswith("bf16"):
            network._model = network._model.to(torch.bfloat16)
            network._model.get_encoder().register_forward_pre_hook(_halved, with_kwargs=True)
        elif name.endswith("int8"):
            from torch.ao.quantization import quantize_dynamic

            network._model = quantize_dynamic(network._model, {torch.nn.Linear}, dtype=torch.qint8)
        recognisers[name] = Recogniser(network, Listener())
        recognisers[name].rehearse(waves[0][:16_000])
    times = dict.fromkeys(recognisers, 0.0)
    heard: dict[str, list[list[str]]] = {name: [] for name in recognisers}
    for wave in waves:
        for name, recogniser in recognisers.items():
            began = time.process_time()
            heard[name].append(_words(recogniser.transcribe([wave])[0].text))
            times[name] += time.process_time() - began
    row(f"{len(files)} notes", ["seconds", "x real time", "words wrong", "as in fp32"])
    length, total = sum(map(len, waves)) / 16_000, sum(map(len, said))
    for name, words in heard.items():
        wrong = sum(_wrong(one, other) for one, other in zip(said, words, strict=True))
        same = np.mean([one == other for one, other in zip(words, heard["torch fp32"], strict=True)])
        row(name, [f"{times[name]:.1f}", f"{times[name] / length:.3f}", f"{wrong / total:.2%}", f"{same:.0%}"])


def _halved(module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import torch

    halved = {
        key: value.to(torch.bfloat16) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for key, value in named.items()
    }
    return positional, halved


def _words(said: str) -> list[str]:
    return re.findall(r"[a-z']+", said.lower())


def _wrong(said: Sequence[str], heard: Sequence[str]) -> int:
    """Edits between two lists of words."""
    line = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        last, line[0] = line[0], i
        for j, other in enumerate(heard, 1):
            last, line[j] = line[j], min(line[j] + 1, line[j - 1] + 1, last + (word != other))
    return line[-1]


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("models", type=Path)
    options.add_argument("--only", choices=("text", "image", "speech"))
    options.add_argument("--quick", action="store_true")
    return options


def main() -> None:
    chosen = arguments().parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        if chosen.only in (None, "text"):
            text(chosen.models, Path(folder), chosen.quick)
        if chosen.only in (None, "image"):
            image(Path(folder), chosen.quick)
        if chosen.only in (None, "speech"):
            speech(chosen.models)


if __name__ == "__main__":
    main()
