"""The README says what exists: every command and platform, and each command it shows is one that runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from adapters.registry import BUILT_IN
from adapters.web.door import BODY
from bot.cli import app
from bot.console.guard import UPLOAD, WHOLE
from bot.settings import Settings

README = (Path(__file__).parents[1] / "README.md").read_text()
ROOT = typer.main.get_command(app)


def commands(command: Any, path: str = "") -> dict[str, Any]:
    """Every command by its words, groups left out."""
    if not hasattr(command, "commands"):
        return {path.strip(): command}
    found: dict[str, Any] = {}
    for name, child in command.commands.items():
        found |= commands(child, f"{path} {name}")
    return found


def shown() -> list[str]:
    """The `polydesk ...` lines of the code blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.split("#")[0] for block in blocks for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if part.strip().startswith("polydesk ")]


@pytest.mark.parametrize("name", sorted(commands(ROOT)))
def test_every_command_is_in_the_readme(name: str) -> None:
    table = README.split("## Commands")[1].split("\n## ")[0]
    group, _, verb = name.rpartition(" ")
    rows = [row for row in table.splitlines() if f"polydesk {group or verb}" in row]
    assert any(re.search(rf"`[^`]*\b{verb}\b", row) for row in rows), f"the README's commands do not name `{name}`"


@pytest.mark.parametrize("platform", sorted(BUILT_IN))
def test_every_platform_is_in_the_readme(platform: str) -> None:
    assert f"adapters/{platform}" in README or f"## {platform.capitalize()}" in README or f"the {platform}" in README


@pytest.mark.parametrize("line", shown())
def test_every_shown_command_is_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    known = commands(ROOT)
    (verbs,) = [count for count in (1, 2) if " ".join(words[:count]) in known]
    name = " ".join(words[:verbs])
    # Parsing raises for an unknown option or a missing argument; nothing is run.
    known[name].make_context(name, words[verbs:])


def test_every_option_in_the_table_exists() -> None:
    said = set(re.findall(r"--[a-z][a-z-]+", README.split("## Commands")[1].split("\n## ")[0]))
    assert said <= {option for command in commands(ROOT).values() for param in command.params for option in param.opts}


def targets() -> set[str]:
    """Every `make X`, in code blocks and in sentences."""
    code = "\n".join([*re.findall(r"^```.*?^```", README, re.DOTALL | re.MULTILINE), *re.findall(r"`[^`\n]+`", README)])
    return set(re.findall(r"\bmake ([a-z-]+)", code))


@pytest.mark.parametrize("target", sorted(targets()))
def test_every_make_target_exists(target: str) -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} is in the README, not in the Makefile"


def test_the_targets_of_sentences_are_seen() -> None:
    assert targets() >= {"up", "test", "check", "audit", "fuzz"}


def test_a_setting_that_changes_nothing_is_said_to() -> None:
    bot = Path(__file__).parents[1] / "bot"
    code = "\n".join(path.read_text() for path in bot.rglob("*.py") if path.name != "settings.py")
    code += (bot / "settings.py").read_text().split("def postgres")[1]  # behind the checks
    idle = {name for name in Settings.model_fields if not re.search(rf"\b(settings|self)\.{name}\b", code)}
    assert idle == {"desk"}
    (row,) = [line for line in README.splitlines() if line.startswith("| `POLYDESK_DESK`")]
    assert "only `web` so far" in row


def test_a_proxy_set_up_as_shown_lets_everything_through() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m", README)
    assert int(megabytes) * 1024 * 1024 >= max(WHOLE, BODY, UPLOAD)
