"""Fits the calibration prior that ships (`workers/model/materials/prior.json`), and tells what an unseen kind gets.

    python -m tests.bench.prior ../shared/data var/models [--times 40] [--cache FILE] [--dry | --photos]

Texts: hundreds of knowledge bases of 1 to 150 entries with 1 to 100 phrases (`tests/bench/bases.py`), drawn from
BANKING77, NLU++ (CC BY 4.0), CLINC150 (CC BY 3.0), HWU64, SLURP's sentences (CC BY 4.0) and HINT3's three bots (ODbL).
Before all of them are fitted together, each family of data sets is left out in turn: the tables show what its knowledge
bases get from a prior that has seen none of its kind, at several doubts. Photos: Grocery Store (MIT), products left out
as near, parcels at doors (public domain) and iconic pictures as far. Official tests are not read.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binom

from tests.bench.bases import FAMILY, Bases, Kinds, Simulated, sets
from workers.encodings import Encodings
from workers.model import text as texts
from workers.model.adapt import PHOTO_KERNEL
from workers.model.calibration import DOUBT, FEATURES, Calibration, Numbers, Outcomes, Prior, calibrate, shares
from workers.model.calibration import thresholds as limits
from workers.model.encodings import EncodingCache, Remembered, encoded, key
from workers.model.heads import Floats, Integers
from workers.model.image import EfficientNetLite
from workers.model.learning import learn
from workers.model.ports import TextEncoder
from workers.model.smalltalk import outside

TARGET = Path(__file__).parents[2] / "workers/model/materials/prior.json"
CROWDS = (1, 2, 3, 5, 8, 12, 20, 40, 80)
PHOTO_CROWDS = (1, 2, 3, 4)
PHOTO_FEATURES = 9  # the first ones: a few hundred photos do not teach more
RIDGE = 10.0
EACH = 500  # what a knowledge base weighs, however many questions it was asked
STRANGE = (0.0, 0.2, 0.5)  # shares of questions out of scope
BUDGETS = (0.01, 0.02, 0.05)
BANDS = ((0.0, 1.5), (1.5, 4.0), (4.0, 7.0), (7.0, 14.0), (14.0, 999.0))  # crowds: about 1, 3, 5, 10 and more


def weighed(one: Simulated) -> Numbers:
    """What each question of a knowledge base weighs in a fit."""
    sizes = [len(kind) for kind in one.kinds]
    each = np.concatenate([np.full(n, weight) for n, weight in zip(sizes, shares(*sizes), strict=True)])
    return np.asarray(each * (EACH / len(each)))


def simulate_texts(bases: Bases, times: int, seed: int) -> list[Simulated]:
    """Draw `times` knowledge bases of each data set."""
    dice = random.Random(seed)
    made = []
    for number in range(times):
        made += [bases.draw(name, dice) for name in bases.sets]
        print(f"  {number + 1} of {times}", end="\r", flush=True)
    return made


def remembered(found: Sequence[str], encoder: TextEncoder, kept: EncodingCache) -> Remembered:
    """All sentences, encoded."""
    cache = Remembered()
    vectors = encoded(encoder, found, kept)
    cache.put({key(encoder.digest, text): vector for text, vector in zip(found, vectors, strict=True)})
    return cache


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
        kinds = (ask(vectors[asked], np.array(truth)), near, ask(strangers, None))
        made.append(Simulated("photos", float(crowd), kinds, kinds))
    return made


def fit(simulated: Sequence[Simulated], width: int = len(FEATURES)) -> Calibration:
    """Weighted logistic regression with a ridge on standardised features, the first `width` of them."""
    seen = np.concatenate([kind.seen for one in simulated for kind in one.kinds])[:, :width]
    right = np.concatenate([kind.right for one in simulated for kind in one.kinds]).astype(float)
    weight = np.concatenate([weighed(one) for one in simulated])
    mean, scale = seen.mean(axis=0), seen.std(axis=0) + 1e-9
    scaled = (seen - mean) / scale

    def loss(at: Numbers) -> tuple[float, Numbers]:
        z = scaled @ at[:-1] + at[-1]
        wrong = weight * (expit(z) - right)
        value = weight @ (np.logaddexp(0, z) - right * z) + RIDGE * at[:-1] @ at[:-1] / 2
        return float(value), np.append(scaled.T @ wrong + RIDGE * at[:-1], wrong.sum())

    at = minimize(loss, np.zeros(width + 1), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    weights = np.where(seen.std(axis=0) > 0, at[:-1] / scale, 0.0)
    return Calibration(np.append(weights, np.zeros(len(FEATURES) - width)), float(at[-1] - weights @ mean))


def quantiles(p: Numbers, weight: Numbers, count_of: int = 100) -> Numbers:
    """Weighted quantiles."""
    order = np.argsort(p)
    place = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return np.round(np.interp((np.arange(count_of) + 0.5) / count_of, place, p[order]), 5)


def prior_of(simulated: Sequence[Simulated], crowds: Sequence[int], width: int = len(FEATURES)) -> Prior:
    """Everything that ships."""
    from sklearn.isotonic import IsotonicRegression

    ours = fit(simulated, width)

    def told(some: Sequence[Simulated]) -> tuple[Numbers, Numbers, Numbers]:
        p = np.concatenate([ours.probability(kind.seen) for one in some for kind in one.kinds])
        hit = np.concatenate([kind.hit for one in some for kind in one.kinds]).astype(float)
        return p, hit, np.concatenate([weighed(one) for one in some])

    p, hit, weight = told(simulated)
    rising = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, hit, sample_weight=weight)
    typical = {}
    for crowd in crowds:
        alike = sorted(simulated, key=lambda one: abs(np.log(one.crowd / crowd)))
        p, _, weight = told([one for one in alike if abs(np.log(one.crowd / crowd)) < 0.5] or alike[:5])
        typical[float(crowd)] = quantiles(p, weight)
    return Prior(ours, typical, np.asarray(rising.predict(np.linspace(0, 1, 21))))


def plain(prior: Prior, source: str) -> dict[str, object]:
    """What the file says of one prior."""
    return {
        "source": source,
        "weights": {name: round(float(w), 4) for name, w in zip(FEATURES, prior.calibration.weights, strict=True) if w},
        "bias": round(prior.calibration.bias, 4),
        "typical": {f"{crowd:g}": values.tolist() for crowd, values in prior.typical.items()},
        "hits": [round(float(v), 3) for v in prior.hits],
    }


@dataclass(frozen=True)
class Unseen:
    """A knowledge base with the calibration that it gets from a prior that has seen none of its kind."""

    base: Simulated
    prior: Prior
    ours: Calibration
    sure: Numbers
    right: NDArray[np.bool_]

    def at(self, budget: float, doubt: float) -> float:
        """The threshold for a budget."""
        return limits(self.prior, self.ours, self.base.rehearsed, self.base.crowd, budget, doubt).answer_at

    def realised(self, threshold: float, strange: float) -> tuple[float, float, float]:
        """The share of wrong answers, the share of answers, and how many answers that is worth."""
        sizes = [len(kind) for kind in self.base.kinds]
        wanted = _wanted(self.base.kinds, strange)
        weight = np.concatenate([np.full(n, w / max(n, 1)) for n, w in zip(sizes, wanted, strict=True)])
        said = self.sure >= threshold
        answered = weight[said].sum()
        if not answered:
            return 0.0, 0.0, 0.0
        worth = answered**2 / (weight[said] ** 2).sum()
        return float(weight[said & ~self.right].sum() / answered), float(answered), float(worth)


def _wanted(kinds: Kinds, strange: float) -> tuple[float, float, float]:
    near = strange / 3 if len(kinds[1]) else 0.0
    return 1 - strange, near, strange - near


def left_out(simulated: Sequence[Simulated]) -> list[Unseen]:
    """Each family asked with a prior of all others."""
    found = []
    for family in sorted(set(FAMILY.values())):
        prior = prior_of([one for one in simulated if FAMILY[one.name] != family], CROWDS)
        for base in simulated:
            if FAMILY[base.name] == family:
                ours = calibrate(prior, *base.rehearsed)
                sure = np.concatenate([ours.probability(kind.seen) for kind in base.kinds])
                found.append(Unseen(base, prior, ours, sure, np.concatenate([kind.right for kind in base.kinds])))
    return found


def table(unseen: Sequence[Unseen], doubt: float) -> Iterator[str]:
    """What data sets that were left out get at a doubt: error / answered, in percent, by data set and by crowd."""
    rows: list[tuple[str, list[int]]] = [
        (name, [i for i, one in enumerate(unseen) if one.base.name == name]) for name in FAMILY
    ]
    rows += [
        (f"{low:g} to {high:g} phrases", [i for i, one in enumerate(unseen) if low <= one.base.crowd < high])
        for low, high in BANDS
    ]
    rows.append(("all", list(range(len(unseen)))))
    columns = []
    for budget in BUDGETS:
        at = [one.at(budget, doubt) for one in unseen]
        for strange in STRANGE:
            columns.append([one.realised(t, strange) for one, t in zip(unseen, at, strict=True)])
    head = "".join(f" {100 * b:3.0f} % of {100 * s:2.0f} % out" for b in BUDGETS for s in STRANGE)
    yield f"doubt {doubt:g}{'':20s}{head}"
    for name, here in rows:
        cells = []
        for column, budget in zip(columns, [b for b in BUDGETS for _ in STRANGE], strict=True):
            error, answered, worth = np.array([column[i] for i in here]).T
            pooled = (error * answered).sum() / max(answered.sum(), 1e-9)
            broken = binom.sf(np.ceil(error * worth - 1e-9) - 1, worth.astype(int), budget) < 0.05
            cells.append(f"{100 * pooled:5.2f} /{100 * answered.mean():3.0f} ({100 * broken.mean():3.0f})")
        yield f"  {name:25s} " + "  ".join(cells)


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("models", type=Path)
    options.add_argument("--times", type=int, default=40, help="knowledge bases of each data set")
    options.add_argument("--cache", type=Path, help="an SQLite file that keeps encodings")
    options.add_argument("--doubts", type=float, nargs="*", default=[0.0, DOUBT])
    options.add_argument("--dry", action="store_true", help="print the tables, write nothing")
    options.add_argument("--photos", action="store_true", help="fit that of photos alone; texts stay as they are")
    return options


def main() -> None:
    """Simulate, tell, fit, write."""
    chosen = arguments().parse_args()
    if chosen.photos:
        write(json.loads(TARGET.read_text(encoding="utf-8"))["text"], chosen.data, chosen.models)
        return
    kept: EncodingCache = Encodings(chosen.cache) if chosen.cache else Remembered()
    found, strangers = sets(chosen.data)
    every = {text for intents in found.values() for some in intents.values() for text in some} | set(strangers)
    simulated: list[Simulated] = []
    for encoder, times in (
        (texts.minilm(chosen.models / "text-en"), chosen.times),
        (texts.multilingual(chosen.models / "text-multi"), chosen.times // 4),
    ):
        cache = remembered(sorted(every | set(outside()["en"])), encoder, kept)
        simulated += simulate_texts(Bases(found, strangers, encoder, cache), times, seed=7)
    print(f"text: {len(simulated)} knowledge bases; error / answered, (how many break the budget beyond chance), in %")
    unseen = left_out(simulated)
    for doubt in chosen.doubts:
        for line in table(unseen, doubt):
            print(line, flush=True)
    if chosen.dry:
        return
    source = "BANKING77, NLU++, HWU64, SLURP (CC BY 4.0), CLINC150 (CC BY 3.0), HINT3 (ODbL); MiniLM, multilingual USE"
    write(plain(prior_of(simulated, CROWDS), source), chosen.data, chosen.models)


def write(text: dict[str, object], data: Path, models: Path) -> None:
    """Fit the prior of photos, and write both."""
    photos = simulate_photos(data, EfficientNetLite(models / "image"), 600, seed=7)
    print(f"photo: {len(photos)} knowledge bases")
    source = "Grocery Store (MIT), door packages (public domain); EfficientNet-Lite2"
    photo = plain(prior_of(photos, PHOTO_CROWDS, PHOTO_FEATURES), source)
    TARGET.write_text(json.dumps({"text": text, "photo": photo}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
