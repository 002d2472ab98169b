"""Pitch, loudness, tempo are measured in sounds of which they are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.media.audio import decode
from workers.model import prosody
from workers.model.ports import RATE, Wave

RECORDING = Path(__file__).with_name("recordings") / "jfk.ogg"


def voice(hertz: NDArray[np.float64], tilt: float = 1.0) -> Wave:
    """Harmonics of a pitch contour (samples,), falling by `tilt` * 6 dB an octave, as loud everywhere."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    count = int(4000 / hertz.max())
    wave = sum(np.sin(k * phase + k) / k**tilt for k in range(1, count + 1))
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def steady(hertz: float, seconds: float = 1.0) -> NDArray[np.float64]:
    return np.full(int(seconds * RATE), hertz)


def measured(wave: Wave) -> dict[str, float]:
    return dict(zip(prosody.NAMES, prosody.measure(wave).tolist(), strict=True))


@pytest.mark.parametrize("hertz", [75.0, 110.0, 220.0, 415.0, 520.0])
def test_the_pitch_of_a_steady_voice(hertz: float) -> None:
    found = prosody.track(voice(steady(hertz)))
    assert found.voiced.mean() > 0.95
    np.testing.assert_allclose(found.f0[found.voiced], hertz, rtol=0.005)


def test_a_voice_that_rises() -> None:
    # Given an octave in two seconds
    found = measured(voice(120 * 2 ** (np.arange(2 * RATE) / (2 * RATE))))
    assert found["f0_slope"] == pytest.approx(6.0, abs=0.2)
    assert found["f0_rise"] == pytest.approx(6.0, abs=0.5)
    assert found["f0_range"] == pytest.approx(12 * 0.6, abs=0.3)


def test_pauses_and_syllables_are_counted() -> None:
    # Given five syllables, a pause of 0.4 s, five syllables more
    beat = np.clip(np.sin(np.pi * np.arange(int(0.2 * RATE)) / (0.2 * RATE)), 0.05, 1)
    said = np.tile(beat, 5)
    gain = np.concatenate([said, np.zeros(int(0.4 * RATE)), said])
    found = measured((voice(steady(150, len(gain) / RATE)) * gain).astype(np.float32))
    seconds = len(gain) / RATE
    assert found["syllable_rate"] * seconds == pytest.approx(10, abs=1)
    assert found["pause_rate"] * seconds == pytest.approx(1, abs=0.1)
    assert found["pause_length"] == pytest.approx(0.4, abs=0.06)
    assert found["voiced_share"] < 0.9


def test_a_pressed_voice_is_brighter_than_a_soft_one() -> None:
    pressed, soft = measured(voice(steady(200), tilt=0.5)), measured(voice(steady(200), tilt=2.0))
    for name in ("alpha_mean", "centroid_mean", "slope_high_mean"):
        assert pressed[name] > soft[name]
    for name in ("hammarberg_mean", "h1_h2_mean"):
        assert pressed[name] < soft[name]


def test_a_rough_voice_is_less_periodic() -> None:
    rng = np.random.default_rng(0)
    clean = voice(steady(150))
    rough = voice(150 * (1 + 0.04 * rng.standard_normal(RATE // 400).repeat(400)))
    hoarse = (clean + 0.05 * rng.standard_normal(len(clean))).astype(np.float32)
    assert measured(rough)["jitter"] > 2 * measured(clean)["jitter"]
    assert measured(hoarse)["hnr_mean"] < measured(clean)["hnr_mean"] - 5


def test_how_loud_it_is_does_not_matter() -> None:
    note = decode(RECORDING.read_bytes()).wave[: 4 * RATE]
    np.testing.assert_allclose(prosody.measure(note), prosody.measure(0.1 * note), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    "wave",
    [
        np.zeros(0, np.float32),
        np.zeros(RATE, np.float32),
        np.full(RATE, 0.5, np.float32),
        np.ones(100, np.float32),
        np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1,
    ],
)
def test_what_is_no_voice_gives_numbers_too(wave: Wave) -> None:
    found = prosody.measure(wave)
    assert found.shape == (len(prosody.NAMES),)
    assert np.isfinite(found).all()
    assert dict(zip(prosody.NAMES, found.tolist(), strict=True))["voiced_share"] < 0.3
