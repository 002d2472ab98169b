"""The tone head is trained on voices, then judged on speakers it never heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.errors import BadInput
from workers.model import prosody, tone
from workers.model.ports import RATE
from workers.model.voice import VoiceFeatures
from workers.train import emodb
from workers.train import tone as training
from workers.train.emodb import Clip
from workers.train.tone import EMOTIONS, Heard, Recipe, coarse, left_out, nested, regress, train, uar

LETTERS = {emotion: letter for letter, emotion in emodb.EMOTIONS.items()}


class Named:
    """An encoder known only by what it gives."""

    digest = "made-up-1"
    dim = 3
    widths = (12,)


def heard(speakers: int = 4, each: int = 4, differ: float = 1.0, seed: int = 0) -> Heard:
    """Speakers differ in their voices as do emotions in the layer; the prosody says nothing."""
    rng = np.random.default_rng(seed)
    clips, rows = [], []
    moods = rng.standard_normal((len(EMOTIONS), 12))
    for speaker in range(speakers):
        voice = differ * rng.standard_normal(12)
        for i, emotion in enumerate(EMOTIONS):
            for take in range(each):
                name = f"{speaker:02d}a{take:02d}{LETTERS[emotion]}a.wav"
                clips.append(Clip(Path(name), name[:2], name[2:5], emotion))
                rows.append(voice + 2 * moods[i] + 0.3 * rng.standard_normal(12))
    count = len(clips)
    features = VoiceFeatures(
        rng.standard_normal((count, 3)).astype(np.float32),
        (np.array(rows, np.float32),),
        rng.standard_normal((count, len(prosody.NAMES))).astype(np.float32),
    )
    return Heard(tuple(clips), {"clean": features})


LAYER, PROSODY = Recipe("layer", (0,)), Recipe("prosody", prosody=True)


def test_a_speaker_left_out_is_understood_by_what_is_common_to_all() -> None:
    made = heard()
    found = left_out(made, LAYER, training.dimensions(LAYER, Named()))  # type: ignore[arg-type]
    chance = left_out(made, PROSODY, training.dimensions(PROSODY, Named()))  # type: ignore[arg-type]
    assert uar(made.labels, chance.argmax(axis=1)) < 35
    assert uar(made.labels, found.argmax(axis=1)) > uar(made.labels, chance.argmax(axis=1)) + 20


def test_forgetting_how_speakers_differ_helps_where_they_differ_much() -> None:
    made = heard(speakers=5, differ=4.0)
    shape = training.dimensions(LAYER, Named())  # type: ignore[arg-type]
    forgetful = Recipe("forgetful", (0,), forget=4)
    plain, without = (left_out(made, one, shape) for one in (LAYER, forgetful))
    assert uar(made.labels, without.argmax(axis=1)) >= uar(made.labels, plain.argmax(axis=1))


def test_nested_choice_takes_what_is_better_on_the_other_speakers() -> None:
    made = heard()
    logits, chosen = nested(made, (PROSODY, LAYER), Named())  # type: ignore[arg-type]
    assert chosen == ["layer"] * 4
    wanted = left_out(made, LAYER, training.dimensions(LAYER, Named()))  # type: ignore[arg-type]
    np.testing.assert_allclose(logits, wanted, atol=1e-6)


def test_the_regression_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 80)
    labels[:30] = 0
    seen = rng.standard_normal((80, 200)) + 0.2 * labels[:, None]
    weight, bias = regress(seen, labels, 3, 0.5)
    other = LogisticRegression(C=2.0, class_weight="balanced", tol=1e-8, max_iter=5000).fit(seen, labels)
    centred = weight - weight.mean(axis=0)
    np.testing.assert_allclose(centred, other.coef_ - other.coef_.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(bias - bias.mean(), other.intercept_ - other.intercept_.mean(), atol=1e-3)


def test_figures() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1])
    assert uar(truth, np.array([0, 0, 0, 0, 0, 1])) == pytest.approx(75.0)
    anger, neutral = EMOTIONS.index("anger"), EMOTIONS.index("neutral")
    logits = np.zeros((2, len(EMOTIONS)))
    logits[0, anger], logits[1, neutral] = 5, 5
    assert coarse(np.array([anger, neutral]), logits) == 100
    assert coarse(np.array([neutral, anger]), logits) == 0
    # logits ten times too sure are cooled
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(EMOTIONS), 300)
    sure = 10 * (np.eye(len(EMOTIONS))[labels] + 0.9 * rng.standard_normal((300, len(EMOTIONS))))
    assert training.temperature(labels, sure) > 2


def test_a_trained_head_can_be_loaded_and_says_where_it_comes_from(tmp_path: Path) -> None:
    made = heard()
    about = train(made, (PROSODY, LAYER), Named(), tmp_path / "head.safetensors")  # type: ignore[arg-type]
    head = tone.load(tmp_path / "head.safetensors")
    assert head.about == about | {"recipe": head.about["recipe"]}
    assert head.about["recipe"]["name"] == "layer"
    assert head.dimensions.encoder == "made-up-1"
    assert set(head.dimensions.strained) == {"anger", "disgust", "fear"}
    guess = head.logits(made.ways["clean"]).argmax(axis=1)
    assert uar(made.labels, guess) > 95  # those it was trained on
    # the same again, to the bit; only the order of the notes in the file is not fixed
    train(made, (PROSODY, LAYER), Named(), tmp_path / "again")  # type: ignore[arg-type]
    first, second = load_file(tmp_path / "head.safetensors"), load_file(tmp_path / "again")
    assert all(np.array_equal(array, second[name]) for name, array in first.items())


def test_clips_are_known_by_their_names(tmp_path: Path) -> None:
    for name in ("03a01Fa.wav", "11b10Wc.wav", "notes.wav", "03a01Xa.wav"):
        (tmp_path / name).write_bytes(b"")
    found = emodb.clips(tmp_path)
    assert [(c.speaker, c.sentence, c.emotion) for c in found] == [
        ("03", "a01", "happiness"),
        ("11", "b10", "anger"),
    ]
    with pytest.raises(BadInput, match="no clips of EmoDB"):
        emodb.clips(tmp_path / "nowhere")


def test_disturbances(tmp_path: Path) -> None:
    wave = (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)

    def pitch(some: np.ndarray) -> float:
        found = prosody.track(some.astype(np.float32))
        return float(np.median(found.f0[found.voiced]))

    assert pitch(emodb.faster(wave, 1.1)) == pytest.approx(242, rel=0.01)
    assert len(emodb.opus(wave, 16_000)) == pytest.approx(RATE, abs=400)
    for way in emodb.WAYS:
        once, again = (emodb.disturbed(wave, way, np.random.default_rng(3), [wave]) for _ in range(2))
        np.testing.assert_array_equal(once, again)
        assert (way == "clean") == np.array_equal(once, wave)


def test_features_are_kept_for_these_clips_by_this_encoder_only(tmp_path: Path) -> None:
    made = heard()
    emodb.remember(tmp_path / "clean.npz", made.clips, made.ways["clean"], "made-up-1")
    back = emodb.recall(tmp_path / "clean.npz", made.clips, "made-up-1")
    assert back is not None
    np.testing.assert_array_equal(back.states[0], made.ways["clean"].states[0])
    assert emodb.recall(tmp_path / "clean.npz", made.clips, "made-up-2") is None
    assert emodb.recall(tmp_path / "clean.npz", made.clips[1:], "made-up-1") is None
    assert emodb.recall(tmp_path / "absent.npz", made.clips, "made-up-1") is None


def test_without_the_encoder_it_says_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training.main([str(tmp_path), str(tmp_path)]) == 1
    assert "python -m workers.model.weights voice" in capsys.readouterr().err
