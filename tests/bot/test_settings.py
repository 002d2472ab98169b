"""Settings: from the environment or a .env file, all problems at once, secrets unseen."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bot.settings import Settings, data_folder, load, secret_of
from core.errors import SettingsError


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("POLYDESK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_anything_set_the_data_lies_beside_the_working_folder(tmp_path: Path) -> None:
    settings = load()
    assert settings.data == tmp_path / "var"
    assert settings.database == f"sqlite:///{tmp_path}/var/polydesk.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)


def test_the_env_file_of_the_project_root_counts_from_anywhere_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".env").write_text("POLYDESK_DATA=elsewhere\nPOLYDESK_PORT=9000\nPOLYDESK_TELEGRAM_TOKEN=\n")
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    settings = load()
    assert (settings.data, settings.port, settings.telegram_token) == (tmp_path / "elsewhere", 9000, None)


def test_every_problem_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDESK_PORT", "99999")
    monkeypatch.setenv("POLYDESK_DESK", "slack:C1")
    monkeypatch.setenv("POLYDESK_BLOBS", "s3://bucket")
    monkeypatch.setenv("POLYDESK_SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("POLYDESK_TELEGRAM_WEBHOOK_URL", "https://example.com")
    monkeypatch.setenv("POLYDESK_DATABASE_URL", "postgresql://localhost/polydesk")
    with pytest.raises(SettingsError) as caught:
        load()
    named = {problem.split(":")[0].split(" ")[0] for problem in caught.value.problems}
    assert named == {
        "POLYDESK_PORT",
        "POLYDESK_DESK",
        "POLYDESK_BLOBS",
        "POLYDESK_SLACK_BOT_TOKEN",
        "POLYDESK_TELEGRAM_WEBHOOK_URL",
        "POLYDESK_SECRET",
    }


def test_what_cannot_be_used_later_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "DATABASE_URL": "nonsense-secret",
        "REDIS_URL": "nonsense-secret",
        "DEVICE": "tpu",
        "BLOBS": "s3://x",
        "RETENTION_DAYS": "soon",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(f"POLYDESK_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert {problem.split(":")[0] for problem in caught.value.problems} == {f"POLYDESK_{name}" for name in wrong}
    assert "nonsense-secret" not in str(caught.value)


def test_the_home_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDESK_DATA", "~no-such-user/polydesk")
    monkeypatch.setenv("POLYDESK_BLOBS", "~no-such-user/blobs")
    with pytest.raises(SettingsError) as caught:
        load()
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["POLYDESK_DATA", "POLYDESK_BLOBS"]


@pytest.mark.parametrize("name", ["data", "file/below"])
def test_a_data_folder_that_cannot_be_made(name: str, tmp_path: Path) -> None:
    (tmp_path / name.partition("/")[0]).touch()
    with pytest.raises(SettingsError, match=rf"POLYDESK_DATA: .*{name} cannot be made \(.+\): name a folder"):
        data_folder(load(data=tmp_path / name))


@pytest.mark.parametrize("url", ["redis://localhost:abc", "redis://:very#secret@localhost:6379/0", "redis://[::1/0"])
def test_brokers_whose_address_cannot_be_read(url: str) -> None:
    with pytest.raises(
        SettingsError, match="POLYDESK_REDIS_URL: its host or port cannot be read: write redis://"
    ) as caught:
        load(redis_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["hooks.example.com", "https://", "ftp://h/very-secret", "http://[::1/", "http://h:x/"])
def test_webhooks_that_cannot_be_called(url: str) -> None:
    with pytest.raises(SettingsError, match="POLYDESK_NOTIFY_URL: expected an address like https://") as caught:
        load(notify_url=url)
    assert "very-secret" not in str(caught.value)


def test_a_webhook_is_kept_as_written() -> None:
    found = load(notify_url="https://hooks.example.com/a/?key=1").notify_url
    assert found is not None and found.get_secret_value() == "https://hooks.example.com/a/?key=1"


@pytest.mark.parametrize(
    ("given", "read"),
    [("", ""), ("*", "*"), (" 10.0.0.0/8, ::1 ,127.0.0.1,", "10.0.0.0/8,::1,127.0.0.1"), ("fd00::/8", "fd00::/8")],
)
def test_proxies_that_uvicorn_can_compare(given: str, read: str) -> None:
    assert load(trusted_proxies=given).trusted_proxies == read


@pytest.mark.parametrize("given", ["nginx", "10.0.0.1/8", "127.0.0.1 10.0.0.1", "*,127.0.0.1", "10.0.0.1:80"])
def test_proxies_that_no_address_ever_is(given: str) -> None:
    with pytest.raises(SettingsError, match=r"POLYDESK_TRUSTED_PROXIES: .*expected addresses or networks such as"):
        load(trusted_proxies=given)


def test_the_public_address_ends_without_a_slash() -> None:
    assert load(public_url="https://support.example.com/").address == "https://support.example.com"
    assert load(public_url="https://example.com/support//").address == "https://example.com/support"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("localhost", "http://localhost:8080"),
    ],
)
def test_where_this_machine_finds_the_gateway(host: str, url: str) -> None:
    settings = load(host=host)
    assert settings.local_url == settings.address == url


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "postgresql:/h/d"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="POLYDESK_DATABASE_URL"):
        load(database_url=url)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_devices_that_there_are(device: str) -> None:
    assert load(device=device).device == device


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:x", "gpu", "CUDA 1"])
def test_devices_that_there_are_not(device: str) -> None:
    with pytest.raises(SettingsError, match="POLYDESK_DEVICE: expected auto, cpu"):
        load(device=device)


def test_names_that_are_no_settings_are_told_with_the_nearest_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given slips in both places, and names that are ours without being settings
    (tmp_path / ".env").write_text("POLYDESK_TELEGRAM_TOKN=1:x\nOTHER_TOKN=1\n")
    for name in ("POLYDESK_RETENTION", "POLYDESK_LEASH", "POLYDESK_NEW_PASSWORD", "POLYDESK_PORT"):
        monkeypatch.setenv(name, "7")
    load()
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(" ")[0] for line in lines) == ["POLYDESK_RETENTION", "POLYDESK_TELEGRAM_TOKN"]
    assert any(line.endswith("was POLYDESK_TELEGRAM_TOKEN meant?") for line in lines)
    assert "1:x" not in "".join(lines)


def test_secrets_show_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDESK_TELEGRAM_TOKEN", "123:very-secret")
    monkeypatch.setenv("POLYDESK_DATABASE_URL", "sqlite:///very-secret.db")
    assert "very-secret" not in repr(load())


@pytest.mark.parametrize(("given", "driver"), [("postgres://h/d", "postgresql+psycopg"), ("sqlite:///x.db", "sqlite")])
def test_the_driver_is_named_for_the_operator(given: str, driver: str) -> None:
    assert load(database_url=given, secret="s" * 20).database.startswith(driver)


def test_the_secret_is_made_once_for_the_owner_only() -> None:
    settings = load()
    first = secret_of(settings)
    assert first == secret_of(settings) and len(first) > 30
    assert stat.S_IMODE((settings.data / "secret").stat().st_mode) == 0o600


def test_the_readme_knows_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    missing = [name for name in Settings.model_fields if f"POLYDESK_{name.upper()}" not in readme]
    assert missing == []
