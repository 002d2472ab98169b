"""What is installed is what was pinned, under licences we can live with, without known holes: `make audit`.

Everything but the last question is answered offline. Advisories are asked of the package index by pip-audit; where its
service does not answer, the audit says so and passes no judgement.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
REVIEWED = Path(__file__).with_name("reviewed.toml")
OURS = "polydesk"
_TOOLS = ("pip", "setuptools", "wheel")  # they come with the environment
_SECONDS = 300.0  # for all advisories
_COPYLEFT = re.compile(
    r"\b(A?GPL|LGPL|MPL|EPL|EUPL|CDDL|OSL|SSPL|CC-BY-SA|CC-BY-NC)\b|General Public|Mozilla Public", re.I
)
_PERMISSIVE = re.compile(
    r"\b(MIT|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|Unlicense|CC0|BSL-1\.0|HPND|CNRI-Python)\b", re.I
)

Installed = Mapping[str, Distribution]


def installed(path: Iterable[str] | None = None) -> dict[str, list[Distribution]]:
    """Canonical name -> its distributions, which should be one."""
    found: dict[str, list[Distribution]] = defaultdict(list)
    places = set()
    for one in distributions() if path is None else distributions(path=list(path)):
        place = getattr(one, "_path", None)  # a folder may stand on sys.path twice
        if one.name and place not in places:
            places.add(place)
            found[canonicalize_name(one.name)].append(one)
    return dict(found)


def pins(text: str) -> dict[str, Version]:
    """Canonical name -> version of a file of `name==version` lines."""
    read = (Requirement(line) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {canonicalize_name(one.name): Version(str(one.specifier).removeprefix("==")) for one in read}


def ours(project: Mapping[str, Any]) -> list[str]:
    """The requirements that pyproject.toml names, those of every extra too."""
    return [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]


def needed(roots: Iterable[str], known: Installed) -> dict[str, list[Requirement]]:
    """Canonical name -> the requirements that name it, among these and those of everything that they bring along."""
    found: dict[str, list[Requirement]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    waiting = [(line, "") for line in roots]
    while waiting:
        line, extra = waiting.pop()
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        found[name].append(wanted)
        for more in ("", *wanted.extras):
            if name in known and (name, more) not in seen:
                seen.add((name, more))
                waiting += [(one, more) for one in known[name].requires or ()]
    return dict(found)


def unpinned(roots: Iterable[str], pinned: Mapping[str, Version], found: Mapping[str, list[Distribution]]) -> list[str]:
    """A sentence for everything that is missing, too much, doubled or of another version than it should be.

    What a pinned distribution itself demands to the digit (torch does so with its CUDA libraries) counts as pinned.
    """
    wanted = needed(roots, {name: many[0] for name, many in found.items()})
    wrong = [f"{name} is needed and not installed" for name in sorted(wanted) if name not in found]
    for name, many in sorted(found.items()):
        versions = sorted({one.version for one in many})
        if len(versions) > 1 or (len(many) > 1 and name != OURS):
            wrong.append(f"{name} is installed {len(many)} times ({', '.join(versions)}): remove all, install it once")
        if name == OURS or name in _TOOLS:
            continue
        version = Version(Version(versions[0]).public)  # torch 2.13.0+cpu is torch 2.13.0
        if name not in wanted:
            wrong.append(f"{name} {version} is installed and nothing needs it: pip uninstall {name}")
        elif name in pinned:
            if version != pinned[name]:
                right = f"{name}=={pinned[name]}"
                wrong.append(f"{name} is {version}, constraints.txt says {pinned[name]}: pip install {right}")
        elif not any(str(one.specifier).startswith("==") for one in wanted[name]):
            wrong.append(f"{name} {version} is needed but not pinned: add it to constraints.txt")
    return wrong


def licence(one: Distribution) -> str:
    """What its metadata says: the SPDX expression, else the classifiers, else the first line of the free text."""
    said = one.metadata
    classifiers = [
        line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or () if line.startswith("License")
    ]
    named = ", ".join(line for line in classifiers if line != "OSI Approved")
    return said.get("License-Expression") or named or (said.get("License") or "").strip().partition("\n")[0]


def licences(found: Mapping[str, list[Distribution]], reviewed: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What is copyleft and was reviewed, for reading; then a sentence for each licence that was not."""
    noted, wrong = [], []
    for name, many in sorted(found.items()):
        text = licence(many[0])
        free = bool(_PERMISSIVE.search(text)) and not _COPYLEFT.search(text)
        entry = reviewed.get(name)
        if entry is None and not free:
            wrong.append(f"{name}: licence {text or 'not named'!r} was not reviewed: see {REVIEWED.name}")
        elif entry is not None and entry["licence"] != text:
            wrong.append(f"{name}: reviewed as {entry['licence']!r}, now it says {text!r}")
        elif entry is not None:
            noted.append(f"{name} ({text}): {entry['why']}")
    return noted, wrong + [f"{name} was reviewed and is not installed" for name in reviewed if name not in found]


def advisories(answer: Mapping[str, Any], reviewed: Mapping[str, Any]) -> tuple[int, list[str], list[str]]:
    """From pip-audit's JSON: how many distributions it looked up, what was reviewed, a sentence for each other hole."""
    looked, noted, wrong = 0, [], []
    for one in answer["dependencies"]:
        if "skip_reason" in one:
            continue
        looked += 1
        for hole in one["vulns"]:
            known = [name for name in (hole["id"], *hole.get("aliases", ())) if name in reviewed]
            named = f"{one['name']} {one['version']}: {hole['id']}"
            if known:
                entry = reviewed[known[0]]
                noted.append(f"{named}, reviewed {entry['on']}: {entry['why']}")
            else:
                wrong.append(f"{named}, mended in {', '.join(hole['fix_versions']) or 'no version yet'}")
    return looked, noted, wrong


def _asked(found: Installed) -> Mapping[str, Any] | None:
    """pip-audit's answer about this environment, None when its service was not reached.

    A mirror of the index often lacks advisories, which pip-audit counts as packages without any: so one package is
    looked up first, and all of them only where that one was known.
    """
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.txt"
        one.write_text(f"packaging=={found['packaging'].version}\n")
        first = _pip_audit("--requirement", str(one), "--no-deps", "--disable-pip")
    known = first is not None and any("vulns" in one for one in first["dependencies"])
    return _pip_audit("--skip-editable") if known else None


def _pip_audit(*options: str) -> Mapping[str, Any] | None:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--timeout", "5"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=_SECONDS, check=False)
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def main() -> int:
    """Print what was looked at; 1 when something is wrong."""
    reviewed = tomllib.loads(REVIEWED.read_text())
    found = installed()
    roots = ours(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
    wrong = unpinned(roots, pins((ROOT / "constraints.txt").read_text()), found)
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    wrong += checked.stdout.splitlines() if checked.returncode else []
    print(f"audit: {len(found)} distributions against constraints.txt and each other")
    noted, more = licences(found, reviewed.get("licences", {}))
    wrong += more
    print(f"audit: licences: {len(noted)} are not plainly permissive, each reviewed", *noted, sep="\n  ")
    answer = _asked({name: many[0] for name, many in found.items()})
    looked, noted, more = advisories(answer, reviewed.get("advisories", {})) if answer else (0, [], [])
    wrong += more
    if looked == 0:
        print("audit: advisories NOT REACHED: known vulnerabilities were not looked for")
    else:
        left = len(found) - looked
        print(f"audit: advisories looked up for {looked} distributions, not for {left}", *noted, sep="\n  ")
    for line in wrong:
        print(f"audit: WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
