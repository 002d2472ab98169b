"""Latency and memory of a whole installation: event in to reply out, over the web chat.

    python tests/bench/latency.py [--typed 200] [--media 15]

Starts `polydesk up` with the demo on a folder of its own, asks over HTTP and listens on the live stream. A typed whole
question has a quiet window of 0; for a voice note and a photo alone the window is told and taken off.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import av
import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from core.quiet import quiet_for  # noqa: E402
from core.values import Address, Attachment, AttachmentKind, Author, EventKind, InboundEvent  # noqa: E402
from tests.flows.installation import Installation  # noqa: E402

DEMO = ROOT / "bot" / "demo"
QUESTION = "where is my order please?"


class Chat:
    """A browser: posts, and hears the next line of the bot on the stream."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60)
        self._heard: asyncio.Queue[float] = asyncio.Queue()
        self._number = 0

    async def open(self) -> Chat:
        opened = (await self._http.post("/api/v1/conversations")).json()
        self._path = f"/api/v1/conversations/{opened['id']}"
        self._http.headers["Authorization"] = f"Bearer {opened['token']}"
        self._listening = asyncio.create_task(self._listen())
        return self

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._http.aclose()

    async def _listen(self) -> None:
        async with self._http.stream("GET", f"{self._path}/stream", timeout=None) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: ") and json.loads(line[6:]).get("line", {}).get("from") == "bot":
                    self._heard.put_nowait(time.perf_counter())

    async def ask(self, text: str = "", files: dict[str, tuple[str, bytes, str]] | None = None) -> float:
        """Seconds from the request to the bot's line."""
        self._number += 1
        began = time.perf_counter()
        data = {"client_id": f"n{self._number}", "text": text}
        (await self._http.post(f"{self._path}/messages", data=data, files=files)).raise_for_status()
        return await asyncio.wait_for(self._heard.get(), 60) - began


def note(seconds: float) -> bytes:
    """The demo's voice note, cut or lengthened with silence to `seconds`, as Opus."""
    with av.open(str(DEMO / "voice" / "wheres-my-order.ogg")) as source:
        frames = [frame.to_ndarray() for frame in source.decode(audio=0)]
        rate = source.streams.audio[0].rate
    wave = np.concatenate(frames, axis=1)[0]
    wave = np.resize(np.append(wave, np.zeros(int(rate * seconds), wave.dtype)), int(rate * seconds))
    out = io.BytesIO()
    with av.open(out, "w", format="ogg") as target:
        stream = target.add_stream("libopus", rate=48000)
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="flt", layout="mono")
        frame.rate = rate
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
    return out.getvalue()


def picture(width: int, height: int) -> bytes:
    """The demo's photo of a cracked mug at the size of a phone's camera."""
    out = io.BytesIO()
    with Image.open(DEMO / "photos" / "test-mug.jpg") as photo:
        photo.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def quiet(kind: AttachmentKind) -> float:
    """The quiet window of a message without words."""
    address, author = Address("web", "web", "1"), Author("1")
    return quiet_for([InboundEvent("1", EventKind.CREATED, address, author, 0, attachments=(Attachment(kind),))])


def row(name: str, seconds: list[float], window: float = 0.0) -> str:
    ordered = sorted(value - window for value in seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"| {name} | {1000 * statistics.median(ordered):.0f} | {1000 * p99:.0f} | {window:.1f} | {len(ordered)} |"


def memory(installation: Installation) -> list[str]:
    rows = []
    for pid in installation.children():
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        status = Path(f"/proc/{pid}/status").read_text()
        kilobytes = int(status.split("VmRSS:")[1].split()[0])
        name = next((n for n in ("-Q text", "-Q media", "-Q train", "gateway", "valkey") if n in command), command[:40])
        rows.append(f"| {name.replace('-Q ', '')} | {kilobytes / 1024:.0f} MB |")
    return sorted(rows)


async def typed(url: str, count: int) -> list[float]:
    seconds = []
    for start in range(0, count, 50):  # a chat may write 60 messages a minute
        chat = await Chat(url).open()
        seconds += [await chat.ask(QUESTION) for _ in range(min(50, count - start))]
        await chat.close()
    return seconds


async def main(count: int, media: int) -> None:
    with tempfile.TemporaryDirectory(prefix="polydesk-bench-") as folder:
        installation = Installation(Path(folder), ROOT / "var" / "models", DEMO)
        began = time.perf_counter()
        installation.start()
        try:
            await installation.ready()
            ready = time.perf_counter() - began
            chat = await Chat(installation.url).open()
            first = await chat.ask(QUESTION)
            print(f"first start to ready {ready:.1f} s, first answer after {first:.2f} s more\n")
            print("| event in to reply out | p50 ms | p99 ms | quiet window s, taken off | n |")
            print("| --- | --- | --- | --- | --- |")
            print(row("a typed question", await typed(installation.url, count)))
            window = quiet(AttachmentKind.VOICE)
            # No two alike: what a worker recognised before it need not recognise again.
            notes = [{"voice": ("note.ogg", note(5.0 + n / 100), "audio/ogg")} for n in range(media)]
            print(row("a voice note of 5 s", [await chat.ask(files=one) for one in notes], window))
            window = quiet(AttachmentKind.PHOTO)
            for name, size in (("a photo, 12 MP", (4000, 3000)), ("a photo, 1 MP", (1155, 866))):
                photos = [picture(size[0] + n, size[1]) for n in range(media)]
                files = [{"photo": ("photo.jpg", photo, "image/jpeg")} for photo in photos]
                print(row(name, [await chat.ask(files=one) for one in files], window))
            await chat.close()
            print("\n| process | resident |\n| --- | --- |")
            print("\n".join(memory(installation)))
        finally:
            installation.stop()
        began = time.perf_counter()
        installation.start()
        try:
            await installation.ready()
            print(f"\nsecond start to ready {time.perf_counter() - began:.1f} s")
        finally:
            installation.stop()


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--typed", type=int, default=200)
    options.add_argument("--media", type=int, default=15)
    return options


if __name__ == "__main__":
    given = arguments().parse_args()
    asyncio.run(main(given.typed, given.media))
