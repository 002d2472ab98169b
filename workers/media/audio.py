"""Bytes of a voice note to a wave, within hard limits.

Whatever Telegram, Slack and browsers record (Ogg/Opus, MP4 and WebM with or without a picture, MP3, WAV, FLAC, AAC,
AMR) becomes 16 kHz mono. FFmpeg comes inside PyAV's wheel; it sees only the one demuxer that the bytes call for and
the audio decoders listed here, opens no file or address, and never decodes video.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from time import monotonic

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from core.errors import Broken, Unreadable
from core.media import boxes, sniff, strip
from core.values import AttachmentKind, Problem

RATE = 16_000
Wave = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one voice note may cost.

    `size` in bytes of the file; `seconds` of sound are kept, the rest is cut; `patience` is seconds of wall time;
    `samples` is how many an MP4's index may claim (an AAC note of 25 MB has one million).
    """

    size: int = 25 * 2**20
    seconds: float = 300.0
    patience: float = 10.0
    samples: int = 5_000_000
    channels: int = 8
    slowest: int = 4_000
    fastest: int = 192_000


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """What was said: `wave` is (samples,) float32 in [-1, 1] at 16 kHz.

    `seconds_total` is how long the note is as far as its file tells; `cut` says that the wave holds less than that,
    because the note is longer than the limit or breaks off.
    """

    wave: Wave
    seconds_total: float
    cut: bool


_DEMUXERS = {
    "audio/ogg": "ogg",
    "video/ogg": "ogg",
    "audio/mp4": "mov",
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "audio/webm": "matroska",
    "video/webm": "matroska",
    "audio/x-matroska": "matroska",
    "video/x-matroska": "matroska",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/amr": "amr",
}
_DECODERS = (
    "opus,libopus,vorbis,speex,aac,mp3,mp3float,flac,alac,amrnb,amrwb,pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,"
    "pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt"
)
_OPTIONS = {"protocol_whitelist": "none", "codec_whitelist": _DECODERS}
_TELLING = frozenset({"ogg", "mov", "matroska", "wav", "flac"})  # their declared length is not guessed from a bit rate


def decode(raw: bytes, *, limits: Limits = Limits()) -> Sound:
    """Decode the first audio stream to 16 kHz mono.

    Raises:
        Unreadable: EMPTY, TOO_LARGE (bytes or time), SILENT (no sound in it), FORMAT (a codec, rate or number of
            channels that no phone records, or no sound file at all), DOCUMENT (HTML, PDF, text), DAMAGED.
    """
    if len(raw) > limits.size:
        raise Unreadable(Problem.TOO_LARGE, f"{len(raw)} bytes")
    found = sniff(raw)
    if found.problem:
        raise Unreadable(found.problem, found.mime)
    if found.kind is not AttachmentKind.VOICE:
        raise Unreadable(Problem.FORMAT, found.mime)
    demuxer = _DEMUXERS[found.mime]
    raw = strip(raw, found.mime)  # tags can unfold to gigabytes
    if demuxer == "mov" and boxes.promised(raw) > limits.samples:
        raise Unreadable(Problem.TOO_LARGE, "an index of more samples than anybody records")
    deadline = monotonic() + limits.patience
    try:
        with av.open(
            BytesIO(raw),
            "r",
            format=demuxer,
            container_options=_OPTIONS | ({"advanced_editlist": "0"} if demuxer == "mov" else {}),
            metadata_errors="replace",  # a title in some old encoding is no reason not to listen
            timeout=limits.patience,
        ) as container:
            stream = _first_sound(container, limits)
            wave, more = _heard(container, stream, limits, deadline)
            declared = _declared(container, stream)
    except av.FFmpegError as problem:
        raise Unreadable(Problem.DAMAGED, f"{found.mime}: {problem.strerror}") from problem
    except MemoryError as problem:
        raise Unreadable(Problem.TOO_LARGE, found.mime) from problem
    heard = len(wave) / RATE
    cut = more or _breaks_off(raw, demuxer) or (demuxer in _TELLING and declared > 1.05 * heard + 1.0)
    return Sound(wave, max(declared, heard) if cut else heard, cut)


def selftest() -> None:
    """Decode a tenth of a second of Opus, so that a missing codec is found at start and not at the first message.

    Raises:
        Broken: the message says what to do.
    """
    try:
        sound = decode(b64decode(_TONE))
    except Unreadable as problem:
        raise Broken(
            f"voice notes cannot be decoded ({problem}); reinstall PyAV: pip install --force-reinstall av"
        ) from problem
    if len(sound.wave) < RATE // 20 or float(np.abs(sound.wave).max()) < 0.01:
        raise Broken("voice notes are decoded to silence; reinstall PyAV: pip install --force-reinstall av")


def _first_sound(container: InputContainer, limits: Limits) -> AudioStream:
    if not container.streams.audio:
        raise Unreadable(Problem.SILENT, "there is no sound in it")
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context is None or context.name not in _DECODERS.split(","):
        raise Unreadable(Problem.FORMAT, f"codec {context.name if context else 'unknown'}")
    _must_be_usual(context.sample_rate, context.channels, limits)
    context.thread_count = 1
    return stream


def _must_be_usual(rate: int, channels: int, limits: Limits) -> None:
    if not (limits.slowest <= rate <= limits.fastest and 1 <= channels <= limits.channels):
        raise Unreadable(Problem.FORMAT, f"{rate} Hz, {channels} channels")


def _heard(container: InputContainer, stream: AudioStream, limits: Limits, deadline: float) -> tuple[Wave, bool]:
    """The wave up to the limit, and whether there is more."""
    room = int(limits.seconds * RATE)
    wave = np.empty(room, dtype=np.float32)  # pages that are never written cost nothing
    filled = 0
    for piece in _resampled(_frames(container, stream, deadline), limits):
        taken = min(len(piece), room - filled)
        wave[filled : filled + taken] = piece[:taken]
        filled += taken
        if taken < len(piece):
            return _tamed(wave), True
    if filled == 0:
        raise Unreadable(Problem.DAMAGED, "no sound could be decoded")
    return _tamed(wave[:filled].copy()), False


def _tamed(wave: Wave) -> Wave:
    """Without the infinities that a float format can hold, nor the overshoot of several channels made one."""
    np.nan_to_num(wave, copy=False, posinf=1.0, neginf=-1.0)
    return np.clip(wave, -1.0, 1.0, out=wave)


def _frames(container: InputContainer, stream: AudioStream, deadline: float) -> Iterator[AudioFrame]:
    """Decoded frames; a damaged packet is left out, a note of mostly damaged packets is refused."""
    good = bad = 0
    for packet in container.demux(stream):
        if monotonic() > deadline:
            raise Unreadable(Problem.TOO_LARGE, "the sound takes too long to decode")
        try:
            frames = packet.decode()
        except av.InvalidDataError as problem:
            bad += 1
            if bad > 100 + good:
                raise Unreadable(Problem.DAMAGED, "most of the sound is damaged") from problem
            continue
        good += 1
        for frame in frames:
            if isinstance(frame, AudioFrame):
                yield frame


def _resampled(frames: Iterator[AudioFrame], limits: Limits) -> Iterator[Wave]:
    """16 kHz mono pieces; a stream may change its rate or channels on the way."""
    for (_, _, rate), alike in groupby(frames, lambda frame: (frame.format.name, frame.layout.name, frame.sample_rate)):
        resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
        gathered = AudioFifo()  # a second at a time: frame by frame, the resampler would cost as much as the decoder
        for number, frame in enumerate(alike):
            if number == 0:
                _must_be_usual(rate, frame.layout.nb_channels, limits)
            frame.pts = None  # gaps and jumps in the time stamps are no silence to be filled
            gathered.write(frame)
            if gathered.samples >= rate:
                yield from _pieces(resampler, gathered.read())
        rest = gathered.read()
        if rest is not None:
            yield from _pieces(resampler, rest)
        yield from _pieces(resampler, None)


def _pieces(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Wave]:
    for out in resampler.resample(frame):
        yield out.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _declared(container: InputContainer, stream: AudioStream) -> float:
    """Seconds that the file claims to last, 0 when it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def _breaks_off(raw: bytes, demuxer: str) -> bool:
    """Whether bytes are missing at the end: of a WAVE file's body, or of the last Ogg page (RFC 3533 section 6).

    FFmpeg says nothing in either case, and takes the length from what is there.
    """
    if demuxer == "wav":
        size = int.from_bytes(raw[4:8], "little")
        return size < 0xFFFFFF00 and size + 8 > len(raw)  # close to 4 GiB: the recorder could not go back to fill it in
    if demuxer != "ogg":
        return False
    last = raw.rfind(b"OggS")
    count = raw[last + 26] if last + 27 <= len(raw) else 0
    table = raw[last + 27 : last + 27 + count]
    return len(table) < count or count == 0 or last + 27 + count + sum(table) > len(raw)


_TONE = (  # 0.1 s of a 440 Hz tone, Ogg/Opus at 6 kbit/s, made with this module's own FFmpeg
    "T2dnUwACAAAAAAAAAAAAAAAAAAAAAAIotXIBE09wdXNIZWFkAQE4AYC7AAAAAABPZ2dTAAAAAAAAAAAAAAAAAAABAAAA88vQ2wEWT3B1c1RhZ3MGAAAA"
    "ZmZtcGVnAAAAAE9nZ1MABPgTAAAAAAAAAAAAAAIAAAAFIYyVAjgrGOEJ9/QHP2eWEd2Kp779QOrqn3ZpLidV9y2Q7qXHs2ihMq4bzbvhu/9TjcCKsaMp"
    "GoxxFBbPCqUY6fPSv/uQG4WK1VoRQNPNnf4HsSLMfzshDt3uQSOSoW+kh3eNpYEQBN2c"
)
