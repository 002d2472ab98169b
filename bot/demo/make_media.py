"""Makes the demo's photos and voice notes again.

    python -m bot.demo.make_media --photos                   everything that is drawn (about twelve minutes)
    python -m bot.demo.make_media --photos --only cracked-mug
    python -m bot.demo.make_media --photos --sources DIR     the real photos too; MEDIA.md says what DIR must hold
    python -m bot.demo.make_media --voice                    needs: pip install hibari-tts==0.2.1 py-nanotts==0.1.1

Every picture has a seed of its own (from its name), so that making one again does not change the others.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from bot.demo.studio import broken_things, lens, printed_things, real_photos, shown_things, speech

HERE = Path(__file__).parent
DRAWN = broken_things.PICTURES | printed_things.PICTURES | shown_things.PICTURES


def _wanted(name: str, only: list[str]) -> bool:
    return not only or name in only


def draw(only: list[str]) -> None:
    """Draw the photos, all or those named."""
    for name, paint in DRAWN.items():
        if _wanted(name, only):
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            picture = paint(rng)
            lens.save(picture, HERE / "photos" / f"{name}.jpg", int(rng.integers(72, 86)))
            sys.stderr.write(f"{name} {picture.size}\n")
    for name, picture_of in shown_things.ENCLOSED.items():
        if _wanted(name, only):
            flat = picture_of().quantize(64, dither=Image.Dither.NONE)
            flat.save(HERE / "photos" / f"{name}.png", optimize=True)


def copy_real(sources: Path, only: list[str]) -> None:
    """Cut the real photos out of the two collections."""
    for name in real_photos.PICTURES:
        if _wanted(name, only):
            lens.save(real_photos.take(name, sources), HERE / "photos" / f"{name}.jpg", 80)


def speak(only: list[str]) -> None:
    """Speak the voice notes, all or those named."""
    for name, note in speech.NOTES.items():
        if _wanted(name, only):
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            seconds = speech.record(note, HERE / "voice" / f"{name}.ogg", rng)
            sys.stderr.write(f"{name} {seconds:.1f} s\n")


def main() -> None:
    """Read the command line and make what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", action="store_true", help="draw the photos")
    parser.add_argument("--voice", action="store_true", help="speak the voice notes")
    parser.add_argument("--sources", type=Path, help="folder with door_packages/ and grocery_store/")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="just these, by file name without ending")
    asked = parser.parse_args()
    if asked.photos:
        draw(asked.only)
    if asked.sources:
        copy_real(asked.sources, asked.only)
    if asked.voice:
        speak(asked.only)


if __name__ == "__main__":
    main()
