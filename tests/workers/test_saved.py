"""A file that only saves time: whatever becomes of it, values are right or unknown."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.errors import Broken
from workers.saved import Saved, Words

WORDS = Words("what was made", anew="it is made again", without="it will be made again")
VALUES = {f"key {n}": bytes([n]) * 1536 for n in range(100)}


def saved(path: Path, said: list[str] | None = None) -> Saved:
    return Saved(path, "made", WORDS, (said if said is not None else []).append)


def filled(path: Path) -> Path:
    one = saved(path)
    one.put(VALUES)
    one.close()
    return path


def works(one: Saved) -> bool:
    """Whether what is put now is there, for whoever opens the file next too."""
    one.put(VALUES)
    other = saved(one._path)
    try:
        return one.get([*VALUES]) == other.get([*VALUES]) == VALUES
    finally:
        other.close()


@pytest.mark.parametrize("size", [0, 1, 99, 100, 4096, 5000, 60_000])
def test_a_file_that_was_cut_off_costs_time_only(tmp_path: Path, size: int) -> None:
    path = filled(tmp_path / "made.db")
    path.write_bytes(path.read_bytes()[:size])
    one = saved(path)
    assert one.get([*VALUES]).items() <= VALUES.items()
    assert works(one)
    one.close()


def test_damage_anywhere_costs_time_only(tmp_path: Path) -> None:
    whole, chance = filled(tmp_path / "whole.db").read_bytes(), random.Random(1)
    lost = 0
    for n in range(40):
        path = tmp_path / f"{n}.db"
        place, length = chance.randrange(len(whole)), chance.choice([1, 30, 400, 4096, 20_000])
        rubbish = chance.choice([bytes(length), b"\xff" * length, chance.randbytes(length)])
        path.write_bytes((whole[:place] + rubbish + whole[place + length :])[: len(whole)])
        one = saved(path)
        found = one.get([*VALUES])
        assert found.items() <= VALUES.items(), (place, length)
        lost += len(found) < len(VALUES)
        assert works(one), (place, length)
        one.close()
    assert lost > 20  # the damage was some


def test_a_value_that_is_not_what_was_put_is_unknown_alone(tmp_path: Path) -> None:
    path, said = filled(tmp_path / "made.db"), list[str]()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE made SET told = zeroblob(length(told)) WHERE key = 'key 7'")
        other.execute("UPDATE made SET told = 'words' WHERE key = 'key 8'")
        other.execute("UPDATE made SET told = (SELECT told FROM made WHERE key = 'key 1') WHERE key = 'key 9'")
    other.close()
    one = saved(path, said)
    assert {*VALUES} - {*one.get([*VALUES])} == {"key 7", "key 8", "key 9"} and not said
    assert works(one)
    one.close()


def test_a_file_of_an_earlier_form_is_begun_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "made.db") as other:
        other.execute("CREATE TABLE made (key TEXT PRIMARY KEY, told BLOB) WITHOUT ROWID")
    other.close()
    said: list[str] = []
    one = saved(tmp_path / "made.db", said)
    assert len(said) == 1 and "no such column" in said[0] and said[0].endswith("it is made again")
    assert works(one)
    one.close()


def test_others_go_on_when_one_begins_anew_then_meet_again(tmp_path: Path) -> None:
    """One has the damaged file open, another finds the damage first."""
    path, said = filled(tmp_path / "made.db"), list[str]()
    first = saved(path, said)
    assert first.get(["key 1"])
    with path.open("r+b") as file:
        file.seek(0)
        file.write(b"\xff" * path.stat().st_size)
    second = saved(path, said)
    assert len(said) == 1 and not second.get(["key 1"])
    second.put({"new": b"second"})
    file_now = path.stat().st_ino
    # The first meets the damage: it takes what the second has begun
    assert first.get([*VALUES, "new"]).items() <= VALUES.items()
    assert first.get(["new"]) == {"new": b"second"}
    assert path.stat().st_ino == file_now
    first.put({"too": b"first"})
    assert second.get(["new", "too"]) == {"new": b"second", "too": b"first"}
    first.close()
    second.put({"last": b"second"})
    assert second.get(["last", "too"]) == {"last": b"second", "too": b"first"}
    second.close()


def test_the_file_of_another_may_be_gone_while_one_writes(tmp_path: Path) -> None:
    path = filled(tmp_path / "made.db")
    first = saved(path)
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink()
    second = saved(path)
    second.put({"new": b"second"})
    first.put({"old": b"first"})
    assert first.get(["old", "key 1"]) == {"old": b"first", "key 1": VALUES["key 1"]}
    first.close()  # takes nothing away from the second
    second.put({"newer": b"second"})
    third = saved(path)
    assert third.get(["new", "newer", "old"]) == {"new": b"second", "newer": b"second"}
    third.close()
    second.close()


PROCESS = """
import sys
from pathlib import Path
from tests.workers.test_saved import saved
name, files = sys.argv[1], sys.argv[2:]
print("ready", flush=True)
sys.stdin.readline()
for file in files:
    one = saved(Path(file))
    for n in range(5):
        one.put({f"{name} {n}": name.encode() * 400})
    assert len(one.get([f"{name} {n}" for n in range(5)])) == 5
"""


def test_processes_that_find_the_damage_at_once_share_one_file(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.db" for n in range(30)]
    for file in files:
        file.write_bytes(b"nothing like a database" * 1000)
    commands = [[sys.executable, "-c", PROCESS, name, *map(str, files)] for name in "abc"]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(one, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for one in commands]
    for one in running:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [(one.communicate(timeout=60)[1], one.returncode) for one in running] == [("", 0)] * 3
    for file in files:
        last = saved(file)
        assert len(last) == 15, file
        last.close()


def test_a_locked_file_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.saved._WAIT", 0.05)
    path, said = filled(tmp_path / "made.db"), list[str]()
    one = saved(path, said)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = path.stat().st_ino
    one.put({"new": b"told"})
    assert len(said) == 1 and "locked" in said[0] and said[0].endswith("it will be made again")
    assert one.get([*VALUES, "new"]) == VALUES and path.stat().st_ino == before
    other.execute("ROLLBACK")
    other.close()
    one.put({"new": b"told"})
    assert not one.get(["new"])  # it is left alone for a while
    monkeypatch.setattr("workers.saved.time.monotonic", lambda: 1e12)
    one.put({"new": b"told"})
    assert one.get(["new"]) and len(said) == 1
    one.close()


def test_a_full_disk_stops_writing_until_there_is_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    one = saved(tmp_path / "made.db", said)
    one.put({"before": b"told"})
    assert one._database is not None
    (pages,) = one._database.execute("PRAGMA page_count").fetchone()
    one._database.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then does what it does on a full disk
    for _ in range(2):
        one.put(VALUES)
    assert len(said) == 1 and "disk is full" in said[0]
    assert one.get([*VALUES, "before"]) == {"before": b"told"}
    one._database.execute(f"PRAGMA max_page_count = {pages + 1000}")
    monkeypatch.setattr("workers.saved.time.monotonic", lambda: 1e12)
    assert works(one)
    one.close()


NO_SPACE = """
import resource, sys
from pathlib import Path
from tests.workers.test_saved import VALUES, saved
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
said = []
one = saved(Path(sys.argv[1]), said)
one.put(VALUES)
assert not one.get([*VALUES]) and len(said) == 1 and "cannot be kept" in said[0], said
one.close()
"""


def test_one_that_starts_without_space_goes_on_without_the_file(tmp_path: Path) -> None:
    """Not a byte can be written, which the system refuses as it does on a full disk."""
    done = subprocess.run([sys.executable, "-c", NO_SPACE, tmp_path / "made.db"], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_place_that_can_never_hold_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "made.db").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "made.db", tmp_path / "file" / "made.db", Path("/proc/nowhere/made.db")):
        with pytest.raises(Broken, match=r"made\.db .*free space there, or let this user write there"):
            saved(path)


def test_threads_share_it(tmp_path: Path) -> None:
    one = saved(tmp_path / "made.db")
    threads = [threading.Thread(target=one.put, args=({key: told},)) for key, told in VALUES.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.get([*VALUES]) == VALUES
    one.close()
    assert one.get([*VALUES]) == {} and len(one) == 0
    one.put(VALUES)  # is no error either
