"""Trains the head that reads the tone of a voice.

    python -m workers.train.tone ../shared/data/emodb var/models --keep /tmp/tone

Multinomial logistic regression with a ridge, every emotion weighing the same, over standardised features of which every
group (a layer, the prosody) weighs the same. It is judged on speakers it never heard, by leaving out one after the
other; so are the recipes it chooses from, and once more inside each fold (nested), for the figure that is reported.
Acted German speech of six people: what it tells of customers is a hint for the order of a queue, nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, Broken
from workers.model import prosody, tone
from workers.model.listening import Listener
from workers.model.shelf import Shelf
from workers.model.tone import Dimensions
from workers.model.voice import VoiceEncoder, VoiceFeatures
from workers.train import emodb
from workers.train.emodb import Clip

EMOTIONS = tuple(sorted(emodb.EMOTIONS.values()))
STRAINED = ("anger", "disgust", "fear")
AROUSED = (*STRAINED, "happiness")
Numbers = NDArray[np.float64]
Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a head looks at, and how it is fitted.

    `layers` are those of the encoder's states; `ways` the disturbances it is trained on; `ridge` the strength of the
    penalty; `forget` the number of directions in which the training speakers differ that are taken out (Solomonoff et
    al. 2005, nuisance attribute projection): a normalisation that needs nothing of the speaker at hand.
    """

    name: str
    layers: tuple[int, ...] = ()
    vector: bool = False
    prosody: bool = False
    ways: tuple[str, ...] = ("clean",)
    ridge: float = 0.1
    forget: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Clips with what the encoder heard in them, by way of disturbance; labels are places in EMOTIONS."""

    clips: tuple[Clip, ...]
    ways: dict[str, VoiceFeatures]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(clips,)."""
        return np.array([EMOTIONS.index(one.emotion) for one in self.clips])

    def column(self, name: str) -> NDArray[np.str_]:
        """`speaker` or `sentence` of every clip, (clips,)."""
        return np.array([getattr(one, name) for one in self.clips])


def listen(folder: Path, encoder: VoiceEncoder, keep: Path | None, ways: Sequence[str] = ("clean",)) -> Heard:
    """Every clip of the folder in these ways, from the kept files where they are."""
    clips, listener, found = emodb.clips(folder), Listener(), {}
    for way in ways:
        kept = emodb.recall(keep / f"{way}.npz", clips, encoder.digest) if keep else None
        if kept is None:
            print(f"listening to {len(clips)} clips ({way}) ...", file=sys.stderr)
            kept = emodb.hear(clips, encoder, listener, way)
            if keep:
                emodb.remember(keep / f"{way}.npz", clips, kept, encoder.digest)
        found[way] = kept
    return Heard(clips, found)


def recipes(encoder: VoiceEncoder, disturbed: bool = False) -> tuple[Recipe, ...]:
    """What is worth comparing with this encoder: of the built-in one the layers, alone and together.

    Those trained on disturbed copies are compared only when asked for: listening takes four times as long.
    """
    plain = (Recipe("prosody", prosody=True), Recipe("speaker vector", vector=True))
    if len(encoder.widths) != 5:
        every = tuple(range(len(encoder.widths)))
        return (*plain, Recipe("everything", every, vector=True, prosody=True))
    both = Recipe("third layer, recogniser", (2, 4))
    clean = (
        *plain,
        *(Recipe(f"{name} layer", (i,)) for i, name in enumerate(("first", "second", "third", "fourth"))),
        Recipe("recogniser", (4,)),
        both,
        replace(both, name="both, prosody", prosody=True),
        replace(both, name="both, speakers forgotten", forget=4),
    )
    if not disturbed:
        return clean
    return (*clean, *(replace(one, name=f"{one.name}, disturbed", ways=emodb.WAYS) for one in clean[-3:]))


def dimensions(recipe: Recipe, encoder: VoiceEncoder) -> Dimensions:
    """Of the head that a recipe makes."""
    return Dimensions(
        encoder.digest,
        encoder.dim if recipe.vector else 0,
        recipe.layers,
        tuple(encoder.widths[i] for i in recipe.layers),
        prosody.NAMES if recipe.prosody else (),
        EMOTIONS,
        STRAINED,
    )


def fit(heard: Heard, rows: Rows, recipe: Recipe, shape: Dimensions) -> dict[str, NDArray[np.float32]]:
    """Train on some of the clips, in the recipe's ways; gives `mean`, `scale`, `weight`, `bias` of a `ToneHead`."""
    seen = np.concatenate([tone.gathered(heard.ways[way], shape)[rows] for way in recipe.ways])
    labels = np.tile(heard.labels[rows], len(recipe.ways))
    mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    groups = [width for width in (shape.vector, *shape.widths, len(shape.prosody)) if width]
    scale = np.repeat(1 / np.sqrt(groups), groups) / deviation
    scaled = (seen - mean) * scale
    if recipe.forget:
        speakers = np.tile(heard.column("speaker")[rows], len(recipe.ways))
        between = _between(scaled, labels, speakers, recipe.forget)
        scaled = scaled - scaled @ between.T @ between
    weight, bias = regress(scaled, labels, len(EMOTIONS), recipe.ridge * len(recipe.ways))
    made = {"mean": mean, "scale": scale, "weight": weight, "bias": bias}
    return {name: array.astype(np.float32) for name, array in made.items()}


def _between(scaled: Numbers, labels: NDArray[np.int64], speakers: NDArray[np.str_], count: int) -> Numbers:
    """The directions, (at most count, features), in which speakers of the same emotions differ most."""
    means = []
    for speaker in sorted(set(speakers.tolist())):
        own = [(speakers == speaker) & (labels == emotion) for emotion in range(len(EMOTIONS))]
        known = [(scaled[rows].mean(axis=0) - scaled[labels == emotion].mean(axis=0), emotion)
                 for emotion, rows in enumerate(own) if rows.any()]  # fmt: skip
        means.append(np.mean([difference for difference, _ in known], axis=0))
    found = np.linalg.svd(np.array(means) - np.mean(means, axis=0), full_matrices=False)[2]
    return np.asarray(found[: min(count, len(means) - 1)])


def regress(seen: Numbers, labels: NDArray[np.int64], classes: int, ridge: float) -> tuple[Numbers, Numbers]:
    """Class-balanced multinomial logistic regression: weights (classes, features), bias (classes,).

    Fitted in the space the rows span, which loses nothing under a ridge, by L-BFGS from zero: no chance in it.
    """
    import torch

    gram = torch.from_numpy(seen @ seen.T)
    values, axes = torch.linalg.eigh(gram)
    kept = values > 1e-9 * values[-1]
    root, axes = values[kept].sqrt(), axes[:, kept]
    short, truth = axes * root, torch.from_numpy(labels)
    share = torch.bincount(truth, minlength=classes).clamp(min=1)
    weigh = (len(truth) / (share * (share > 0).sum())).double()[truth]
    at = torch.zeros(classes, short.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([at], max_iter=300, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        wrong = torch.nn.functional.cross_entropy(short @ at[:, :-1].T + at[:, -1], truth, reduction="none")
        total = (weigh * wrong).sum() + ridge / 2 * (at[:, :-1] ** 2).sum()
        total.backward()
        return total

    solver.step(loss)
    found = at.detach().numpy()
    return found[:, :-1] @ (axes / root).numpy().T @ seen, found[:, -1]


def left_out(
    heard: Heard, recipe: Recipe, shape: Dimensions, *, among: Rows | None = None, asked: str = "clean"
) -> Numbers:
    """Logits (clips, emotions) of heads that never heard the clip's speaker; rows outside `among` are left at 0."""
    among = np.ones(len(heard.clips), bool) if among is None else among
    speakers, logits = heard.column("speaker"), np.zeros((len(heard.clips), len(EMOTIONS)))
    for speaker in sorted(set(speakers[among].tolist())):
        out = among & (speakers == speaker)
        head = tone.assembled(shape, fit(heard, among & (speakers != speaker), recipe, shape))
        logits[out] = head.logits(heard.ways[asked])[out]
    return logits


def nested(heard: Heard, some: Sequence[Recipe], encoder: VoiceEncoder) -> tuple[Numbers, list[str]]:
    """Logits as `left_out`, each speaker's by the recipe that was best on the others; the recipes' names."""
    speakers, logits, chosen = heard.column("speaker"), np.zeros((len(heard.clips), len(EMOTIONS))), []
    for speaker in sorted(set(speakers.tolist())):
        out = speakers == speaker
        inside = [left_out(heard, one, dimensions(one, encoder), among=~out) for one in some]
        best = some[int(np.argmax([uar(heard.labels[~out], found[~out].argmax(axis=1)) for found in inside]))]
        shape = dimensions(best, encoder)
        logits[out] = tone.assembled(shape, fit(heard, ~out, best, shape)).logits(heard.ways["clean"])[out]
        chosen.append(best.name)
    return logits, chosen


def uar(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
    """Unweighted average recall in per cent: the mean over the classes of the share that is found."""
    return float(100 * np.mean([(guess[truth == one] == one).mean() for one in np.unique(truth)]))


def coarse(truth: NDArray[np.int64], logits: Numbers, group: Sequence[str] = STRAINED) -> float:
    """UAR of two classes: the emotions of a group against the others, by the sum of their probabilities."""
    inside = np.array([emotion in group for emotion in EMOTIONS])
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    return uar(inside[truth].astype(int), (share[:, inside].sum(axis=1) > share[:, ~inside].sum(axis=1)).astype(int))


def temperature(truth: NDArray[np.int64], logits: Numbers) -> float:
    """What to divide logits by so that the probability of `strained` is honest: least logarithmic loss of it."""
    inside = np.array([emotion in STRAINED for emotion in EMOTIONS])
    strained = inside[truth]

    def loss(heat: float) -> float:
        share = np.exp((logits - logits.max(axis=1, keepdims=True)) / heat)
        p = np.clip(share[:, inside].sum(axis=1) / share.sum(axis=1), 1e-6, 1 - 1e-6)
        return float(-np.log(np.where(strained, p, 1 - p)).mean())

    return float(min(np.geomspace(0.3, 8.0, 100), key=loss))


def train(heard: Heard, some: Sequence[Recipe], encoder: VoiceEncoder, path: Path) -> dict[str, object]:
    """Choose a recipe, fit it on every speaker, write the checkpoint; gives what is told about it."""
    found = [left_out(heard, one, dimensions(one, encoder)) for one in some]
    scores = [uar(heard.labels, logits.argmax(axis=1)) for logits in found]
    best = int(np.argmax(scores))
    recipe, shape = some[best], dimensions(some[best], encoder)
    shape = replace(shape, temperature=round(temperature(heard.labels, found[best]), 3))
    made = fit(heard, np.ones(len(heard.clips), bool), recipe, shape)
    about: dict[str, object] = {
        "recipe": asdict(recipe),
        "speech": "EmoDB (Burkhardt et al. 2005), CC0, speakers " + " ".join(sorted({c.speaker for c in heard.clips})),
        "clips": len(heard.clips),
        "left_out": {"uar": round(scores[best], 1), "strained": round(coarse(heard.labels, found[best]), 1)},
    }
    tone.save(path, tone.assembled(shape, made), made, about)
    return about


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on a folder of EmoDB; 0 when the head is written, 2 for a wrong folder, 1 for other trouble."""
    parser = argparse.ArgumentParser(prog="python -m workers.train.tone", description=__doc__.splitlines()[0])
    parser.add_argument("emodb", type=Path, help="the folder of the recordings")
    parser.add_argument("models", type=Path, help="the folder of prepared models, `voice` among them")
    parser.add_argument("--voice-model", default="auto", help="as POLYDESK_VOICE_MODEL")
    parser.add_argument("--keep", type=Path, help="a folder to keep features in")
    parser.add_argument("--disturbed", action="store_true", help="compare heads trained on disturbed copies, too")
    parser.add_argument("--out", type=Path, default=tone.SHIPPED, help="the checkpoint to write")
    wanted = parser.parse_args(arguments)
    try:
        encoder = Shelf(wanted.models, voice=wanted.voice_model).voice
        heard = listen(wanted.emodb, encoder, wanted.keep, emodb.WAYS if wanted.disturbed else ("clean",))
        print(train(heard, recipes(encoder, wanted.disturbed), encoder, wanted.out))
    except (BadInput, Broken) as problem:
        print(problem, file=sys.stderr)
        return 2 if isinstance(problem, BadInput) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
