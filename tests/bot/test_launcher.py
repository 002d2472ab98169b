"""The launcher's parts that need no models."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from redis import Redis

from bot.broker import embedded, running
from bot.launcher import Child, Launcher, must_be_free, not_free, only_one
from bot.settings import Settings
from core.errors import Broken, SettingsError
from workers.leash import LEASH


def test_the_broker_is_private_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with embedded(tmp_path / "run") as broker:
        assert broker.url.startswith("unix://")
        assert running(tmp_path / "run") == broker.url
        assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
        with Redis.from_url(broker.url) as redis:
            assert redis.ping()
            assert redis.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"  # type: ignore[index]
    assert not (tmp_path / "run" / "valkey.sock").exists()
    assert running(tmp_path / "run") == ""


def test_a_server_that_a_killed_launcher_left_is_replaced(tmp_path: Path) -> None:
    # Given a process that starts the broker and is killed
    code = (
        "import sys, time; from pathlib import Path; from bot.broker import embedded\n"
        f"with embedded(Path({str(tmp_path / 'run')!r})): print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        process.kill()
    # Then its server still runs, and the next start takes its place
    with Redis(unix_socket_path=str(tmp_path / "run" / "valkey.sock")) as stale:
        before = stale.info("server")["process_id"]  # type: ignore[index]
    with embedded(tmp_path / "run") as broker, Redis.from_url(broker.url) as redis:
        assert redis.info("server")["process_id"] != before  # type: ignore[index]
    assert not Path(f"/proc/{before}").exists()


def test_a_long_data_folder_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    with embedded(tmp_path / ("x" * 120)) as broker:
        assert len(broker.url) < 108


def test_a_broker_that_died_is_started_again_at_the_same_place(tmp_path: Path) -> None:
    with embedded(tmp_path / "run") as broker:
        assert not broker.revive()
        with Redis.from_url(broker.url) as redis:
            before = redis.info("server")["process_id"]  # type: ignore[index]
        # When it is killed
        os.kill(before, signal.SIGKILL)
        # Then the next look brings another one
        deadline = time.monotonic() + 10
        while not broker.revive():
            assert time.monotonic() < deadline
        with Redis.from_url(broker.url) as redis:
            assert redis.info("server")["process_id"] != before  # type: ignore[index]
        assert not broker.revive()


def test_one_launcher_a_data_folder(tmp_path: Path) -> None:
    with (
        only_one(Settings(data=tmp_path)),
        pytest.raises(Broken, match=rf"process {os.getpid()}"),
        only_one(Settings(data=tmp_path)),
    ):
        pass
    with only_one(Settings(data=tmp_path)):
        pass


def test_an_occupied_port_is_told_with_another_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Broken, match=f"port {port} .* --port {port + 1}"):
            must_be_free("127.0.0.1", port)
    must_be_free("127.0.0.1", port)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_a_port_of_ipv6_is_looked_at_as_one() -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Broken, match=f"port {port} on ::1 is taken by another program"):
            must_be_free("::1", port)
    must_be_free("::1", port)
    must_be_free("::", port)
    must_be_free("localhost", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "x" * 70])  # RFC 5737, RFC 3849
def test_an_address_of_another_machine(host: str) -> None:
    with pytest.raises(Broken, match=f"POLYDESK_HOST: {host} is no address of this machine"):
        must_be_free(host, 8080)


def test_each_reason_has_a_remedy() -> None:
    assert "--port 65534" in not_free("127.0.0.1", 65_535, OSError(errno.EADDRINUSE, ""))
    assert "port 80 on ::1 needs rights" in not_free("::1", 80, PermissionError(errno.EACCES, "Permission denied"))
    assert "(No buffer space available)" in not_free("::1", 80, OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS)))


def test_a_data_folder_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"POLYDESK_DATA: .*file cannot be made"):
        only_one(Settings(data=tmp_path / "file")).__enter__()
    (tmp_path / "data" / "up.lock").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"POLYDESK_DATA: .*data cannot be written \(Is a directory\)"):
        only_one(Settings(data=tmp_path / "data")).__enter__()


def test_children_end_when_the_launcher_is_killed() -> None:
    # Given a child on a leash
    read, write = os.pipe()
    code = "from workers.leash import hold; import time; hold(); print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, LEASH: str(read)}, pass_fds=(read,), stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    # When the other end closes, as the kernel does for a killed launcher
    os.close(write)
    os.close(read)
    assert process.wait(10) == -15
    process.stdout.close()


def test_a_child_writes_its_log_and_its_tail_can_be_told(tmp_path: Path) -> None:
    child = Child("text worker", (sys.executable, "-c", "print('the reason')"), dict(os.environ), tmp_path / "x.log")
    read, write = os.pipe()
    child.start(read)
    assert child.process is not None
    child.process.wait(10)
    os.close(read)
    os.close(write)
    assert not child.alive
    assert child.tail() == "the reason"
    assert threading.active_count() and time.monotonic() > child.started_at


def test_a_log_does_not_fill_the_disk(tmp_path: Path) -> None:
    child = Child("gateway", (), {}, tmp_path / "gateway.log")
    child.trim()  # there is none yet
    child.log.write_bytes(b"x" * (20 * 1024 * 1024 + 1))
    child.trim()
    assert child.log.stat().st_size == 0
    assert child.log.with_suffix(".log.1").stat().st_size > 20 * 1024 * 1024


def test_a_start_that_takes_too_long_says_what_is_missing(tmp_path: Path) -> None:
    launcher = Launcher(Settings(data=tmp_path), "redis://127.0.0.1:1", print)
    launcher.children = launcher.children[:1]
    launcher.children[0].command = (sys.executable, "-c", "import time; time.sleep(60)")
    launcher.start()
    try:
        with pytest.raises(Broken, match="no worker on the queue text"):
            launcher.wait(lambda: ["no worker on the queue text"], 0.3)
    finally:
        launcher.stop()


def test_who_is_late_keeps_nobody_waiting(tmp_path: Path) -> None:
    launcher = Launcher(Settings(data=tmp_path), "redis://127.0.0.1:1", print)
    sleeping = (sys.executable, "-c", "import time; time.sleep(60)")
    launcher.children = [child for child in launcher.children if child.name in ("text worker", "train worker")]
    for child in launcher.children:
        child.command = sleeping
    launcher.start()
    stop = threading.Event()
    watching = threading.Thread(target=launcher.watch, args=(stop,))
    try:
        launcher.wait(lambda: (), 5)
        assert [child.alive for child in launcher.children] == [True, False]
        watching.start()
        deadline = time.monotonic() + 10
        while not all(child.alive for child in launcher.children):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        watching.join(10)
        launcher.stop()
