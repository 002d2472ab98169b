"""What Telegram makes of the files that people and bots send."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from tests.fakes.telegram.checks import bad_request
from tests.fakes.telegram.world import StoredFile, World

PHOTO_SIZES = (90, 320, 800, 1280)
PHOTO_LIMIT = 10 * 1024 * 1024
Content = tuple[dict[str, Any], tuple[StoredFile, ...]]
"""The content fields of a message, and the files behind them, the best one last."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    content: bytes
    name: str = ""
    mime: str = ""


def photo(world: World, content: bytes, *, recompress: bool) -> Content:
    """Several sizes of one picture, the largest last: at most 1280 pixels, a JPEG without metadata.

    With `recompress` False, or when nothing can decode the bytes, they are handed on as they are in a single size.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            picture = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        file = world.store(content, "photos", "jpg")
        return {"photo": [_size(file, 100, 100)]}, (file,)
    sizes, files = [], []
    for edge in PHOTO_SIZES:
        small = picture.copy()
        small.thumbnail((edge, edge))
        last = edge >= max(picture.size) or edge == PHOTO_SIZES[-1]
        if last and not recompress:
            small, encoded = picture, content
        else:
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=87)
            encoded = stream.getvalue()
        file = world.store(encoded, "photos", "jpg")
        sizes.append(_size(file, *small.size))
        files.append(file)
        if last:
            break
    return {"photo": sizes}, tuple(files)


def checked_photo(world: World, content: bytes) -> Content:
    """A picture a bot sends, refused when Telegram could not process it.

    Raises:
        ApiError: 400, empty, larger than 10 MB, not decodable, or of impossible dimensions.
    """
    if not content:
        raise bad_request("file must be non-empty")
    if len(content) > PHOTO_LIMIT:
        raise bad_request(
            f"file of size {len(content)} bytes is too big for a photo; the maximum size is {PHOTO_LIMIT} bytes"
        )
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except (OSError, ValueError) as error:
        raise bad_request("IMAGE_PROCESS_FAILED") from error
    if width + height > 10_000 or max(width, height) > 20 * min(width, height):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    return photo(world, content, recompress=False)


def document(world: World, upload: Upload, size: int | None = None) -> Content:
    """A file with a name; both name and MIME type may be missing."""
    extension = upload.name.rpartition(".")[2] if "." in upload.name else ""
    file = world.store(upload.content, "documents", extension, size)
    named = {"file_name": upload.name} if upload.name else {}
    return {"document": {**_file(file), **named, **_mime(upload)}}, (file,)


def voice(world: World, upload: Upload, seconds: int, size: int | None = None) -> Content:
    """A voice note, OGG with Opus."""
    file = world.store(upload.content, "voice", "oga", size)
    return {"voice": {**_file(file), "duration": seconds, **_mime(upload)}}, (file,)


def audio(world: World, upload: Upload, seconds: int, size: int | None = None) -> Content:
    """Music, or a sound file sent as such."""
    file = world.store(upload.content, "music", upload.name.rpartition(".")[2] or "mp3", size)
    named = {"file_name": upload.name} if upload.name else {}
    return {"audio": {**_file(file), "duration": seconds, **named, **_mime(upload)}}, (file,)


def video_note(world: World, content: bytes, seconds: int) -> Content:
    """A round video."""
    file = world.store(content, "video_notes", "mp4")
    return {"video_note": {**_file(file), "length": 384, "duration": seconds}}, (file,)


def video(world: World, upload: Upload, seconds: int, size: int | None = None) -> Content:
    """A video."""
    file = world.store(upload.content, "videos", "mp4", size)
    return {"video": {**_file(file), "width": 640, "height": 360, "duration": seconds, **_mime(upload)}}, (file,)


def sticker(world: World, emoji: str) -> Content:
    """A static sticker."""
    file = world.store(b"RIFF\x04\x00\x00\x00WEBP", "stickers", "webp")
    kind = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False, "emoji": emoji}
    return {"sticker": {**_file(file), **kind}}, (file,)


def _file(file: StoredFile) -> dict[str, Any]:
    return {"file_id": file.id, "file_unique_id": file.unique, "file_size": file.size}


def _size(file: StoredFile, width: int, height: int) -> dict[str, Any]:
    return {**_file(file), "width": width, "height": height}


def _mime(upload: Upload) -> dict[str, str]:
    return {"mime_type": upload.mime} if upload.mime else {}
