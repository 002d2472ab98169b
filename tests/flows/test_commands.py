"""The commands of DESIGN section 6, typed as users type them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.knowledge.files import load
from tests.flows.conftest import DEMO
from tests.flows.installation import environment

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKED = {
    "decision", "entry", "intent", "confidence", "answer", "reason", "builtin", "top", "candidates", "transcript",
    "ocr", "language", "evidence", "model", "kb",
}  # fmt: skip


class Shell:
    """Types `polydesk ...` on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    async def runs(self, *words: str | Path, status: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bot", *map(str, words)],
            cwd=self.data,
            env=environment(self.data, **settings),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # no terminal to ask at
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == status, (words, done.returncode, done.stdout[-1000:], done.stderr[-3000:])
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Shell:
    """With the models in place."""
    data = tmp_path_factory.mktemp("commands")
    (data / "models").symlink_to(models_dir)
    return Shell(data)


@pytest.fixture
def fresh(tmp_path: Path, models_dir: Path) -> Shell:
    """A database of its own."""
    (tmp_path / "models").symlink_to(models_dir)
    return Shell(tmp_path)


async def test_ask_prints_one_object_with_the_keys_of_the_design(shell: Shell, tiny: Path) -> None:
    photo = DEMO / "photos" / "test-login.jpg"
    done = await shell.runs("ask", "--kb", tiny, "--text", "where is my order please?", "--photo", photo, "--json")
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert told.keys() == ASKED
    assert told["decision"] in ("answer", "clarify") and told["entry"] == "track-order" == told["top"][0][0]
    assert told["intent"] == "track-order" and told["builtin"] is None
    assert 0 <= told["confidence"] <= 1
    assert told["answer"] == ("Look at the tracking page." if told["decision"] == "answer" else None)
    assert len(told["top"]) <= 5
    assert [score for _, score in told["top"]] == sorted((score for _, score in told["top"]), reverse=True)
    assert {entry for entry, _ in told["top"]} <= {"track-order", "order-cancel", "opening-hours"}
    assert told["candidates"][0].keys() == {"entry", "score", "channels"}
    assert told["ocr"] and told["transcript"] == "" and told["language"] == "en"
    assert told["evidence"]["unread"] == []
    limits = told["evidence"]["threshold"]
    assert limits["guaranteed"] is False and 0 < limits["clarify_at"] <= limits["answer_at"] < 1
    card = told["evidence"]["card"]
    assert card.keys() - {"together"} == {"entry", "confidence", "answer_at", "clarify_at", "competitors", "pieces"}
    assert (card["entry"], card["confidence"]) == (told["entry"], told["confidence"])
    assert {piece["channel"] for piece in card["pieces"]} == {"text", "ocr"}
    assert all({"without", "moved"} < piece.keys() for piece in card["pieces"])


async def test_ask_refuses_bad_input_with_status_2(shell: Shell, tiny: Path) -> None:
    done = await shell.runs("ask", "--kb", tiny, status=2)
    assert "--text, --photo or --voice" in done.stderr.splitlines()[-1]
    done = await shell.runs("ask", "--kb", tiny, "--photo", "nowhere.jpg", status=2)
    assert "nowhere.jpg" in done.stderr.splitlines()[-1]


async def test_ask_without_models_or_registry_says_what_to_do(tmp_path: Path, tiny: Path) -> None:
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    done = await Shell(tmp_path).runs("ask", "--kb", tiny, "--text", "hello", status=1, **offline, PIP_FIND_LINKS="")
    assert "--from" in done.stderr.splitlines()[-1] or "--from" in done.stderr


async def test_evaluate_over_a_cases_file(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    # Given cases of which one is right, one out of scope, one broken
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0torn")
    cases = [
        {"text": "where is my order?", "expect": "track-order"},
        {"text": "please cancel my order", "expect": "order-cancel"},
        {"text": "how many calories does a banana have", "expect": "none"},
        {"photo": "torn.jpg", "expect": "track-order"},
        {"voice": str(DEMO / "voice" / "wheres-my-order.ogg"), "expect": "track-order"},
    ]
    file = tmp_path / "cases.jsonl"
    file.write_text("".join(json.dumps(case) + "\n" for case in cases))
    figures, lines = tmp_path / "figures.json", tmp_path / "lines.jsonl"
    done = await shell.runs("evaluate", "--kb", tiny, "--cases", file, "--json", figures, "--predictions", lines)
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [one["expect"] for one in told] == [case["expect"] for case in cases]
    wanted = {"expect", "decision", "entry", "confidence", "top", "transcript", "ocr"}
    assert [one.keys() - {"error"} for one in told] == [wanted] * 5
    assert told[0]["entry"] == "track-order" and told[1]["entry"] == "order-cancel"
    # The unreadable case gets an error, and the run went on.
    assert told[3]["error"] and (told[3]["decision"], told[3]["confidence"]) == ("escalate", 0)
    assert "where my order is" in told[4]["transcript"]
    measured = json.loads(figures.read_text())
    assert measured["cases"] == 5 and 0.4 <= measured["accuracy"] <= 1.0
    # What became of them is shown by what they came as.
    shown = {
        row[0]: row[1:] for row in map(str.split, done.stdout.splitlines()) if row and row[0] in measured["channels"]
    }
    assert shown["photo"] == ["1", "0", "%", "0", "0", "1", "0", "of", "0"]
    for name, one in measured["channels"].items():
        decided = [str(one["decisions"][kind]) for kind in ("answer", "clarify", "escalate")]
        assert shown[name][0] == str(one["cases"]) and shown[name][3:6] == decided


async def test_evaluate_refuses_a_malformed_cases_file(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text('{"text": "a", "expect": "track-order"}\n{"text": "b", "expect": "no-such-entry"}\n')
    done = await shell.runs("evaluate", "--kb", tiny, "--cases", file, status=2)
    assert "cases.jsonl:2" in done.stderr and "expect" in done.stderr


async def test_what_cannot_be_written_is_refused_before_the_work(fresh: Shell, tiny: Path, tmp_path: Path) -> None:
    await fresh.runs("kb", "import", tiny)
    (tmp_path / "file").write_text("kept")
    nowhere = tmp_path / "nowhere" / "out.csv"
    for words in (
        ("evaluate", "--kb", tiny, "--json", nowhere),
        ("evaluate", "--kb", tiny, "--predictions", tmp_path),
        ("kb", "export", nowhere),
        ("kb", "export", tmp_path / "file" / "folder"),
        ("db", "backup", nowhere),
    ):
        done = await fresh.runs(*words, status=2)
        assert str(words[-1]) in done.stderr.splitlines()[-1] and "cannot be written" in done.stderr
        assert done.stdout == ""
    # And a try leaves nothing behind, not even where one target is right.
    await fresh.runs("evaluate", "--kb", tiny, "--json", tmp_path / "figures.json", "--predictions", nowhere, status=2)
    assert not (tmp_path / "figures.json").exists() and (tmp_path / "file").read_text() == "kept"


async def test_a_draft_that_is_live_is_not_published_again(fresh: Shell, tiny: Path) -> None:
    await fresh.runs("kb", "import", tiny)
    await fresh.runs("kb", "publish")
    again = await fresh.runs("kb", "publish", "--note", "nothing new")
    assert "The draft is what is live: nothing to publish." in again.stderr
    # A change is news.
    (fresh.data / "new").mkdir()
    text = (tiny / "kb.yaml").read_text()
    (fresh.data / "new" / "kb.yaml").write_text(text.replace("From nine to five.", "Never."))
    await fresh.runs("kb", "import", fresh.data / "new")
    assert "Release 2 is live." in (await fresh.runs("kb", "publish")).stderr


async def test_a_knowledge_base_goes_round(fresh: Shell, tiny: Path, tmp_path: Path) -> None:
    # Given a first release
    await fresh.runs("kb", "import", tiny)
    assert "Release 1 is live" in (await fresh.runs("kb", "publish")).stderr
    # When a change is imported, it is a draft until it is published
    changed = tmp_path / "changed"
    changed.mkdir()
    written = (tiny / "kb.yaml").read_text()
    (changed / "kb.yaml").write_text(written.replace("From nine to five.", "From eight to four."))
    await fresh.runs("kb", "import", changed)
    assert "opening-hours" in (await fresh.runs("kb", "diff")).stdout
    assert "Release 2 is live" in (await fresh.runs("kb", "publish", "--note", "new hours")).stderr
    # When it is rolled back, the old release is live under a new number, and exports as it came
    assert "Release 3 is live; it is release 1 again." in (await fresh.runs("kb", "rollback", "1")).stderr
    await fresh.runs("kb", "export", "--live", tmp_path / "out")
    exported = (tmp_path / "out" / "kb.yaml").read_text()
    assert "From nine to five." in exported and "From eight to four." not in exported
    assert load(tmp_path / "out").entries == load(tiny).entries
    # A spreadsheet too, of the draft, which the rollback left alone.
    await fresh.runs("kb", "export", tmp_path / "out.csv")
    assert "From eight to four." in (tmp_path / "out.csv").read_text()


async def test_lint_names_both_entries_and_refuses_what_is_malformed(shell: Shell, tmp_path: Path) -> None:
    entry = "  - id: {}\n    question: Where is my order?\n    variants: [track it]\n    answer: Look.\n"
    head = "polydesk: 1\ntitle: Twice\nlanguage: en\nentries:\n"
    (tmp_path / "kb.yaml").write_text(head + entry.format("first") + entry.format("second"))
    done = await shell.runs("kb", "lint", tmp_path)
    assert any("first" in line and "second" in line for line in done.stdout.splitlines())
    (tmp_path / "kb.yaml").write_text(head + entry.format("none"))
    done = await shell.runs("kb", "lint", tmp_path, status=2)
    assert "kb.yaml:5" in done.stderr and "none" in done.stderr


async def test_lint_and_import_agree_about_a_photo_that_is_none(fresh: Shell, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mug.jpg").write_text("<html>not a mug</html>")
    file = tmp_path / "small.yaml"
    file.write_text((tiny / "kb.yaml").read_text() + "cases:\n  - {photo: mug.jpg, expect: track-order}\n")
    for command in ("lint", "import"):
        done = await fresh.runs("kb", command, file, status=2)
        line = file.read_text().count("\n")
        assert done.stderr.startswith(f'small.yaml:{line}: cases[0].photo: "mug.jpg" is a document; expected a photo')
    await fresh.runs("kb", "export", tmp_path / "out", status=2)  # nothing was imported


async def test_models_are_prepared_once(shell: Shell) -> None:
    # Without a registry in reach: nothing is fetched, since everything is there.
    for _ in range(2):
        done = await shell.runs("models", "prepare", PIP_NO_INDEX="1", PIP_INDEX_URL="http://127.0.0.1:9/simple")
        assert "Preparing" not in done.stderr
        assert done.stderr.splitlines()[-1] == "Everything is prepared."
    # A folder that is none is a mistake whatever is prepared.
    done = await shell.runs("models", "prepare", "--from", "/nope", status=2)
    assert "/nope is no folder" in done.stderr.splitlines()[-1]


async def test_people_and_a_backup_come_back(fresh: Shell, tiny: Path, tmp_path: Path) -> None:
    await fresh.runs("kb", "import", tiny)
    await fresh.runs("kb", "publish")
    added = await fresh.runs("user", "add", "grace", "--role", "agent", POLYDESK_NEW_PASSWORD="correct horse battery")
    assert "grace can log in now, as agent." in added.stderr
    short = await fresh.runs("user", "add", "bob", status=2, POLYDESK_NEW_PASSWORD="short")
    assert "at least 10 characters" in short.stderr.splitlines()[-1]
    await fresh.runs("user", "password", "grace", POLYDESK_NEW_PASSWORD="another horse battery")
    # When everything is backed up and lost
    archive = tmp_path / "polydesk.backup"
    await fresh.runs("db", "backup", archive)
    other = Shell(tmp_path / "other")
    other.data.mkdir()
    await other.runs("db", "restore", archive)
    # Then the other folder has it all; a second restore does not overwrite it unasked.
    assert "The draft is what is live." in (await other.runs("kb", "diff")).stdout
    assert "1 console users" in (await other.runs("doctor", status=1)).stdout
    refused = await other.runs("db", "restore", archive, status=2)
    assert "--force" in refused.stderr.splitlines()[-1]


async def test_doctor_finds_what_is_wrong(fresh: Shell, tmp_path: Path) -> None:
    done = await fresh.runs("doctor")
    assert "All is well." in done.stderr
    assert "✓ models: prepared" in done.stdout and "telegram: not configured (POLYDESK_TELEGRAM_TOKEN)" in done.stdout
    # Nobody listens there.
    wrong = {"POLYDESK_REDIS_URL": "redis://127.0.0.1:9/0", "POLYDESK_TELEGRAM_TOKEN": "1:x"}
    done = await fresh.runs("doctor", status=1, POLYDESK_TELEGRAM_API_URL="http://127.0.0.1:9", **wrong)
    assert "✗ broker: POLYDESK_REDIS_URL cannot be reached" in done.stdout
    assert "✗ telegram" in done.stdout
    # The platform says what to look at; the last line, what to begin with.
    assert "check this machine's network, a proxy on the way (HTTPS_PROXY) and POLYDESK_TELEGRAM_API_URL" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last == "2 of 10 checks failed; mend broker first: start that server, or correct the address"


async def test_doctor_begins_with_the_models(tmp_path: Path) -> None:
    done = await Shell(tmp_path).runs("doctor", status=1)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("1 of 10 checks failed; mend models first: polydesk models prepare")


@pytest.mark.parametrize(
    ("words", "command", "why"),
    [
        (["--bogus"], "polydesk", "No such option: --bogus"),
        (["nonsense"], "polydesk", "No such command 'nonsense'"),
        (["kb", "import"], "polydesk kb import", "Missing argument 'path'"),
        (["up", "--port", "99999"], "polydesk up", "Invalid value for '--port'"),
        (["kb", "impord", "x"], "polydesk kb", "Did you mean 'import'?"),
    ],
)
async def test_a_misused_command_ends_with_a_sentence(tmp_path: Path, words: list[str], command: str, why: str) -> None:
    done = await Shell(tmp_path).runs(*words, status=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{command}: ") and why in line and line.endswith(f"see {command} --help")


async def test_without_a_command_the_list_of_them_is_shown(tmp_path: Path) -> None:
    done = await Shell(tmp_path).runs("kb", status=2)
    assert "import" in done.stdout and done.stderr == "Choose one of the commands: polydesk kb COMMAND\n"


async def test_a_wrong_role_is_refused_before_the_password_is_asked_for(tmp_path: Path) -> None:
    done = await Shell(tmp_path).runs("user", "add", "bob", "--role", "wizard", status=2)
    assert done.stderr == "unknown role 'wizard': choose admin or agent\n"
    # Nobody is there to type one.
    for words in (("add", "bob"), ("password", "bob")):
        done = await Shell(tmp_path).runs("user", *words, status=2)
        assert done.stderr.splitlines()[-1] == (
            "no password was given: type one at a terminal, or set POLYDESK_NEW_PASSWORD"
        )


async def test_a_slip_in_a_settings_name_is_told_and_stops_nothing(fresh: Shell) -> None:
    done = await fresh.runs("doctor", POLYDESK_RETENTION_DAY="3")
    assert "POLYDESK_RETENTION_DAY is no setting" in done.stderr.splitlines()[0]
    assert "was POLYDESK_RETENTION_DAYS meant?" in done.stderr
