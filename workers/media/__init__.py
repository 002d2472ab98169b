"""Bytes to arrays: what the models see of a photo, what they hear of a voice note."""

from __future__ import annotations

from core.errors import Broken


def selftest() -> None:
    """Check at start that photos and voice notes can be decoded here.

    Raises:
        Broken: a library or a codec is missing; the message says what to do.
    """
    try:
        from workers.media import audio, images
    except (ImportError, OSError) as problem:
        raise Broken(
            f"media cannot be decoded ({problem}); reinstall: pip install --force-reinstall av pillow"
        ) from problem
    audio.selftest()
    images.selftest()
