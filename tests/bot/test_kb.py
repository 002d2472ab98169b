"""`polydesk kb` with files that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.knowledge import diff, import_
from core.errors import BadInput, SettingsError


@pytest.mark.parametrize("name", ["missing.zip", "missing.csv", "MISSING.ZIP"])
def test_a_file_that_is_not_there_is_told_before_anything_is_opened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path / "data"))
    with pytest.raises(BadInput, match=rf"{name} cannot be read \(No such file or directory\): name a file"):
        import_(tmp_path / name)
    assert not (tmp_path / "data").exists()


def test_a_folder_with_the_name_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path / "data"))
    (tmp_path / "shop.zip").mkdir()
    with pytest.raises(BadInput, match=r"shop.zip cannot be read \(Is a directory\)"):
        import_(tmp_path / "shop.zip")


def test_a_data_folder_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").touch()
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path / "data"))
    with pytest.raises(SettingsError, match=r"POLYDESK_DATA: .*data cannot be made \(it is no folder\): name a folder"):
        diff()
