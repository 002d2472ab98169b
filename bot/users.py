"""People of the console: their passwords, and the first admin."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.settings import Settings, data_folder
from core.clock import WallClock
from core.errors import BadInput
from core.store.store import Store

FIRST = "admin"
SHORTEST = 10

_hasher = PasswordHasher()


def hashed(password: str) -> str:
    """The argon2id hash of a password.

    Raises:
        BadInput: too short.
    """
    if len(password) < SHORTEST:
        raise BadInput(f"the password is too short: choose at least {SHORTEST} characters")
    return _hasher.hash(password)


def matches(password: str, known: str) -> bool:
    """Whether a password belongs to a hash; takes its time on purpose, so call it in a thread."""
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


async def first_admin(settings: Settings) -> str:
    """Make the first admin where there is nobody yet; returns the generated password, or nothing."""
    data_folder(settings)
    store = await Store.open(settings.database, settings.blob_folder, WallClock())
    try:
        if await store.read(lambda tx: tx.users.list()):
            return ""
        password = secrets.token_urlsafe(12)
        known = hashed(password)
        await store.write(lambda tx: tx.users.add(FIRST, "admin", known))
        return password
    finally:
        await store.close()
