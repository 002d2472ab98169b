"""A projection is learned from pairs, and used where held-out pairs say that it is better; never otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from workers.model.alignment import projected
from workers.train.aligning import Pairs, Recipe, aligned, better, contrast, fit, normalised, proven
from workers.train.results import Retrieved, Share

ENTRIES, EACH, LOOKS, WORDS = 24, 5, 20, 16
QUICK = Recipe(steps=80, look=20, batch=24, rate=1e-2, decay=0.1, left_out=0.1)


def unit(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), dtype=np.float32)


def pairs(*, looks_tell: bool = True, each: int = EACH, entries: int = ENTRIES) -> Pairs:
    """Entries with texts; sources are a linear map of what the texts mean, or noise; nothing is known beforehand."""
    dice = np.random.default_rng(7)
    meant = dice.normal(size=(entries, WORDS))
    owner, text_of = np.repeat(np.arange(entries), each), np.repeat(np.arange(entries), 3)
    seen = meant[owner] @ dice.normal(size=(WORDS, LOOKS)) if looks_tell else dice.normal(size=(len(owner), LOOKS))
    return Pairs(
        unit(seen + 0.1 * dice.normal(size=seen.shape)),
        0.3 * unit(dice.normal(size=(len(owner), WORDS))),
        owner,
        unit(meant[text_of] + 0.1 * dice.normal(size=(len(text_of), WORDS))),
        text_of,
    )


def test_pictures_that_tell_their_entry_are_aligned() -> None:
    some = pairs()
    told: list[tuple[int, bool, dict[str, float]]] = []
    matrix, found = aligned(
        some, QUICK, tell=lambda step, *, held_out=False, **figures: told.append((step, held_out, figures))
    )
    assert matrix is not None and found.kept and matrix.shape == (LOOKS, WORDS)
    assert (found.pairs, found.entries) == (ENTRIES * EACH, ENTRIES)
    assert found.seen.held == 2 * ENTRIES and found.unseen.held == ENTRIES * EACH // 2
    for one in (found.seen, found.unseen):  # a linear map also holds for what it never saw
        assert one.before.value is not None and one.after.value is not None
        assert one.after.value > one.before.value + 0.3
    assert (some.ranks(matrix) == 0).mean() > (some.ranks() == 0).mean() + 0.5
    assert "120 photos of 24 entries tells what photos show: of 48 held-out photos" in found.why
    # The curves tell how it learned
    losses = [figures["loss"] for _, held, figures in told if not held]
    assert losses[-1] < losses[0] / 2 and any(held and "accuracy" in figures for _, held, figures in told)


def test_sources_without_a_place_among_words_are_aligned_too() -> None:
    some = pairs()
    nowhere = replace(some, base=np.zeros_like(some.base))
    matrix, _ = fit(nowhere, QUICK, seed=0)
    assert (nowhere.ranks(matrix) == 0).mean() > 0.9
    few, rest = some.owner < 4, some.owner >= 4
    assert (nowhere.only(few).ranks(fit(nowhere.only(rest), QUICK, seed=0)[0]) == 0).mean() > 0.3


def test_pictures_that_tell_nothing_are_left_to_conse() -> None:
    matrix, found = aligned(pairs(looks_tell=False), QUICK)
    assert matrix is None and not found.kept and "not proven better on held-out ones" in found.why


def test_one_photo_an_entry_is_judged_by_held_out_entries() -> None:
    matrix, found = aligned(pairs(each=1, entries=60), QUICK)
    assert found.seen.held == 0 and found.unseen.held == 30
    assert (matrix is not None) == found.kept == proven(found.seen, found.unseen)


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_few_pairs_prove_nothing(entries: int) -> None:
    matrix, found = aligned(pairs(entries=entries, each=2), QUICK)
    assert matrix is None and found.why.startswith("ConSE tells what photos show")


def test_the_same_pairs_give_the_same_matrix_and_leave_chance_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    first, again = (fit(pairs(), QUICK, seed=1)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert torch.equal(torch.rand(2), wanted)


def test_it_stops_where_held_out_pairs_get_no_better() -> None:
    some = pairs(looks_tell=False)
    held = np.arange(len(some.owner)) % EACH == 0
    _, steps = fit(some.only(~held), Recipe(steps=10_000, look=5, patience=2, batch=24), 0, some.only(held))
    assert steps < 500


def test_matching_rows_are_told_from_others() -> None:
    rows = torch.eye(4)
    assert float(contrast(rows, rows, torch.tensor(20.0))) < 1e-3
    assert float(contrast(rows, rows.roll(1, dims=0), torch.tensor(20.0))) > 5
    # Symmetric: it does not matter which side seeks which
    torch.manual_seed(0)
    seen, said = (torch.nn.functional.normalize(torch.randn(5, 3), dim=1) for _ in range(2))
    scale = torch.tensor(7.0)
    assert float(contrast(seen, said, scale)) == pytest.approx(float(contrast(said, seen, scale)))


def test_chance_is_no_proof() -> None:
    assert not better(0, 0) and not better(3, 0) and not better(4, 0) and not better(20, 15)
    assert better(5, 0) and better(30, 10)


def found(before: int, after: int, sooner: int, later: int, held: int = 27) -> Retrieved:
    return Retrieved(held, Share.of(before, held), Share.of(after, held), sooner=sooner, later=later)


def test_nobody_is_found_less_often_at_once() -> None:
    good = found(20, 24, 12, 2)
    assert proven(good, found(6, 6, 15, 5)) and proven(good, found(6, 7, 15, 5)) and proven(good, Retrieved())
    assert not proven(good, found(6, 4, 15, 5))  # sooner, but fewer of them first
    assert not proven(found(20, 19, 12, 2), found(6, 6, 15, 5))
    assert not proven(good, found(6, 6, 5, 15))
    assert not proven(Retrieved(), found(6, 5, 15, 2)) and proven(Retrieved(), found(6, 6, 15, 2))


def test_without_training_what_is_there_stays() -> None:
    some = pairs()
    still = projected(some.sources, some.base, np.zeros((LOOKS, WORDS), np.float32))
    np.testing.assert_allclose(still, normalised(some.base), atol=1e-6)
    np.testing.assert_array_equal(some.ranks(np.zeros((LOOKS, WORDS), np.float32)), some.ranks())
