"""An encoder learns to tell the entries of a knowledge base apart, on a tiny BERT with separable toy phrases."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.errors import BadInput, Broken
from tests.workers.model import tiny
from workers.model import tuned
from workers.model.shelf import Shelf
from workers.train.finetune import Progress, Recipe, Tuned, contrast, finetune, prototypes, ranking
from workers.train.sentences import Sentences

# The last word decides the entry; the others are many, and the same everywhere.
KEYS = (("refund", "broken"), ("shoes", "fit"), ("mug", "do"), ("thanks", "not"))
FRAMES = (
    "where is my order please the my order",
    "please and the order came is the and",
    "came is where my please where came the",
    "my my is the order and please came",
)
RECIPE = Recipe(rate=2e-3, pull=5e-2, batch=8, beside=2, frozen=0.0, share=1.0, held=5, patience=9)
OUTSIDE = ("where is my the", "please and the order", "came is where my")


def toys(each: int = 40) -> tuple[list[str], list[int]]:
    dice = random.Random(1)
    phrases = [f"{dice.choice(FRAMES)} {dice.choice(keys)}" for keys in KEYS * each]
    return phrases, [*range(len(KEYS))] * each


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "bert"
    tiny.bert(folder)
    return folder


def train(
    encoder: Path,
    out: Path,
    told: list[Progress] | None = None,
    recipe: Recipe = RECIPE,
    said: list[str] | None = None,
) -> Tuned:
    phrases, owners = toys()
    told = told if told is not None else []
    return finetune(
        encoder, phrases, owners, OUTSIDE, out, epochs=6, seed=3, device="cpu", progress=told.append,
        say=None if said is None else said.append, recipe=recipe,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuned, list[Progress]]:
    told: list[Progress] = []
    return train(encoder, tmp_path_factory.mktemp("trained") / "out", told), told


def last_of_each(told: Sequence[Progress]) -> list[Progress]:
    return [one for one in told if one.step == one.steps]


def test_loss_falls_while_held_out_phrases_are_understood_better(trained: tuple[Tuned, list[Progress]]) -> None:
    result, told = trained
    ends = last_of_each(told)
    assert [one.epoch for one in ends] == [1, 2, 3, 4, 5, 6]
    assert ends[-1].loss < ends[0].loss / 2
    assert result.before is not None and result.after is not None
    assert result.after > result.before + 0.2
    assert len(result.held) == 32  # one in five of each entry


@pytest.mark.parametrize("loss", [contrast, ranking])
def test_the_other_losses_draw_an_entry_together(loss: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    torch.manual_seed(0)
    free = torch.nn.Parameter(torch.randn(12, 6))
    truth = torch.arange(12) % 3
    adam = torch.optim.Adam([free], lr=0.05)
    for _ in range(200):
        adam.zero_grad()
        loss(torch.nn.functional.normalize(free, dim=1), truth, 10.0).backward()
        adam.step()
    vectors = torch.nn.functional.normalize(free.detach(), dim=1)
    near, same = vectors @ vectors.T, truth[:, None] == truth[None]
    assert float(near[same].mean()) > float(near[~same].mean()) + 0.5
    nearest = near.fill_diagonal_(-1).argmax(dim=1)
    assert torch.equal(truth[nearest], truth)


@pytest.mark.parametrize("loss", ["contrast", "ranking"])
def test_training_runs_with_the_other_losses(encoder: Path, tmp_path: Path, loss: str) -> None:
    told: list[Progress] = []
    train(encoder, tmp_path / "out", told, replace(RECIPE, loss=loss, group=4, held=1000))
    assert all(np.isfinite(one.loss) for one in told)
    assert tuned.is_tuned(tmp_path / "out")


def test_the_shelf_gives_the_vectors_that_torch_gives(trained: tuple[Tuned, list[Progress]], tmp_path: Path) -> None:
    result, _ = trained
    encoder = Shelf(tmp_path, text=str(result.folder), device="cpu").text("en")
    texts = [*toys()[0][:20], "", "where"]
    net = Sentences(result.folder, "cpu", 0.0)
    net._half = False  # what is compared is the weights, not what half precision rounds
    wanted = net.encode(net.tokenise(texts))
    assert np.abs(encoder.encode(texts) - wanted).max() < 1e-3
    assert encoder.digest == result.digest
    assert encoder.languages == {"en"}


def test_it_stands_in_for_the_english_encoder_only(trained: tuple[Tuned, list[Progress]], tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, english=trained[0].folder, device="cpu")
    assert shelf.text("en").digest == trained[0].digest and shelf.languages("en") == shelf.text("en").languages
    with pytest.raises(Broken, match="models prepare"):  # which is not there
        shelf.text("de")


def test_weights_have_a_digest_of_their_own(
    encoder: Path, trained: tuple[Tuned, list[Progress]], tmp_path: Path
) -> None:
    other = train(encoder, tmp_path / "other", recipe=replace(RECIPE, share=0.5))
    assert other.digest != trained[0].digest
    assert not (tmp_path / "other" / "ready.json").exists()


def test_share_is_how_far_the_weights_go(encoder: Path, trained: tuple[Tuned, list[Progress]], tmp_path: Path) -> None:
    # Given weights at the whole way, then the same run that goes half of it
    from safetensors.torch import load_file

    half = train(encoder, tmp_path / "half", recipe=replace(RECIPE, share=0.5, held=1000))
    whole = train(encoder, tmp_path / "whole", recipe=replace(RECIPE, share=1.0, held=1000))
    assert half.before is None and half.after is None and half.held == ()  # too few would have been held out
    states = [load_file(folder / "model.safetensors") for folder in (encoder, half.folder, whole.folder)]
    for name in states[1]:
        was, middle, end = (state[name] for state in states)
        assert torch.allclose(middle, (was + end) / 2, atol=1e-6), name
    # Then word embeddings are those of the encoder it began with
    name = "embeddings.word_embeddings.weight"
    assert torch.equal(states[0][name], states[2][name])


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_result(
    encoder: Path, trained: tuple[Tuned, list[Progress]], tmp_path: Path
) -> None:
    phrases, owners = toys()
    seen: list[Progress] = []

    def die(one: Progress) -> None:
        seen.append(one)
        if one.epoch == 3 and one.step == 2:
            raise Killed

    # Given a run that dies in its third epoch
    with pytest.raises(Killed):
        finetune(encoder, phrases, owners, OUTSIDE, tmp_path / "out", epochs=6, seed=3, progress=die, recipe=RECIPE,
                 device="cpu")  # fmt: skip
    assert not (tmp_path / "out").exists()
    # When the same call is made again
    told: list[Progress] = []
    result = train(encoder, tmp_path / "out", told)
    # Then it goes on with the third epoch, and the weights are those of the run nobody disturbed
    assert told[0].epoch == 3
    assert result.digest == trained[0].digest
    assert result.after == trained[0].after and result.held == trained[0].held
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_another_run_does_not_go_on_from_it(encoder: Path, tmp_path: Path) -> None:
    phrases, owners = toys()

    def die(one: Progress) -> None:
        if one.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        finetune(encoder, phrases, owners, OUTSIDE, tmp_path / "out", epochs=6, seed=4, progress=die, recipe=RECIPE,
                 device="cpu")  # fmt: skip
    told: list[Progress] = []
    train(encoder, tmp_path / "out", told)
    assert told[0].epoch == 1


@pytest.mark.parametrize("damage", ["cut", "noise", "dimensions"])
def test_what_cannot_be_gone_on_from_is_learned_anew(
    trained: tuple[Tuned, list[Progress]], encoder: Path, tmp_path: Path, damage: str
) -> None:
    def die(one: Progress) -> None:
        if one.epoch == 2:
            raise Killed

    phrases, owners = toys()
    with pytest.raises(Killed):
        finetune(encoder, phrases, owners, OUTSIDE, tmp_path / "out", epochs=6, seed=3, progress=die, recipe=RECIPE,
                 device="cpu")  # fmt: skip
    (path,) = tmp_path.glob(".out.*.pt")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "noise":
        path.write_bytes(b"nothing like a checkpoint")
    else:
        stored = torch.load(path, weights_only=True)
        stored["parts"]["prototypes"] = torch.zeros(2, 7)
        torch.save(stored, path)
    said, told = list[str](), list[Progress]()
    result = train(encoder, tmp_path / "out", told, said=said)
    assert len(said) == 1 and f"{path} cannot be gone on from" in said[0] and told[0].epoch == 1
    assert result.digest == trained[0].digest


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_folder_is_refused(
    trained: tuple[Tuned, list[Progress]], tmp_path: Path, name: str, damage: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(trained[0].folder, folder)
    if damage == "gone":
        (folder / name).unlink()
    else:
        stored = bytearray((folder / name).read_bytes())
        stored[len(stored) // 2] ^= 1
        (folder / name).write_bytes(stored)
    with pytest.raises(Broken, match=f"is damaged: .*{name}.*polydesk train --finetune"):
        Shelf(tmp_path, text=str(folder), device="cpu").text("en")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architecture": "roberta-cls"}, "of the architecture 'roberta-cls'"),
        ({"form": 99}, "form 99"),
        ({"files": {}}, "is damaged"),
        ({"colour": "red"}, "is damaged"),
    ],
)
def test_a_folder_of_another_kind_is_refused(
    trained: tuple[Tuned, list[Progress]], tmp_path: Path, change: dict[str, object], says: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(trained[0].folder, folder)
    note = json.loads((folder / tuned.NOTE).read_text())
    (folder / tuned.NOTE).write_text(json.dumps({**note, **change}))
    with pytest.raises(Broken, match=says):
        Shelf(tmp_path, text=str(folder), device="cpu").text("en")
    (folder / tuned.NOTE).write_text("not JSON")
    with pytest.raises(Broken, match="is damaged"):
        Shelf(tmp_path, text=str(folder), device="cpu").text("en")


def test_another_architecture_cannot_be_trained(encoder: Path, tmp_path: Path) -> None:
    tiny.clip(tmp_path / "clip")
    with pytest.raises(BadInput, match=r"only a BERT with mean pooling.*model_type \(clip\)"):
        train(tmp_path / "clip", tmp_path / "out")
    shutil.copytree(encoder, tmp_path / "first")
    (tmp_path / "first/1_Pooling").mkdir()
    (tmp_path / "first/1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(BadInput, match="only a BERT with mean pooling"):
        train(tmp_path / "first", tmp_path / "out")
    with pytest.raises(BadInput, match="models prepare"):
        train(tmp_path / "nowhere", tmp_path / "out")


def test_weights_that_are_missing(encoder: Path, tmp_path: Path) -> None:
    shutil.copytree(encoder, tmp_path / "empty")
    (tmp_path / "empty/model.safetensors").write_bytes(b"nothing")
    with pytest.raises(Broken, match="cannot load the text encoder"):
        train(tmp_path / "empty", tmp_path / "out")


def test_too_little_to_learn_from(encoder: Path, tmp_path: Path) -> None:
    def call(phrases: list[str], owners: list[int]) -> None:
        finetune(encoder, phrases, owners, (), tmp_path / "out", device="cpu")

    with pytest.raises(BadInput, match=f"needs {Recipe().fewest:g} phrases an entry on average, here are 1.0"):
        call(["refund", "shoes"], [0, 1])
    with pytest.raises(BadInput, match="at least two"):
        call(["refund"] * 50, [7] * 50)
    with pytest.raises(BadInput, match="2 phrases, but owners of 1"):
        call(["refund", "shoes"], [0])
    assert list(tmp_path.iterdir()) == []


def test_no_gain_leaves_the_encoder_alone(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="fine-tuning did not help: of the 32 phrases held out"):
        train(encoder, tmp_path / "out", recipe=replace(RECIPE, rate=0.0, pull=0.0))
    assert list(tmp_path.iterdir()) == []


def test_nothing_beside_and_owners_with_gaps(encoder: Path, tmp_path: Path) -> None:
    phrases, owners = toys()
    far = [100 * owner + 5 for owner in owners]
    result = finetune(encoder, phrases, far, (), tmp_path / "out", epochs=4, seed=3, device="cpu", recipe=RECIPE)
    assert result.before is not None and result.after is not None and result.after > result.before


def test_losses_know_right_from_wrong() -> None:
    truth = torch.tensor([0, 0, 1, 1])
    right = torch.eye(2)[truth]
    wrong = torch.eye(2)[torch.tensor([0, 1, 0, 1])]
    for loss in (contrast, ranking):
        assert float(loss(right, truth, 10.0)) < 0.8 < float(loss(wrong, truth, 10.0))
        assert float(loss(right[:2], torch.tensor([0, 1]), 10.0)) == 0.0  # nobody has a companion
    none = torch.tensor(0.5)
    assert float(prototypes(right, truth, torch.eye(2), none, 20.0)) < 0.01
    assert float(prototypes(wrong, truth, torch.eye(2), none, 20.0)) > 5
    # A sentence out of scope belongs nearer to nothing than the threshold
    strange = torch.tensor([[-1.0, 0.0]])
    assert float(prototypes(strange, torch.tensor([2]), torch.eye(2), none, 20.0)) < 0.01
    assert float(prototypes(right[:1], torch.tensor([2]), torch.eye(2), none, 20.0)) > 5


def test_random_state_of_the_process_is_left_alone(encoder: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    train(encoder, tmp_path / "out", recipe=replace(RECIPE, held=1000))
    assert torch.equal(torch.rand(3), wanted)
