"""Aligning photos with words as a stage of a training: from what was heard to a model that uses it, or does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import wire
from workers.model.alignment import Alignment
from workers.model.channels import Texts, opinions
from workers.train import results as told
from workers.train.aligning import Pairs, Recipe, aligned
from workers.train.log import Log
from workers.train.measuring import Asked
from workers.train.notes import note, put
from workers.train.parting import Ground

STAGE = "alignment"


def pairs_of(ground: Ground) -> Pairs | None:
    """The photos that belong to an entry with phrases; None where there are none, or the image encoder knows words."""
    texts = ground.adapted.texts
    if texts is None:
        return None
    spoken = texts.matcher.spoken
    said, owner = texts.matcher.vectors[spoken], texts.members[texts.matcher.owner[spoken]]
    known = {ground.adapted.entries[number]: number for number in np.unique(owner)}
    photos = [one for one in ground.photos if one.entry in known]
    if not photos or any(one.shown is not None and len(one.shown) != ground.words for one in photos):
        return None
    nothing = np.zeros(ground.words, dtype=np.float32)
    return Pairs(
        np.stack([one.vector for one in photos]).astype(np.float32),
        np.stack([nothing if one.shown is None else one.shown for one in photos]),
        np.array([known[one.entry] for one in photos]),
        said,
        owner,
    )


def align(ground: Ground, log: Log, work: Path, recipe: Recipe | None = None) -> tuple[Ground, told.Aligned | None]:
    """Train a projection where there are photos; with one that is better than ConSE, everything is seen through it.

    What came of it is kept in `work`, where a training that was killed later finds it.
    """
    pairs, recipe = pairs_of(ground), recipe or Recipe()
    if pairs is None:
        return ground, None
    known, file = work / "aligned.json", work / "alignment.safetensors"
    found = note(told.Aligned, known)
    alignment = _kept(file) if found is not None and found.kept else None
    if found is None or (found.kept and alignment is None):
        with log.stage(STAGE, recipe.steps) as stage:
            matrix, found = aligned(pairs, recipe, tell=stage.step)
        alignment = None if matrix is None else Alignment(ground.model.image, ground.model.encoder, matrix)
        if alignment is not None:
            put(file, alignment.to_bytes())
        put(known, wire.dumps(found).encode())
    if alignment is None:
        return ground, found
    photos = tuple(
        replace(one, shown=alignment.vectors(one.vector[None], None if one.shown is None else one.shown[None])[0])
        for one in ground.photos
    )
    return replace(
        ground,
        model=replace(ground.model, alignment=alignment),
        photos=photos,
        validation=_seen(ground, ground.validation, alignment),
        held=_seen(ground, ground.held, alignment),
    ), found


def _kept(file: Path) -> Alignment | None:
    """What an earlier training kept; None where that cannot be read."""
    try:
        return Alignment.from_bytes(file.read_bytes())
    except (OSError, ValueError):
        return None


def _seen(ground: Ground, asked: Sequence[Asked], alignment: Alignment) -> list[Asked]:
    """Questions whose photos are put into words by the projection."""
    heard = []
    for one in asked:
        said = one.heard.said
        if said.photos is not None:
            said = replace(said, shown=alignment.vectors(said.photos, said.shown))
        heard.append(replace(one.heard, said=said))
    texts = Texts(ground.adapted, heard)
    return [
        replace(one, heard=ready, opinions=tuple(opinions(ground.adapted, ready, texts)))
        for one, ready in zip(asked, heard, strict=True)
    ]
