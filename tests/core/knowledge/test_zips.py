from __future__ import annotations

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from core.archives import to_zip
from core.errors import KnowledgeError
from core.knowledge.entries import Case, Entry, KnowledgeBase
from core.knowledge.files import load, pack, save
from core.knowledge.zips import from_zip
from tests.core.knowledge import made

KB = b"polydesk: 1\ntitle: Shop\nentries: []\n"


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that comes twice
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def refused(raw: bytes, folder: Path) -> str:
    with pytest.raises(KnowledgeError) as raised:
        from_zip(raw, folder)
    return str(raised.value)


def test_a_folder_goes_out_and_comes_back(tmp_path):
    blob = next(iter(made.FILES))
    entry = Entry("a", "q", {"en": "x\n"}, "a", photos=(blob,))
    knowledge = KnowledgeBase("Shop", entries=(entry,), cases=(Case("a", photo=blob),))
    save(knowledge, tmp_path / "out", made.FILES.__getitem__)
    raw = to_zip(tmp_path / "out")
    assert raw == to_zip(tmp_path / "out")
    (tmp_path / "in").mkdir()
    top = from_zip(raw, tmp_path / "in")
    assert pack(load(top, trusted=False), made.put) == knowledge


def test_a_zipped_folder_and_what_a_mac_adds(tmp_path):
    raw = zipped(("shop/kb.yaml", KB), ("__MACOSX/shop/._kb.yaml", b"x"), ("shop/.DS_Store", b"x"), ("shop/", b""))
    assert from_zip(raw, tmp_path) == tmp_path / "shop"
    assert [path.name for path in tmp_path.rglob("*")] == ["shop", "kb.yaml"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "\\evil", "C:evil"])
def test_nothing_leaves_the_folder(name, tmp_path):
    (tmp_path / "in").mkdir()
    assert "expected paths inside the archive" in refused(zipped(("kb.yaml", KB), (name, b"x")), tmp_path / "in")
    assert list(tmp_path.rglob("*")) == [tmp_path / "in"]


def test_no_links(tmp_path):
    link = zipfile.ZipInfo("photos")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "got a link" in refused(zipped((link, b"/etc"), ("photos/passwd", b"x")), tmp_path)


def test_no_bombs(tmp_path):
    assert "times its size" in refused(zipped(("kb.yaml", KB), ("bomb", b"\0" * 5_000_000)), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 2_000_000


def test_a_header_that_lies_about_its_size_gains_nothing(tmp_path):
    raw = bytearray(zipped(("bomb", b"\0" * 5_000_000)))
    directory = raw.rindex(b"PK\x01\x02")
    raw[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    refused(bytes(raw), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 2_000_000


def test_too_many_files_and_too_much(tmp_path):
    assert "at most 5000 files" in refused(zipped(*((f"{n}", b"") for n in range(5001))), tmp_path)
    noise = bytes(range(256)) * 256
    large = zipfile.ZipInfo("large")
    assert "larger than 64 MiB" in refused(zipped((large, noise * 1025)), tmp_path)


@pytest.mark.parametrize(
    "raw", [b"", b"PK\x03\x04", b"not a zip", zipped(("kb.yaml", KB))[:-30], zipped(("kb.yaml", KB))[5:-25]]
)
def test_what_is_no_zip(raw, tmp_path):
    assert "not a zip file" in refused(raw, tmp_path)


def test_damaged_bytes(tmp_path):
    raw = bytearray(zipped(("kb.yaml", KB * 50)))
    raw[40:50] = b"x" * 10
    assert "not a zip file that can be unpacked" in refused(bytes(raw), tmp_path)


def test_a_name_twice_would_hide_one(tmp_path):
    assert "twice" in refused(zipped(("kb.yaml", KB), ("KB.yaml", KB)), tmp_path)
    assert "twice" in refused(zipped(("kb.yaml", KB), ("kb.yaml", KB)), tmp_path)


def test_a_file_where_a_folder_is(tmp_path):
    assert "cannot be unpacked" in refused(zipped(("a", KB), ("a/b", KB)), tmp_path)
    assert "cannot be unpacked" in refused(zipped(("x" * 300, KB)), tmp_path)


def test_encrypted_and_odd_compression(tmp_path):
    raw = bytearray(zipped(("kb.yaml", KB)))
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refused(bytes(raw), tmp_path)
    odd = zipfile.ZipInfo("kb.yaml")
    odd.compress_type = zipfile.ZIP_LZMA
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(odd, KB)
    assert "usual compression" in refused(stream.getvalue(), tmp_path)


@pytest.mark.parametrize("names", [("readme.txt",), ("a/b/kb.yaml",), ("a/kb.yaml", "b/kb.yaml")])
def test_no_knowledge_base_in_it(names, tmp_path):
    assert "expected kb.yaml" in refused(zipped(*((name, KB) for name in names)), tmp_path)
