"""How something is said: pitch, loudness, pauses, tempo, roughness of a voice as numbers.

Which numbers follows the eGeMAPS set of voice research (Eyben et al. 2016, https://doi.org/10.1109/TAFFC.2015.2457417).
Pitch is tracked as Praat does (Boersma 1993, "Accurate short-term analysis of the fundamental frequency ..."): peaks of
the autocorrelation, divided by that of the window, joined into the cheapest path. Syllables are counted at the peaks of
loudness (de Jong & Wempe 2009, https://doi.org/10.3758/BRM.41.2.385). None of the numbers depends on how loud the
recording is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from workers.model.ports import RATE, Wave

Numbers = NDArray[np.float64]

HOP = 160  # samples: 100 frames a second
_FRAME = 640  # samples; 40 ms hold two and a half periods of the deepest voice
_FFT = 2048
_LOWEST, _HIGHEST = 65.0, 600.0  # Hz; shouting women reach 500
_CANDIDATES = 5
_VOICING, _OCTAVE, _JUMP, _SWITCH = 0.45, 0.01, 0.35, 0.14  # Boersma's thresholds and costs
_PAUSE = 25.0  # dB below the loud frames
_SECOND = RATE // HOP

NAMES = (
    *("f0_mean", "f0_std", "f0_p20", "f0_p80", "f0_range", "f0_slope", "f0_rise", "f0_fall"),
    *("energy_std", "energy_range", "energy_slope", "energy_rise", "energy_fall"),
    *("voiced_share", "voiced_length", "pause_share", "pause_rate", "pause_length", "syllable_rate"),
    *("hnr_mean", "hnr_std", "jitter", "shimmer", "h1_h2_mean", "h1_h2_std"),
    *("alpha_mean", "alpha_std", "hammarberg_mean", "hammarberg_std"),
    *("slope_low_mean", "slope_low_std", "slope_high_mean", "slope_high_std"),
    *("centroid_mean", "centroid_std", "flux_mean", "flux_std"),
)
"""What `measure` gives, in order.

f0 in semitones above 27.5 Hz, its slopes in semitones a second; energy, hnr, h1_h2, alpha, hammarberg, shimmer in dB,
slopes of energy in dB a second; lengths in seconds, rates a second; slope_low (0-500 Hz), slope_high (500-1500 Hz) in
dB a kHz; centroid in kHz; shares, jitter, flux without unit.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Every 10 ms of a recording, all arrays (frames,): `f0` in Hz, 0 where unvoiced; `strength` of the periodicity in
    [0, 1); `level` in dB of full scale; `spectrum` is (frames, 1025), power, bins of 7.8 Hz."""

    f0: Numbers
    strength: Numbers
    level: Numbers
    spectrum: Numbers

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Where the vocal cords swing."""
        return self.f0 > 0


def track(wave: Wave) -> Track:
    """Follow pitch, loudness, spectrum through a recording; one shorter than a frame is taken as silence around it."""
    lacking = max(0, _FRAME - len(wave))
    padded = np.pad(np.asarray(wave, dtype=np.float64), (lacking // 2, lacking - lacking // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    window = np.hanning(_FRAME)
    spectrum = np.abs(np.fft.rfft(frames * window, _FFT)) ** 2
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    correlation = np.fft.irfft(spectrum, axis=1)[:, : _FRAME // 2]
    own = np.fft.irfft(np.abs(np.fft.rfft(window, _FFT)) ** 2)[: _FRAME // 2]
    correlation = correlation / (correlation[:, :1] + 1e-9) / (own / own[0])
    silent = level < max(np.percentile(level, 95) - 30.0, -75.0)
    hertz, strength = _peaks(correlation)
    f0, _ = _path(hertz, strength, silent)
    if (f0 > 0).any():
        # A second look within the voice's own range (Hirst 2011, "The analysis by synthesis of speech melody"): what
        # lies beyond are hisses with a chance period.
        low, high = np.percentile(f0[f0 > 0], [25, 75])
        hertz = np.where((hertz >= 0.7 * low) & (hertz <= 2.0 * high), hertz, 0.0)
        strength = np.where(hertz > 0, strength, 0.0)
    f0, strength = _path(hertz, strength, silent)
    for start, end in _runs(f0 > 0):
        if end - start < 3:
            f0[start:end] = 0.0
    return Track(f0, strength, level, spectrum)


def measure(wave: Wave) -> NDArray[np.float32]:
    """The numbers of NAMES, (len(NAMES),); all 0 when there is no voice in the recording."""
    return describe(track(wave))


def describe(found: Track) -> NDArray[np.float32]:
    """The numbers of NAMES, (len(NAMES),), of what was tracked; all 0 when nothing is voiced."""
    voiced = found.voiced
    if voiced.sum() < 3:
        return np.zeros(len(NAMES), dtype=np.float32)
    values = (*_pitch(found), *_loudness(found), *_timing(found), *_roughness(found), *_colour(found))
    return np.asarray(np.nan_to_num(values), dtype=np.float32)


def _peaks(correlation: Numbers) -> tuple[Numbers, Numbers]:
    """The best peaks of each frame's autocorrelation: frequencies in Hz (0: none), strengths, both (frames, 5)."""
    first, last = int(RATE / _HIGHEST), int(RATE / _LOWEST)
    left, here, right = (correlation[:, first + i : last + i] for i in (-1, 0, 1))
    peak = (here > left) & (here >= right) & (here > _VOICING / 2)
    lag = np.arange(first, last)
    score = np.where(peak, here - _OCTAVE * np.log2(_LOWEST * lag / RATE), -np.inf)
    best = np.argpartition(-score, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    before, top, after = (np.take_along_axis(side, best, axis=1) for side in (left, here, right))
    bend = before - 2 * top + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, -1.0), 0.0)
    strength = top - 0.25 * (before - after) * shift
    strength = np.where(strength > 1, 1 / np.maximum(strength, 1.0), strength)
    there = np.isfinite(np.take_along_axis(score, best, axis=1))
    return np.where(there, RATE / (lag[best] + shift), 0.0), np.where(there, strength, 0.0)


def _path(hertz: Numbers, strength: Numbers, silent: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """The cheapest path through the candidates, of which the last is "unvoiced" (Viterbi)."""
    count = len(hertz)
    lag_cost = np.where(hertz > 0, _OCTAVE * np.log2(np.where(hertz > 0, hertz, 1.0) / _LOWEST), 0.0)
    gain = np.where(hertz > 0, strength + lag_cost, -1e9)
    gain = np.where(silent[:, None], -1e9, gain)
    gain = np.concatenate([gain, np.full((count, 1), _VOICING)], axis=1)
    octave = np.concatenate([np.log2(np.where(hertz > 0, hertz, 1.0)), np.zeros((count, 1))], axis=1)
    came = np.zeros(gain.shape, dtype=np.int64)
    total = gain[0]
    switch = np.zeros((_CANDIDATES + 1, _CANDIDATES + 1))
    switch[:-1, -1] = switch[-1, :-1] = _SWITCH
    for t in range(1, count):
        jump = _JUMP * np.abs(octave[t - 1][:, None] - octave[t][None, :])
        jump[-1], jump[:, -1] = 0.0, 0.0
        ways = total[:, None] - jump - switch
        came[t] = ways.argmax(axis=0)
        total = ways[came[t], np.arange(_CANDIDATES + 1)] + gain[t]
    chosen = np.empty(count, dtype=np.int64)
    chosen[-1] = total.argmax()
    for t in range(count - 1, 0, -1):
        chosen[t - 1] = came[t, chosen[t]]
    none = np.zeros((count, 1))
    at = np.arange(count)
    return np.concatenate([hertz, none], axis=1)[at, chosen], np.concatenate([strength, none], axis=1)[at, chosen]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of True: first frame, frame after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _slopes(values: Numbers) -> tuple[float, float]:
    """Mean rise, mean fall a second of a contour smoothed over 50 ms."""
    if len(values) < 7:
        return 0.0, 0.0
    step = np.diff(np.convolve(values, np.full(5, 0.2), mode="valid")) * _SECOND
    rise, fall = step[step > 0], step[step < 0]
    return float(rise.mean()) if len(rise) else 0.0, float(fall.mean()) if len(fall) else 0.0


def _trend(at: Numbers, values: Numbers) -> float:
    """Slope of the straight line through a contour."""
    spread = at - at.mean()
    return float(spread @ values / max(float(spread @ spread), 1e-9))


def _pitch(found: Track) -> tuple[float, ...]:
    tones = 12 * np.log2(found.f0[found.voiced] / 27.5)
    low, high = np.percentile(tones, [20, 80])
    at = np.flatnonzero(found.voiced) / _SECOND
    slopes = [_slopes(12 * np.log2(found.f0[a:b] / 27.5)) for a, b in _runs(found.voiced) if b - a >= 7]
    rise, fall = np.mean(slopes, axis=0) if slopes else (0.0, 0.0)
    return tones.mean(), tones.std(), low, high, high - low, _trend(at, tones), rise, fall


def _loudness(found: Track) -> tuple[float, ...]:
    said = found.level > _loud(found) - _PAUSE
    level = found.level[said]
    low, high = np.percentile(level, [20, 80])
    # What lies below is the room's noise, which says nothing about the voice.
    slopes = _slopes(np.maximum(found.level, _loud(found) - _PAUSE))
    return level.std(), high - low, _trend(np.flatnonzero(said) / _SECOND, level), *slopes


def _loud(found: Track) -> float:
    return float(np.percentile(found.level, 95))


def _timing(found: Track) -> tuple[float, ...]:
    seconds = len(found.level) / _SECOND
    runs = [b - a for a, b in _runs(found.voiced)]
    quiet = found.level < _loud(found) - _PAUSE
    # Stop consonants are silent for less than 150 ms.
    pauses = [b - a for a, b in _runs(quiet) if b - a >= 15 and a > 0 and b < len(quiet)]
    contour = np.convolve(np.pad(found.level, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    tops, _ = find_peaks(contour, height=_loud(found) - _PAUSE, prominence=2.0, distance=8)
    near = np.convolve(found.voiced, np.ones(5), mode="same") > 0
    return (
        float(found.voiced.mean()),
        float(np.mean(runs)) / _SECOND,
        sum(pauses) / len(quiet),
        len(pauses) / seconds,
        float(np.mean(pauses)) / _SECOND if pauses else 0.0,
        float(near[tops].sum()) / seconds,
    )


def _roughness(found: Track) -> tuple[float, ...]:
    voiced = found.voiced
    strength = np.clip(found.strength[voiced], 1e-3, 0.9999)
    harmonic = 10 * np.log10(strength / (1 - strength))
    both = voiced[1:] & voiced[:-1]
    period = 1 / np.where(voiced, found.f0, 1.0)
    jitter = np.abs(np.diff(period))[both] / period[1:][both]
    jitter = jitter[jitter < 0.2]  # a jump of pitch is no roughness
    shimmer = np.abs(np.diff(found.level))[both]
    first, second = (_harmonic(found, n) for n in (1, 2))
    tilt = first - second
    return (
        harmonic.mean(), harmonic.std(), float(jitter.mean()) if len(jitter) else 0.0,
        float(shimmer.mean()) if len(shimmer) else 0.0, tilt.mean(), tilt.std(),
    )  # fmt: skip


def _harmonic(found: Track, number: int) -> Numbers:
    """Level in dB of a harmonic in the voiced frames."""
    bins = np.rint(number * found.f0[found.voiced] * _FFT / RATE).astype(int)
    near = np.clip(bins[:, None] + np.arange(-4, 5), 0, found.spectrum.shape[1] - 1)
    power = np.take_along_axis(found.spectrum[found.voiced], near, axis=1).max(axis=1)
    return np.asarray(10 * np.log10(power + 1e-12))


def _colour(found: Track) -> tuple[float, ...]:
    power = found.spectrum[found.voiced] + 1e-12
    hertz = np.arange(power.shape[1]) * RATE / _FFT

    def band(low: float, high: float) -> Numbers:
        return power[:, (hertz >= low) & (hertz < high)]

    def slope(low: float, high: float) -> Numbers:
        at = hertz[(hertz >= low) & (hertz < high)] / 1000
        spread = at - at.mean()
        return np.asarray(10 * np.log10(band(low, high)) @ spread / (spread @ spread))

    alpha = 10 * np.log10(band(1000, 5000).sum(axis=1) / band(50, 1000).sum(axis=1))
    hammarberg = 10 * np.log10(band(0, 2000).max(axis=1) / band(2000, 5000).max(axis=1))
    centroid = power @ hertz / power.sum(axis=1) / 1000
    shape = np.sqrt(band(0, 5000) / band(0, 5000).sum(axis=1, keepdims=True))
    flux = np.sqrt(((shape[1:] - shape[:-1]) ** 2).sum(axis=1))
    parts = (alpha, hammarberg, slope(0, 500), slope(500, 1500), centroid, flux)
    return tuple(float(value) for part in parts for value in (part.mean(), part.std()))
