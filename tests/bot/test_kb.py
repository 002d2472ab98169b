"""`polydesk kb` with files that are not there."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.knowledge import diff, import_, lint, publish, rollback
from bot.commands.optimise import use
from bot.settings import Settings
from bot.wiring import KB_ID
from core import wire
from core.clock import WallClock
from core.errors import BadInput, Broken, SettingsError
from core.knowledge.entries import Release
from core.store.store import Store
from tests.workers.model import tiny
from workers.model import optimised
from workers.model.pooled import digest_of
from workers.model.trained import Trained
from workers.model.weights import minilm
from workers.models import packed
from workers.train.results import Counts, Promotion, Results, dumps


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


KB = """\
polydesk: 1
title: Shop
entries:
  - {id: order, question: where is my order, answer: On its way.}
"""


STRANGE = """\
polydesk: 1
title: Shop
language: xx
entries:
  - id: order
    question: where is my order
    variants: [track it, is it sent, my parcel, any news of my order, did it leave]
    answer: On its way.
cases:
  - {text: is my parcel on its way, expect: order}
  - {text: write a poem, expect: none}
"""


@pytest.mark.models
def test_one_entry_is_an_entry_and_no_encoder_is_loaded(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kb.yaml").write_text(STRANGE)
    # Given the language identifier alone
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "language").symlink_to(models_dir / "language")
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path))
    lint(tmp_path)
    told = capsys.readouterr()
    assert "the text encoder was not trained for xx" in told.out and told.err == "1 entry, 1 warning.\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with a release, whose workers have a small encoder of the operator's."""
    tiny.bert(tmp_path / "encoder")
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("POLYDESK_TEXT_MODEL", str(tmp_path / "encoder"))
    monkeypatch.setenv("POLYDESK_DEVICE", "cpu")
    (tmp_path / "kb.yaml").write_text(KB)
    import_(tmp_path / "kb.yaml")
    publish()
    return tmp_path


def live(place: Path) -> tuple[Release, bytes]:
    """The release in force with the model that it names."""

    async def look() -> tuple[Release, bytes]:
        settings = Settings(data=place / "data")
        store = await Store.open(settings.database, settings.blob_folder, WallClock())
        try:
            row = await store.read(lambda tx: tx.knowledge.live(KB_ID))
            assert row is not None
            release = wire.loads(Release, store.blobs.get(row.blob))
            return release, store.blobs.get(release.model) if release.model else b""
        finally:
            await store.close()

    return asyncio.run(look())


def trained(folder: Path, encoder: str) -> Path:
    Trained(encoder).save(folder)
    return folder


def optimised_folder(folder: Path, encoder: Path) -> Path:
    """A model with the operator's encoder exported."""
    of = digest_of(encoder)
    form = folder / "forms" / "text"
    form.mkdir(parents=True)
    shutil.copytree(encoder, folder / "work")  # `convert` takes what it finds
    minilm.convert(folder / "work", form)
    trained(folder, optimised.describe(form, of=of, way="fp32", kind=optimised.WORDPIECES, longest=64).digest)
    told = json.loads((folder / "model.json").read_text()) | {"forms": {of: "forms/text"}}
    (folder / "model.json").write_text(json.dumps(told))
    return folder


def test_a_model_is_published_kept_by_later_drafts_and_taken_back(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained(shop / "first", digest_of(shop / "encoder"))
    second = optimised_folder(shop / "second", shop / "encoder")
    publish(model=str(first))
    assert live(shop)[1] == packed(first) and live(shop)[0].number == 2
    publish(model=str(second))
    assert f"Release 3 is live. The model of {second} answers." in capsys.readouterr().err
    # Named again, or nothing: there is nothing to publish
    publish(model=str(second))
    publish()
    assert capsys.readouterr().err.count("nothing to publish") == 2
    # A changed draft keeps it
    (shop / "kb.yaml").write_text(KB.replace("On its way.", "Nearly there."))
    import_(shop / "kb.yaml")
    publish()
    assert live(shop)[0].number == 4 and live(shop)[1] == packed(second)
    publish(model="shipped")
    assert live(shop)[0].number == 5 and live(shop)[0].model == ""
    rollback(2)
    assert live(shop)[1] == packed(first)


def test_a_model_that_was_not_promoted_is_published_only_anyway(shop: Path) -> None:
    folder = trained(shop / "model", digest_of(shop / "encoder"))
    told = folder / "results.json"
    why = "it is worse on: the cases"
    results = Results("Shop", Counts(1, 1), 0.05, promotion=Promotion(False, why))
    told.write_text(dumps(results))
    with pytest.raises(BadInput, match=rf"not promoted \({why}\).* with --anyway") as said:
        publish(model=str(folder))
    assert "\n" not in str(said.value)
    told.write_text("{")
    with pytest.raises(BadInput, match=r"results\.json does not say .* with --anyway") as said:
        publish(model=str(folder))
    assert "\n" not in str(said.value) and live(shop)[0].number == 1
    publish(model=str(folder), anyway=True)
    assert live(shop)[0].number == 2 and live(shop)[1] == packed(folder)
    publish(model="shipped")
    told.write_text(dumps(replace(results, promotion=Promotion(True, "it is not worse in anything that was compared"))))
    publish(model=str(folder))
    assert live(shop)[0].number == 4 and live(shop)[1] == packed(folder)


def test_what_optimise_prints_in_the_end_is_a_command_that_publishes(shop: Path) -> None:
    folder = optimised_folder(shop / "small", shop / "encoder")
    assert use(folder) == f"use it: polydesk kb publish --model {folder}"
    # It has the judgement of the model that it was made of
    results = Results("Shop", Counts(1, 1), 0.05, promotion=Promotion(False, "it is worse on: the cases"))
    (folder / "results.json").write_text(dumps(results))
    with pytest.raises(BadInput, match="not promoted"):
        publish(model=str(folder))
    why, printed = use(folder).splitlines()
    assert "was not promoted (it is worse on: the cases)" in why
    assert printed == f"use it all the same: polydesk kb publish --model {folder} --anyway"
    publish(model=str(folder), anyway=True)
    assert live(shop)[1] == packed(folder)


def test_a_model_that_no_worker_could_use_is_not_published(shop: Path) -> None:
    other = trained(shop / "other", "text-other")
    torn = optimised_folder(shop / "torn", shop / "encoder")
    (torn / "forms" / "text" / "tokenizer.json").write_text("{}")
    (shop / "letters").mkdir()
    (shop / "letters" / "mum.txt").write_text("dear mum")
    for folder, says in (
        (other, "POLYDESK_TEXT_MODEL"),
        (torn, r"torn/forms/text is damaged: tokenizer\.json"),
        (shop / "letters", "letters holds no model"),
        (shop / "gone", "there is no folder"),
    ):
        with pytest.raises((BadInput, Broken), match=says) as said:
            publish(model=str(folder))
        assert "\n" not in str(said.value)
    assert live(shop)[0].number == 1
