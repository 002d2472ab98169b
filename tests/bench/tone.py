"""How well the tone of a voice is read, on speakers that were left out of training.

    python -m tests.bench.tone ../shared/data/emodb var/models [--keep DIR] [--disturbed] [--nested] [--unseen DIR]
    python -m tests.bench.tone ../shared/data/emodb var/models --keep DIR --wide

`--nested` chooses among the ten recipes inside every fold; but those ten were themselves written after a look at these
very speakers. `--wide` chooses inside every fold from everything that was ever considered: which layers of the voice
encoder, how deep into the recogniser, with or without prosody, how many directions of speakers to forget, which ridge.

UAR is the mean over the seven emotions of the share that is found; two-class figures are UAR too. Everything but
`--unseen`, which asks the shipped head about clips of EmoDB of other speakers, leaves out one speaker after the other.
The floor is the mean and the standard deviation of 20 MFCC under a logistic regression.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.media.audio import decode
from workers.model import phonetic, tone, voice
from workers.model.listening import Listener
from workers.model.shelf import Shelf
from workers.model.voice import VoiceEncoder
from workers.model.weights import fetch
from workers.train import emodb
from workers.train.tone import (
    AROUSED,
    EMOTIONS,
    STRAINED,
    Heard,
    Recipe,
    coarse,
    dimensions,
    fit,
    left_out,
    listen,
    nested,
    recipes,
    regress,
    uar,
)

Numbers = NDArray[np.float64]


def line(name: str, heard: Heard, logits: Numbers) -> str:
    truth, speakers = heard.labels, heard.column("speaker")
    guess = logits.argmax(axis=1)
    each = [uar(truth[speakers == one], guess[speakers == one]) for one in sorted(set(speakers.tolist()))]
    return (
        f"{name:42s} {uar(truth, guess):5.1f}  {coarse(truth, logits):5.1f}  {coarse(truth, logits, AROUSED):5.1f}   "
        + " ".join(f"{one:3.0f}" for one in each)
    )


def interval(heard: Heard, logits: Numbers, times: int = 1000) -> str:
    """95 % of bootstrap samples of clips."""
    dice, truth, guess = np.random.default_rng(0), heard.labels, logits.argmax(axis=1)
    drawn = [dice.integers(0, len(truth), len(truth)) for _ in range(times)]
    seven, two = ([f(some) for some in drawn] for f in (
        lambda some: uar(truth[some], guess[some]), lambda some: coarse(truth[some], logits[some]),
    ))  # fmt: skip
    return "; ".join(
        f"{name} {np.percentile(found, 2.5):.1f} to {np.percentile(found, 97.5):.1f}"
        for name, found in (("seven", seven), ("strained", two))
    )


def floor(heard: Heard) -> Numbers:
    """Mean and standard deviation of 20 cepstral coefficients under a logistic regression."""
    import torch
    import torchaudio

    mfcc = torchaudio.transforms.MFCC(16_000, 20, melkwargs={"n_fft": 512, "hop_length": 160, "n_mels": 40})
    rows = []
    for clip in heard.clips:
        found = mfcc(torch.from_numpy(decode(clip.path.read_bytes()).wave))
        rows.append(torch.cat([found.mean(dim=1), found.std(dim=1)]).numpy())
    return others(heard, np.array(rows, dtype=np.float64), lambda seen, labels: _logistic(seen, labels))


def _logistic(seen: Numbers, labels: NDArray[np.int64]) -> Any:
    weight, bias = regress(seen, labels, len(EMOTIONS), 1.0)
    return lambda asked: asked @ weight.T + bias


def _svm(seen: Numbers, labels: NDArray[np.int64]) -> Any:
    from sklearn.svm import SVC

    return SVC(kernel="linear", class_weight="balanced").fit(seen, labels).decision_function


def _net(seen: Numbers, labels: NDArray[np.int64]) -> Any:
    """64 hidden units, dropout of a half, weight decay."""
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Dropout(0.2), torch.nn.Linear(seen.shape[1], 64), torch.nn.ReLU(), torch.nn.Dropout(0.5),
        torch.nn.Linear(64, len(EMOTIONS)),
    )  # fmt: skip
    share = torch.bincount(torch.from_numpy(labels), minlength=len(EMOTIONS)).float()
    judge = torch.nn.CrossEntropyLoss(weight=share.sum() / share / len(EMOTIONS))
    x, y = torch.from_numpy(seen * 20).float(), torch.from_numpy(labels)
    solver = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(150):
        solver.zero_grad()
        judge(net(x), y).backward()
        solver.step()
    net.eval()
    return lambda asked: net(torch.from_numpy(asked * 20).float()).detach().numpy()


def others(heard: Heard, seen: Numbers, fit: Any, groups: tuple[int, ...] = ()) -> Numbers:
    """Leave-one-speaker-out of any classifier over standardised features."""
    speakers, out = heard.column("speaker"), np.zeros((len(seen), len(EMOTIONS)))
    shape = groups or (seen.shape[1],)
    for speaker in sorted(set(speakers.tolist())):
        asked = speakers == speaker
        scale = np.repeat(1 / np.sqrt(shape), shape) / (seen[~asked].std(axis=0) + 1e-6)
        scaled = (seen - seen[~asked].mean(axis=0)) * scale
        out[asked] = fit(scaled[~asked], heard.labels[~asked])(scaled[asked])
    return out


DEPTHS = (2, 3, 4, 5, 6)  # layers of the recogniser's encoder


def everything(folder: Path, models: Path, keep: Path | None) -> tuple[Heard, VoiceEncoder]:
    """The clips as an encoder hears them that shows its own four layers, then the recogniser's at every depth."""
    encoder: VoiceEncoder = voice.ecapa(fetch.folder(models, "voice"))
    for depth in DEPTHS:
        encoder = phonetic.Together(encoder, phonetic.Phonetic(fetch.folder(models, "speech-en"), layers=depth))
    return listen(folder, encoder, keep / "wide" if keep else None), encoder


def considered() -> list[Recipe]:
    """Every combination that somebody may have tried by hand; of the recogniser one depth or none."""
    own = [(), (0,), (1,), (2,), (3,), (2, 3)]
    deep = [(), *((4 + i,) for i in range(len(DEPTHS)))]
    return [
        Recipe(f"layers {layers}, prosody {said}, ridge {ridge}, forget {forget}", layers, False, said, ("clean",),
               ridge, forget)
        for layers in (a + b for a in own for b in deep)
        for said in (False, True)
        for ridge, forget in ((0.1, 0), (0.1, 4), (0.03, 4), (0.3, 4))
        if layers or said
    ]  # fmt: skip


def nested_wide(heard: Heard, some: list[Recipe], encoder: VoiceEncoder) -> tuple[Numbers, list[str]]:
    """As `nested`; a head that heard neither of two speakers serves the choice for either, which halves the work."""
    speakers, labels = heard.column("speaker"), heard.labels
    names = sorted(set(speakers.tolist()))
    found: dict[str, list[tuple[float, Recipe]]] = {name: [] for name in names}
    for recipe in some:
        shape = dimensions(recipe, encoder)
        inside = {name: np.zeros((len(labels), len(EMOTIONS))) for name in names}
        for a, b in itertools.combinations(names, 2):
            rows = (speakers != a) & (speakers != b)
            logits = tone.assembled(shape, fit(heard, rows, recipe, shape)).logits(heard.ways["clean"])
            inside[a][speakers == b], inside[b][speakers == a] = logits[speakers == b], logits[speakers == a]
        for name in names:
            rest = speakers != name
            found[name].append((uar(labels[rest], inside[name][rest].argmax(axis=1)), recipe))
    out, chosen = np.zeros((len(labels), len(EMOTIONS))), []
    for name in names:
        best = max(found[name], key=lambda one: one[0])[1]
        shape = dimensions(best, encoder)
        head = tone.assembled(shape, fit(heard, speakers != name, best, shape))
        out[speakers == name] = head.logits(heard.ways["clean"])[speakers == name]
        chosen.append(f"{name}: {best.name}")
    return out, chosen


def sentence_out(heard: Heard, recipe: Recipe, encoder: VoiceEncoder) -> Numbers:
    """Neither the speaker nor the sentence was in training."""
    sentences, logits = heard.column("sentence"), np.zeros((len(heard.clips), len(EMOTIONS)))
    shape = dimensions(recipe, encoder)
    seen = tone.gathered(heard.ways["clean"], shape)
    speakers = heard.column("speaker")
    groups = [width for width in (shape.vector, *shape.widths, len(shape.prosody)) if width]
    for speaker in sorted(set(speakers.tolist())):
        for sentence in sorted(set(sentences[speakers == speaker].tolist())):
            asked = (speakers == speaker) & (sentences == sentence)
            known = (speakers != speaker) & (sentences != sentence)
            scale = np.repeat(1 / np.sqrt(groups), groups) / (seen[known].std(axis=0) + 1e-6)
            scaled = (seen - seen[known].mean(axis=0)) * scale
            weight, bias = regress(scaled[known], heard.labels[known], len(EMOTIONS), recipe.ridge)
            logits[asked] = scaled[asked] @ weight.T + bias
    return logits


def confusion(heard: Heard, logits: Numbers) -> str:
    truth, guess = heard.labels, logits.argmax(axis=1)
    rows = [[int(((truth == a) & (guess == b)).sum()) for b in range(len(EMOTIONS))] for a in range(len(EMOTIONS))]
    head = " " * 12 + "".join(f"{emotion[:5]:>7s}" for emotion in EMOTIONS)
    return "\n".join([head, *(f"{EMOTIONS[i]:12s}" + "".join(f"{n:7d}" for n in row) for i, row in enumerate(rows))])


def unseen(folder: Path, encoder: VoiceEncoder) -> None:
    """The shipped head as the product uses it, on clips of speakers it was not trained on."""
    head = tone.load()
    reader, truth, logits, none = tone.ToneReader(encoder, head, Listener()), [], [], 0
    trained = set(str(head.about.get("speech", "")).split())
    for clip in emodb.clips(folder):
        if clip.speaker in trained:
            continue
        found = reader.logits(decode(clip.path.read_bytes()).wave)
        none += found is None
        truth.append(EMOTIONS.index(clip.emotion))
        logits.append(np.zeros(len(EMOTIONS)) if found is None else found)
    if not truth:
        print("no clip of a speaker the head was not trained on")
        return
    right, said = np.array(truth), np.array(logits)
    print(f"shipped head, {len(right)} clips of other speakers ({none} without enough voice): UAR "
          f"{uar(right, said.argmax(axis=1)):.1f}, strained {coarse(right, said):.1f}, "
          f"aroused {coarse(right, said, AROUSED):.1f}")  # fmt: skip


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("emodb", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--keep", type=Path)
    options.add_argument("--disturbed", action="store_true", help="noise, speed, Opus, in training and in test")
    options.add_argument("--nested", action="store_true", help="choose the recipe inside every fold, too (minutes)")
    options.add_argument("--unseen", type=Path, help="a folder with clips of other speakers")
    options.add_argument("--wide", action="store_true", help="choose everything inside every fold (ten minutes)")
    return options


def main() -> None:
    wanted = arguments().parse_args()
    if wanted.wide:
        heard, encoder = everything(wanted.emodb, wanted.models, wanted.keep)
        wide = considered()
        logits, chosen = nested_wide(heard, wide, encoder)
        print(line(f"chosen inside every fold from {len(wide)}", heard, logits))
        print(f"95 %: {interval(heard, logits)}", *chosen, sep="\n")
        return
    encoder = Shelf(wanted.models).voice
    if wanted.unseen:
        unseen(wanted.unseen, encoder)
        return
    heard = listen(wanted.emodb, encoder, wanted.keep, emodb.WAYS if wanted.disturbed else ("clean",))
    some = recipes(encoder, wanted.disturbed)
    print(f"strained: {', '.join(STRAINED)}; aroused: {', '.join(AROUSED)}")
    print(f"{'':42s} seven  strained  aroused   by speaker")
    print(line("floor: MFCC statistics", heard, floor(heard)))
    best, most = some[0], (0.0, np.zeros((0, 0)))
    for recipe in some:
        began = time.perf_counter()
        logits = left_out(heard, recipe, dimensions(recipe, encoder))
        spent = (time.perf_counter() - began) / len(set(heard.column("speaker").tolist()))
        print(line(recipe.name, heard, logits), f"  {spent:.1f} s a fit", flush=True)
        if (score := uar(heard.labels, logits.argmax(axis=1))) > most[0]:
            best, most = recipe, (score, logits)
    shape = dimensions(best, encoder)
    seen = tone.gathered(heard.ways["clean"], shape)
    groups = tuple(width for width in (shape.vector, *shape.widths, len(shape.prosody)) if width)
    for name, other in (("linear SVM", _svm), ("small network", _net)):
        print(line(f"{name} on the features of the best", heard, others(heard, seen, other, groups)))
    print(line("best, sentence left out as well", heard, sentence_out(heard, best, encoder)))
    for way in list(heard.ways)[1:]:
        print(line(f"best, asked with {way}", heard, left_out(heard, best, shape, asked=way)))
    if wanted.nested:
        logits, chosen = nested(heard, some, encoder)
        print(line("chosen inside every fold", heard, logits), f"  {', '.join(chosen)}")
        print(f"95 %: {interval(heard, logits)}")
    print(f"best: {best.name}; 95 %: {interval(heard, most[1])}\n{confusion(heard, most[1])}")


if __name__ == "__main__":
    main()
