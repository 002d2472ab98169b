"""Voice notes made on the spot, in every container that Telegram, Slack and browsers record."""

from __future__ import annotations

import struct
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray

PITCH = 440.0


def tone(seconds: float, rate: int = 48_000) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * PITCH * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def recorded(
    form: str,
    codec: str = "",
    *,
    seconds: float = 2.0,
    rate: int = 48_000,
    layout: str = "mono",
    video: str = "",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> bytes:
    """A tone of 440 Hz, with a picture track if `video` names a codec, without sound if `codec` is empty."""
    out = BytesIO()
    with av.open(out, "w", format=form, options=container or {}) as file:
        picture = file.add_stream(video, rate=10) if video else None
        sound = file.add_stream(codec, rate=rate, options=options or {}) if codec else None
        if sound is not None:
            sound.layout = layout
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 96, 96, "yuv420p"
            for number in range(10):
                still = np.full((96, 96, 3), 20 * number, np.uint8)
                file.mux(picture.encode(av.VideoFrame.from_ndarray(still, "rgb24")))
            file.mux(picture.encode())
        if sound is not None:
            wave = np.repeat(tone(seconds, rate)[None], sound.channels, axis=0)
            frame = av.AudioFrame.from_ndarray(wave, "fltp", layout)
            frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            size = sound.codec_context.frame_size or None
            fitting = av.AudioResampler(format=sound.format, layout=layout, rate=rate, frame_size=size)
            for piece in (*fitting.resample(frame), *fitting.resample(None)):
                file.mux(sound.encode(piece))
            file.mux(sound.encode())
    return out.getvalue()


def hours_of_opus(hours: float) -> bytes:
    """A long Ogg/Opus note: one packet of 0.12 s, said again and again."""
    template, out = recorded("ogg", "libopus", options={"b": "6000", "frame_duration": "120"}), BytesIO()
    with av.open(BytesIO(template)) as source, av.open(out, "w", format="ogg") as file:
        original = source.streams.audio[0]
        said = min((bytes(packet) for packet in source.demux(original) if packet.size), key=len)
        stream = file.add_stream_from_template(original)
        for number in range(int(hours * 3600 / 0.12)):
            packet = av.Packet(said)
            packet.pts = packet.dts = 5760 * number
            packet.duration, packet.time_base, packet.stream = 5760, Fraction(1, 48_000), stream
            file.mux(packet)
    return out.getvalue()


def wav(samples: NDArray[np.int16], rate: int, channels: int) -> bytes:
    """A RIFF/WAVE file with any header one likes."""
    body = samples.astype("<i2").tobytes()
    head = struct.pack("<HHIIHH", 1, channels, rate, (rate * channels * 2) & 0xFFFFFFFF, channels * 2, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
