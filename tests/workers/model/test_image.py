"""Pictures become vectors; models of the CLIP family put words beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import Broken
from tests.workers.model import tiny
from workers.model import image
from workers.model.conse import Conse
from workers.model.ports import ImageEncoder, WordTower
from workers.model.text import minilm

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in ((40, 60, 3), (300, 20, 3), (64, 64, 3))]


@pytest.mark.parametrize("kind", ["clip", "vit", "resnet"])
def test_the_contract_of_an_image_encoder(kind: str, tmp_path: Path) -> None:
    getattr(tiny, kind)(tmp_path)
    encoder: ImageEncoder = image.load(tmp_path)
    seen = encoder.encode(PICTURES)
    assert seen.vectors.dtype == np.float32
    assert seen.vectors.shape == (3, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(seen.vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(PICTURES[1:2]).vectors[0], seen.vectors[1], atol=1e-5)
    assert seen.labels is None
    assert encoder.encode([]).vectors.shape == (0, encoder.dim)
    # loaded again it is the same model: nothing in it was made up
    again = image.load(tmp_path)
    assert again.digest == encoder.digest
    np.testing.assert_array_equal(again.encode(PICTURES).vectors, seen.vectors)
    assert isinstance(encoder, WordTower) == (kind == "clip")


def test_clip_gives_the_features_of_its_two_towers(tmp_path: Path) -> None:
    import torch
    from PIL import Image
    from transformers import AutoTokenizer, CLIPImageProcessorPil

    model = tiny.clip(tmp_path)
    encoder = image.load(tmp_path)
    assert isinstance(encoder, image.ClipImage)
    pixels = CLIPImageProcessorPil.from_pretrained(tmp_path)(Image.fromarray(PICTURES[0]), return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(tmp_path)(["the mug came broken"], return_tensors="pt")
    with torch.inference_mode():
        both = model(**tokens, **pixels)
    np.testing.assert_allclose(encoder.encode(PICTURES[:1]).vectors, both.image_embeds.numpy(), atol=1e-5)
    words = encoder.encode_words(["the mug came broken", "where is my order"])
    np.testing.assert_allclose(words[:1], both.text_embeds.numpy(), atol=1e-5)
    assert words.shape == (2, encoder.dim)
    assert encoder.encode_words([]).shape == (0, encoder.dim)


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="cannot load the image model"):
        image.load(tmp_path)


def sample(name: str) -> NDArray[np.uint8]:
    """The two photos scikit-learn ships (CC BY): a Chinese palace, a dahlia."""
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image(name), dtype=np.uint8)


@pytest.mark.models
def test_real_photos_get_the_right_labels(models_dir: Path) -> None:
    encoder = image.EfficientNetLite(models_dir / "image")
    names = image.label_names(models_dir / "image")
    pictures = [sample("china.jpg"), sample("flower.jpg")]
    seen = encoder.encode(pictures)
    assert seen.labels is not None
    assert seen.labels.shape == (2, len(names)) == (2, 1000)
    np.testing.assert_allclose(seen.labels.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(seen.vectors, axis=1), 1, atol=1e-5)
    best = [[names[i] for i in np.argsort(-row)[:5]] for row in seen.labels]
    assert {"palace", "stupa", "bell tower", "monastery"} & set(best[0]), best[0]
    assert {"daisy", "vase", "bee", "artichoke"} & set(best[1]), best[1]
    # the same thing seen otherwise is nearer than another thing
    mirrored = encoder.encode([picture[:, ::-1].copy() for picture in pictures]).vectors
    near = mirrored @ seen.vectors.T
    assert near.diagonal().min() > near[0, 1] + 0.3


@pytest.mark.models
def test_a_photo_taken_from_farther_away_is_known_again(models_dir: Path) -> None:
    # Given a flower, and the same flower small among grey
    flower = sample("flower.jpg")
    far = np.full((flower.shape[0] * 2, flower.shape[1] * 2, 3), 128, dtype=np.uint8)
    top, left = flower.shape[0] // 2, flower.shape[1] // 2
    far[top : top + flower.shape[0], left : left + flower.shape[1]] = flower
    # When one glance sees both, then several
    one, several = (
        encoder.encode([flower, far]).vectors
        for encoder in (
            image.EfficientNetLite(models_dir / "image", glances=(1.0,)),
            image.EfficientNetLite(models_dir / "image"),
        )
    )
    # Then several find more in common, and vectors of the two kinds are never taken for each other
    assert several[0] @ several[1] > one[0] @ one[1] + 0.05
    assert len({image.EfficientNetLite(models_dir / "image", glances=g).digest for g in (image.GLANCES, (1.0,))}) == 2


@pytest.mark.models
def test_a_photo_meets_the_words_for_it(models_dir: Path) -> None:
    # Given real labels, real text vectors
    text = minilm(models_dir / "text-en")
    conse = Conse(text, image.label_names(models_dir / "image"))
    seen = image.EfficientNetLite(models_dir / "image").encode([sample("china.jpg")])
    assert seen.labels is not None
    # When the photo is put among sentences
    sentences = text.encode(["an old palace or temple", "a broken coffee mug", "my invoice is wrong", "a dog"])
    # Then it is nearest to the one that tells what it shows
    assert int((sentences @ conse.vector(seen.labels[0])).argmax()) == 0


@pytest.mark.models
def test_the_labels_names_are_where_imagenet_has_them(models_dir: Path) -> None:
    names = image.label_names(models_dir / "image")
    places = {
        0: "tench",
        207: "Golden Retriever",
        504: "coffee mug",
        770: "sneaker",
        954: "banana",
        999: "toilet paper",
    }
    assert {i: names[i] for i in places} == places
