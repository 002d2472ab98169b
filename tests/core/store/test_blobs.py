"""Blobs lie under the name of what they hold, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import BadInput, Broken, Retry
from core.store.blobs import BlobFolder, Scratch, valid_sha


@pytest.fixture
def folder(tmp_path) -> BlobFolder:
    return BlobFolder(tmp_path / "blobs")


def test_bytes_come_back_under_their_hash(folder) -> None:
    for raw in (b"", b"a photo", os.urandom(300_000)):
        sha = folder.put(raw)
        assert sha == hashlib.sha256(raw).hexdigest()
        assert folder.exists(sha) and folder.get(sha) == raw
        assert folder.path(sha).parent.name == sha[2:4]
    assert len(list(folder.all())) == 3
    assert not list(folder.root.rglob(".new-*"))


def test_many_may_put_the_same_at_once(folder) -> None:
    raw = os.urandom(200_000)
    threads = [threading.Thread(target=folder.put, args=(raw,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (sha,) = folder.all()
    assert folder.get(sha) == raw


def test_putting_again_makes_it_look_new(folder) -> None:
    sha = folder.put(b"x")
    os.utime(folder.path(sha), (1, 1))
    assert (folder.age(sha, 101.0)) == 100.0
    file = folder.path(sha).stat().st_ino
    folder.put(b"x")
    assert folder.path(sha).stat().st_ino == file  # nothing was written
    age = folder.age(sha, time.time())
    assert age is not None and age < 60


def test_a_torn_blob_is_mended_by_putting_it_again(folder) -> None:
    sha = folder.put(b"whole")
    folder.path(sha).write_bytes(b"who")
    with pytest.raises(Broken, match="damaged"):
        folder.get(sha)
    assert folder.put(b"whole") == sha
    assert folder.get(sha) == b"whole"


def test_what_grew_without_a_name_is_put_and_read_line_by_line(folder) -> None:
    with folder.scratch() as file:
        file.write(b"one\n")
        assert list(folder.root.iterdir()) == []  # nothing of it is left, whoever kills us
        file.write(b"two\n")
        sha = file.put()
    assert list(folder.lines(sha)) == [b"one\n", b"two\n"] and folder.put(b"one\ntwo\n") == sha
    folder.path(sha).write_bytes(b"one\nbut\n")
    with pytest.raises(Broken, match="damaged"):
        next(folder.lines(sha))
    folder.delete(sha)
    with pytest.raises(Broken, match="missing"):
        next(folder.lines(sha))


def test_no_room_for_what_grows_is_said(folder) -> None:
    with closing(Scratch(folder, Path("/dev/full").open("wb"))) as file:
        with pytest.raises(Retry, match="no room"):
            for _ in range(100):
                file.write(b"more and more" * 100)
        file.write(b"a little")  # it is in memory still
        with pytest.raises(Retry, match="no room"):
            file.put()


def test_who_reads_what_is_to_be_written_fails_with_words_of_its_own(folder) -> None:
    with pytest.raises(ConnectionError, match="the database"), folder.scratch() as file:
        file.write(b"one\n")
        raise ConnectionError("the database was lost")


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", "a/" * 32])
def test_no_name_from_outside_leads_out_of_the_folder(folder, name) -> None:
    assert not valid_sha(name) and not folder.exists(name)
    for work in (folder.path, folder.get, folder.delete):
        with pytest.raises(BadInput):
            work(name)


def test_what_is_not_there_is_said_so(folder) -> None:
    sha = "0" * 64
    assert not folder.exists(sha) and folder.age(sha, 1.0) is None and list(folder.all()) == []
    folder.delete(sha)
    with pytest.raises(Broken, match="missing"):
        folder.get(sha)


def test_a_folder_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Broken):
        BlobFolder(tmp_path / "file").put(b"x")
    with pytest.raises(Broken), BlobFolder(tmp_path / "file").scratch():
        pass
