"""Whether the installed app may do what its manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from adapters.slack.trouble import APPS
from core.errors import Broken


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes of the manifest that were not granted, and the granted ones that it does not ask for."""

    missing: frozenset[str]
    extra: frozenset[str]

    def told(self) -> str:
        """One sentence.

        Raises:
            Broken: scopes are missing; the message says which and what to do.
        """
        if self.missing:
            raise Broken(
                f"the app lacks {', '.join(sorted(self.missing))}: paste adapters/slack/manifest.yaml into {APPS} -> "
                "App Manifest, save, and install the app to the workspace again"
            )
        if self.extra:
            return f"all scopes granted, and unused ones: {', '.join(sorted(self.extra))}"
        return "all scopes granted"


@cache
def manifest_scopes() -> frozenset[str]:
    """The bot scopes that `manifest.yaml` asks for."""
    text = files("adapters.slack").joinpath("manifest.yaml").read_text("utf-8")
    return frozenset(yaml.safe_load(text)["oauth_config"]["scopes"]["bot"])


def compared(granted: frozenset[str]) -> Scopes:
    """Hold granted scopes against the manifest's."""
    wanted = manifest_scopes()
    return Scopes(wanted - granted, granted - wanted)
