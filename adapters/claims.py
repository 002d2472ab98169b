"""What a platform says that a file is; its bytes are looked at later, and they decide."""

from __future__ import annotations

from pathlib import PurePath

_BY_SUFFIX = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".amr": "audio/amr",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
}
_VAGUE = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-unknown"})
_BY_NAME_ALONE = frozenset({"image/heic", "image/heif"})  # phones pass these on as image/jpeg


def claimed(mime: str, name: str) -> str:
    """The media type, lower case and without parameters; by the file's name where the platform's own says little."""
    said = mime.lower().split(";")[0].strip()
    named = _BY_SUFFIX.get(PurePath(name.lower()).suffix, "")
    if said in _VAGUE or (said.startswith("image/") and named in _BY_NAME_ALONE):
        return named or said
    return said
