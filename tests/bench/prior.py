"""Fits the calibration prior that ships (`workers/model/materials/prior.json`) on simulated knowledge bases.

    python -m tests.bench.prior ../shared/data var/models [--photos]

Texts: BANKING77 (CC BY 4.0), CLINC150 (CC BY 3.0), SLURP's sentences (CC BY 4.0). Hundreds of small knowledge bases are
drawn from them, 1 to 120 entries of 1 to 60 phrases; the questions are unseen sentences of the same entries (in scope),
of entries left out (just out of scope) and of other sources (far out of scope). Photos: Grocery Store (MIT), products
left out as near, parcels at doors (public domain) and iconic pictures as far. HINT3 and official tests are not read.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.optimize import minimize
from scipy.special import expit

from workers.model import text as texts
from workers.model.adapt import PHOTO_KERNEL
from workers.model.calibration import FEATURES, Numbers, Outcomes, shares
from workers.model.encodings import Remembered, encoded
from workers.model.heads import Floats, Integers, Kernel, wording_share
from workers.model.image import EfficientNetLite
from workers.model.learning import learn
from workers.model.lexical import count, lexicon
from workers.model.ports import TextEncoder
from workers.model.smalltalk import outside

TARGET = Path(__file__).parents[2] / "workers/model/materials/prior.json"
CROWDS = (1, 2, 3, 5, 8, 12, 20, 40, 60)
PHOTO_CROWDS = (1, 2, 3, 4)
RIDGE = 1.0


@dataclass(frozen=True)
class Simulated:
    """One knowledge base: its crowd, and its questions in scope, just outside, far outside."""

    crowd: float
    kinds: tuple[Outcomes, Outcomes, Outcomes]

    @property
    def weights(self) -> Numbers:
        sizes = [len(kind) for kind in self.kinds]
        return np.concatenate([np.full(n, weight) for n, weight in zip(sizes, shares(*sizes), strict=True)])


def sources(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Source -> intent -> sentences."""
    found: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in ("banking", "clinc", "slurp")}
    with (folder / "banking77/train.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found["banking"][row["category"]].append(row["text"])
    clinc = json.loads((folder / "clinc150/data_train_val.json").read_text(encoding="utf-8"))
    for text, intent in clinc["train"] + clinc["val"]:
        found["clinc"][intent].append(text)
    with (folder / "slurp_asr/devel.jsonl").open(encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            found["slurp"][one["intent"]].append(one["sentence"])
    return found


def simulate_texts(folder: Path, encoder: TextEncoder, cache: Remembered, times: int, seed: int) -> list[Simulated]:
    """Draw knowledge bases and ask them."""
    dice = random.Random(seed)
    found = sources(folder)
    domains = json.loads((folder / "clinc150/domains.json").read_text(encoding="utf-8"))
    strange = encoded(encoder, outside()["en"], cache)
    made = []
    for _ in range(times):
        source = dice.choice(["banking", "banking", "clinc", "clinc", "slurp"])
        intents = sorted(name for name, some in found[source].items() if len(some) >= 12)
        if source == "clinc" and dice.random() < 0.5:
            few = dice.sample(sorted(domains), dice.choice([1, 2, 3]))
            intents = [name for domain in few for name in domains[domain] if name in found[source]]
        entries = min(dice.choice([1, 2, 4, 8, 15, 25, 40, 60, 120]), int(len(intents) * 0.75))
        crowd = dice.choice([*CROWDS, 1, 3, 5, 8])
        chosen = dice.sample(intents, entries)
        left = [name for name in intents if name not in chosen]
        phrases, owner, questions, truth = [], [], [], []
        for number, name in enumerate(chosen):
            some = found[source][name][:]
            dice.shuffle(some)
            size = max(1, min(round(crowd * dice.uniform(0.6, 1.4)), len(some) - 4))
            phrases += some[:size]
            owner += [number] * size
            asked = some[size : size + max(2, 120 // entries)]
            questions += asked
            truth += [number] * len(asked)
        near = [dice.choice(found[source][dice.choice(left)]) for _ in range(50)]
        others = [name for name in found if name != source]
        far = [
            dice.choice(some) for some in (found[o][dice.choice(sorted(found[o]))] for o in dice.choices(others, k=50))
        ]

        real = len(phrases) / entries
        words = lexicon([count(one) for one in phrases])
        vectors = encoded(encoder, phrases, cache)
        matcher, _ = learn(
            vectors, np.array(owner), np.ones(len(owner), bool), Kernel(share=wording_share(real)), words, outcomes=0
        )

        def ask(these: Sequence[str], right: Integers | None) -> Outcomes:
            asked = encoded(encoder, these, cache)
            match = matcher.match(asked, [count(one) for one in these])  # noqa: B023
            return Outcomes.of(match, right, real, (asked @ strange.T).max(axis=1))  # noqa: B023

        made.append(Simulated(real, (ask(questions, np.array(truth)), ask(near, None), ask(far, None))))
    return made


def pictures(paths: Sequence[Path], encoder: EfficientNetLite) -> Floats:
    """Vectors of picture files."""
    made = []
    for path in paths:
        with Image.open(path) as image:
            made.append(encoder.encode([np.asarray(ImageOps.exif_transpose(image).convert("RGB"))]).vectors)
    return np.concatenate(made)


def simulate_photos(folder: Path, encoder: EfficientNetLite, times: int, seed: int) -> list[Simulated]:
    """Draw products, some photos of each as examples, the others as questions."""
    dice = random.Random(seed)
    grocery = folder / "grocery_store"
    rows = [line.split(",") for line in (grocery / "train_subset.txt").read_text(encoding="utf-8").splitlines()]
    vectors = pictures([grocery / row[0].strip() for row in rows], encoder)
    product = np.array([int(row[1]) for row in rows])
    doors = pictures(sorted((folder / "door_packages").rglob("*.jpg")), encoder)
    icons = pictures(sorted((grocery / "iconic-images-and-descriptions").rglob("*.jpg")), encoder)
    made = []
    for _ in range(times):
        entries, crowd = dice.choice([1, 2, 4, 8, 15, 30, 60]), dice.choice(PHOTO_CROWDS)
        chosen = dice.sample(range(81), entries)
        here, owner, asked, truth = [], [], [], []
        for number, one in enumerate(chosen):
            some = np.flatnonzero(product == one).tolist()
            dice.shuffle(some)
            here += some[:crowd]
            owner += [number] * crowd
            asked += some[crowd:]
            truth += [number] * (len(some) - crowd)
        left = np.flatnonzero(~np.isin(product, chosen)).tolist()
        matcher, _ = learn(vectors[here], np.array(owner), np.ones(len(owner), bool), PHOTO_KERNEL, None, outcomes=0)

        def ask(some: Floats, right: Integers | None) -> Outcomes:
            return Outcomes.of(matcher.match(some, []), right, crowd, np.zeros(len(some), np.float32))  # noqa: B023

        strangers = np.concatenate([doors, icons[dice.sample(range(len(icons)), 12)]])
        near = ask(vectors[dice.sample(left, min(30, len(left)))], None)
        made.append(Simulated(float(crowd), (ask(vectors[asked], np.array(truth)), near, ask(strangers, None))))
    return made


def fit(simulated: Sequence[Simulated]) -> tuple[Numbers, float]:
    """Weighted logistic regression with a ridge on standardised features."""
    seen = np.concatenate([kind.seen for one in simulated for kind in one.kinds])
    right = np.concatenate([kind.right for one in simulated for kind in one.kinds]).astype(float)
    weight = np.concatenate([one.weights for one in simulated])
    mean, scale = seen.mean(axis=0), seen.std(axis=0) + 1e-9
    scaled = (seen - mean) / scale

    def loss(at: Numbers) -> tuple[float, Numbers]:
        z = scaled @ at[:-1] + at[-1]
        wrong = weight * (expit(z) - right)
        value = weight @ (np.logaddexp(0, z) - right * z) + RIDGE * at[:-1] @ at[:-1] / 2
        return float(value), np.append(scaled.T @ wrong + RIDGE * at[:-1], wrong.sum())

    at = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True).x
    weights = np.where(seen.std(axis=0) > 0, at[:-1] / scale, 0.0)
    return weights, float(at[-1] - weights @ mean)


def quantiles(p: Numbers, weight: Numbers, count_of: int = 50) -> list[float]:
    """Weighted quantiles."""
    order = np.argsort(p)
    place = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return [round(float(v), 4) for v in np.interp((np.arange(count_of) + 0.5) / count_of, place, p[order])]


def describe(simulated: Sequence[Simulated], crowds: Sequence[int], source: str) -> dict[str, object]:
    """What the file says of one prior."""
    from sklearn.isotonic import IsotonicRegression

    weights, bias = fit(simulated)

    def told(some: Sequence[Simulated]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        p = [expit(kind.seen @ weights + bias) for one in some for kind in one.kinds]
        hit = [kind.hit for one in some for kind in one.kinds]
        right = [kind.right for one in some for kind in one.kinds]
        return (*(np.concatenate(x).astype(float) for x in (p, hit, right)), np.concatenate([o.weights for o in some]))

    p, hit, right, weight = told(simulated)
    rising = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, hit, sample_weight=weight)
    typical = {}
    for crowd in crowds:
        some = [one for one in simulated if abs(np.log(one.crowd / crowd)) < 0.4]
        p_here, _, right_here, weight_here = told(some)
        typical[str(crowd)] = quantiles(p_here, weight_here)
        sure = p_here >= 0.9
        share = weight_here[sure].sum() / weight_here.sum()
        wrong = 1 - (weight_here * right_here)[sure].sum() / max(weight_here[sure].sum(), 1e-9)
        print(
            f"  crowd {crowd:3d}: {len(some):3d} knowledge bases, above .9: {share:.2f} of questions, {wrong:.3f} wrong"
        )
    print(f"  logarithmic loss {-(weight @ np.log(np.where(right > 0, p, 1 - p) + 1e-12)) / weight.sum():.4f}")
    return {
        "source": source,
        "weights": {name: round(float(value), 4) for name, value in zip(FEATURES, weights, strict=True)},
        "bias": round(bias, 4),
        "typical": typical,
        "hits": [round(float(v), 3) for v in rising.predict(np.linspace(0, 1, 21))],
    }


def main(folder: Path, models: Path, *, photos_only: bool) -> None:
    """Simulate, fit, write; the prior of texts stays as it is when only that of photos is wanted."""
    text = json.loads(TARGET.read_text(encoding="utf-8"))["text"] if photos_only else describe_texts(folder, models)
    photos = simulate_photos(folder, EfficientNetLite(models / "image"), 600, seed=7)
    print(f"photo: {len(photos)} knowledge bases")
    photo = describe(photos, PHOTO_CROWDS, "Grocery Store (MIT), door packages (public domain); EfficientNet-Lite2")
    TARGET.write_text(json.dumps({"text": text, "photo": photo}, indent=1) + "\n", encoding="utf-8")


def describe_texts(folder: Path, models: Path) -> dict[str, object]:
    """The prior of texts, over both encoders."""
    simulated: list[Simulated] = []
    for encoder in (texts.minilm(models / "text-en"), texts.multilingual(models / "text-multi")):
        simulated += simulate_texts(folder, encoder, Remembered(), 400, seed=7)
    print(f"text: {len(simulated)} knowledge bases")
    return describe(
        simulated, CROWDS, "BANKING77 (CC BY 4.0), CLINC150 (CC BY 3.0), SLURP (CC BY 4.0); MiniLM, multilingual USE"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), photos_only="--photos" in sys.argv[3:])
