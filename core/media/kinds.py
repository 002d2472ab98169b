"""What a file is, told from its first bytes.

Names and declared types are not looked at: Slack's voice clips come as video/mp4, its login page as a photo.
Sources: the formats' own signatures as listed in the WHATWG MIME Sniffing standard and each format's specification.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass

from core.media import boxes
from core.media.sound import sound_start
from core.values import AttachmentKind, Problem

HEAD = 4096


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file is to us; `problem` says why it cannot be read and is None when it is worth trying."""

    kind: AttachmentKind
    mime: str
    problem: Problem | None = None


PHOTO, VOICE, OTHER = AttachmentKind.PHOTO, AttachmentKind.VOICE, AttachmentKind.OTHER

_SIGNATURES: tuple[tuple[bytes, Sniffed], ...] = (
    (b"\xff\xd8\xff", Sniffed(PHOTO, "image/jpeg")),
    (b"\x89PNG\r\n\x1a\n", Sniffed(PHOTO, "image/png")),
    (b"GIF87a", Sniffed(PHOTO, "image/gif")),
    (b"GIF89a", Sniffed(PHOTO, "image/gif")),
    (b"II*\0", Sniffed(PHOTO, "image/tiff", Problem.FORMAT)),
    (b"MM\0*", Sniffed(PHOTO, "image/tiff", Problem.FORMAT)),
    (b"\xff\x0a", Sniffed(PHOTO, "image/jxl", Problem.FORMAT)),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Sniffed(PHOTO, "image/jxl", Problem.FORMAT)),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Sniffed(PHOTO, "image/jp2", Problem.FORMAT)),
    (b"8BPS", Sniffed(PHOTO, "image/vnd.adobe.photoshop", Problem.FORMAT)),
    (b"\0\0\x01\0", Sniffed(PHOTO, "image/x-icon", Problem.FORMAT)),
    (b"fLaC", Sniffed(VOICE, "audio/flac")),
    (b"#!AMR", Sniffed(VOICE, "audio/amr")),
    (b"caff", Sniffed(VOICE, "audio/x-caf", Problem.FORMAT)),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Sniffed(VOICE, "audio/x-ms-wma", Problem.FORMAT)),
    (b"FLV\x01", Sniffed(OTHER, "video/x-flv", Problem.VIDEO)),
    (b"\0\0\x01\xba", Sniffed(OTHER, "video/mpeg", Problem.VIDEO)),
    (b"PK\x03\x04", Sniffed(OTHER, "application/zip", Problem.DOCUMENT)),
    (b"PK\x05\x06", Sniffed(OTHER, "application/zip", Problem.DOCUMENT)),
    (b"\x1f\x8b", Sniffed(OTHER, "application/gzip", Problem.DOCUMENT)),
    (b"7z\xbc\xaf\x27\x1c", Sniffed(OTHER, "application/x-7z-compressed", Problem.DOCUMENT)),
    (b"Rar!\x1a\x07", Sniffed(OTHER, "application/vnd.rar", Problem.DOCUMENT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Sniffed(OTHER, "application/x-ole-storage", Problem.DOCUMENT)),
    (b"{\\rtf", Sniffed(OTHER, "application/rtf", Problem.DOCUMENT)),
    (b"\x7fELF", Sniffed(OTHER, "application/octet-stream", Problem.DOCUMENT)),
    (b"MZ", Sniffed(OTHER, "application/octet-stream", Problem.DOCUMENT)),
)

_PROLOGUE = rb"(?:<\?xml[^>]*>\s*)?(?:(?><!--.*?-->)\s*)*+"  # possessive: a page of comments must not cost 2^n steps
_HTML = re.compile(_PROLOGUE + rb"<(?:!doctype\s+html|html|head|body|title|script|meta)\b", re.S)
_SVG = re.compile(_PROLOGUE + rb"(?:<!doctype\s+svg[^>]*>\s*)?<svg\b", re.S)
_STILLS = {
    b"heic": "image/heic", b"heix": "image/heic", b"heim": "image/heic", b"heis": "image/heic", b"hevc": "image/heic",
    b"hevx": "image/heic", b"mif1": "image/heic", b"msf1": "image/heic", b"avif": "image/avif", b"avis": "image/avif",
}  # fmt: skip
_CODEC = re.compile(rb"\x86[\x81-\xbf]([AV])_")  # Matroska's CodecID element: id, length, "A_OPUS" or "V_VP8"


def sniff(raw: bytes) -> Sniffed:
    """Tell what `raw` (a whole file, or its beginning) is; never raises, whatever it gets."""
    if not raw:
        return Sniffed(OTHER, "application/octet-stream", Problem.EMPTY)
    for signature, what in _SIGNATURES:
        if raw.startswith(signature):
            return what
    for look in (_riff, _ogg, _iso, _matroska, _bitmap, _mpeg, _written):
        found = look(raw)
        if found:
            return found
    return Sniffed(OTHER, "application/octet-stream", Problem.FORMAT)


def _riff(raw: bytes) -> Sniffed | None:
    form = raw[8:12]
    if raw[:4] != b"RIFF":
        return None
    if form == b"WAVE":
        return Sniffed(VOICE, "audio/wav")
    if form == b"WEBP":
        return Sniffed(PHOTO, "image/webp")
    return Sniffed(OTHER, "video/x-msvideo", Problem.VIDEO) if form == b"AVI " else None


def _ogg(raw: bytes) -> Sniffed | None:
    if raw[:4] != b"OggS":
        return None
    return Sniffed(VOICE, "video/ogg" if b"\x80theora" in raw[:HEAD] else "audio/ogg")


def _iso(raw: bytes) -> Sniffed | None:
    if raw[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide"):
        return None
    if raw[4:8] == b"ftyp" and (still := _still(raw)):
        return Sniffed(PHOTO, still, Problem.FORMAT)
    tracks = boxes.tracks(raw)
    if b"vide" in tracks or (not tracks and raw[8:11] != b"M4A"):
        mime = "video/quicktime" if raw[8:12] == b"qt  " else "video/mp4"
        return Sniffed(VOICE, mime, Problem.SILENT if tracks and b"soun" not in tracks else None)
    return Sniffed(VOICE, "audio/mp4", None if not tracks or b"soun" in tracks else Problem.SILENT)


def _still(raw: bytes) -> str:
    """The type of a still picture in an ISO container: by its main brand, else by a compatible one behind `mif1`."""
    main = raw[8:12]
    if main in (b"mif1", b"msf1"):
        others = (raw[at : at + 4] for at in range(16, min(int.from_bytes(raw[:4]), 256), 4))
        return next((_STILLS[brand] for brand in others if brand in (b"avif", b"avis")), "image/heic")
    return _STILLS.get(main, "")


def _matroska(raw: bytes) -> Sniffed | None:
    if raw[:4] != b"\x1a\x45\xdf\xa3":
        return None
    kinds = set(_CODEC.findall(raw[:HEAD]))
    form = "webm" if b"webm" in raw[:64] else "x-matroska"
    silent = Problem.SILENT if kinds == {b"V"} else None
    return Sniffed(VOICE, f"video/{form}" if b"V" in kinds else f"audio/{form}", silent)


def _bitmap(raw: bytes) -> Sniffed | None:
    sizes = (12, 40, 52, 56, 64, 108, 124)  # the headers there are; "BM" alone is a word
    is_bitmap = raw[:2] == b"BM" and int.from_bytes(raw[14:18], "little") in sizes
    return Sniffed(PHOTO, "image/bmp") if is_bitmap else None


def _mpeg(raw: bytes) -> Sniffed | None:
    """MP3 and AAC have no signature: an ID3 tag, or two frame headers at the distance that the first one gives."""
    at = sound_start(raw)
    if at and raw[at : at + 4] == b"fLaC":
        return Sniffed(VOICE, "audio/flac")
    for mime, measure in (("audio/mpeg", _mp3_frame), ("audio/aac", _adts_frame)):
        length = measure(raw[at : at + 7])
        if length and (measure(raw[at + length : at + length + 7]) or at + length >= len(raw) - 7):
            return Sniffed(VOICE, mime)
    return Sniffed(VOICE, "audio/mpeg") if at else None


_MP3_RATES = (44100, 48000, 32000)
_MP3_BITS = {
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1 layer III, kbit/s
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5 layer III
}


def _mp3_frame(header: bytes) -> int:
    """The length in bytes of the MPEG layer III frame that begins here, 0 when none does (ISO/IEC 11172-3, 2.4.1.3)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bits, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    table = _MP3_BITS.get((3 if version == 3 else 2, layer))
    if version == 1 or table is None or not 1 <= bits <= 14 or rate == 3:
        return 0
    hertz = _MP3_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    return (144 if version == 3 else 72) * table[bits - 1] * 1000 // hertz + padding


def _adts_frame(header: bytes) -> int:
    """The length in bytes of the ADTS frame that begins here, 0 when none does (ISO/IEC 13818-7, 6.2)."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


def _written(raw: bytes) -> Sniffed | None:
    """Pages, documents and plain text."""
    head = raw[:HEAD]
    if b"%PDF-" in head[:1024]:
        return Sniffed(OTHER, "application/pdf", Problem.DOCUMENT)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Sniffed(OTHER, "text/plain", Problem.DOCUMENT)
    words = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if _HTML.match(words):
        return Sniffed(OTHER, "text/html", Problem.DOCUMENT)
    if _SVG.match(words):
        return Sniffed(PHOTO, "image/svg+xml", Problem.FORMAT)
    try:
        text = getincrementaldecoder("utf-8")().decode(head)  # a letter cut in two at the end is no error
    except UnicodeDecodeError:
        return None
    if any(ord(letter) < 32 and letter not in "\t\n\r\f\v\x1b" for letter in text):
        return None
    return Sniffed(OTHER, "text/plain", Problem.DOCUMENT)
