"""The commands that Telegram offers in its menu, in the languages that the bot speaks."""

from __future__ import annotations

from typing import Any

import structlog

from adapters.telegram.client import Client
from adapters.telegram.parse import COMMANDS
from core.errors import PolydeskError

log = structlog.get_logger()

_SAYS = {
    "": ("Start a conversation", "What I can do", "Talk to a person"),
    "de": ("Ein Gespräch beginnen", "Was ich kann", "Mit einem Menschen sprechen"),
    "es": ("Empezar una conversación", "Qué puedo hacer", "Hablar con una persona"),
    "fr": ("Commencer une conversation", "Ce que je sais faire", "Parler à une personne"),
    "it": ("Inizia una conversazione", "Cosa so fare", "Parla con una persona"),
    "nl": ("Een gesprek beginnen", "Wat ik kan", "Met een mens praten"),
    "pl": ("Rozpocznij rozmowę", "Co potrafię", "Porozmawiaj z człowiekiem"),
    "pt": ("Iniciar uma conversa", "O que sei fazer", "Falar com uma pessoa"),
}


def menus() -> dict[str, list[dict[str, str]]]:
    """The menu by language; the empty one is for everybody else."""
    return {
        language: [
            {"command": command, "description": description}
            for command, description in zip(COMMANDS, descriptions, strict=True)
        ]
        for language, descriptions in _SAYS.items()
    }


async def announce(client: Client) -> None:
    """Tell Telegram the menu: https://core.telegram.org/bots/api#setmycommands. The bot works without, too."""
    for language, commands in menus().items():
        arguments: dict[str, Any] = {"commands": commands, **({"language_code": language} if language else {})}
        try:
            await client.call("setMyCommands", arguments)
        except PolydeskError as problem:
            log.warning("telegram.no_menu", language=language, problem=str(problem))
            return
