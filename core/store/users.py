"""The room of users: who may log in to the console."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from core.errors import BadInput
from core.store.sql import Sql
from core.store.tables import users as table

ROLES = ("admin", "agent")


@dataclass(frozen=True, slots=True)
class User:
    """An admin or an agent; `password` is a hash, made elsewhere, and kept out of a repr."""

    name: str
    role: str
    password: str
    created_at: int
    disabled: bool = False

    def __repr__(self) -> str:
        return f"User(name={self.name!r}, role={self.role!r}, disabled={self.disabled})"


class Users:
    """Users of one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def add(self, name: str, role: str, password: str) -> User:
        """Add a user; `password` is its hash.

        Raises:
            BadInput: an empty or taken name, or a role that is neither admin nor agent.
        """
        if not name.strip():
            raise BadInput("a user needs a name")
        if role not in ROLES:
            raise BadInput(f"a user is one of: {', '.join(ROLES)}")
        user = User(name.strip(), role, password, self._sql.now)
        row = {column: getattr(user, column) for column in User.__slots__}
        statement = self._sql.insert(table).values(**row).on_conflict_do_nothing().returning(table.c.name)
        if await self._sql.value(statement) is None:
            raise BadInput(f"there is a user {user.name} already")
        return user

    async def get(self, name: str) -> User | None:
        """The user of this name, disabled or not."""
        row = await self._sql.row(select(table).where(table.c.name == name))
        return None if row is None else User(**row._mapping)

    async def list(self) -> tuple[User, ...]:
        """All users by name."""
        return tuple(User(**row._mapping) for row in await self._sql.rows(select(table).order_by(table.c.name)))

    async def set_password(self, name: str, password: str) -> None:
        """Replace the hash.

        Raises:
            BadInput: no such user.
        """
        await self._change(name, password=password)

    async def disable(self, name: str, disabled: bool = True) -> None:
        """Shut a user out, or let them in again.

        Raises:
            BadInput: no such user.
        """
        await self._change(name, disabled=disabled)

    async def _change(self, name: str, **values: object) -> None:
        if await self._sql.run(update(table).where(table.c.name == name).values(**values)) != 1:
            raise BadInput(f"there is no user {name}")
