"""Who is logged in: a signed cookie, a token against cross-site requests, a limit on wrong passwords."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.requests import Request
from starlette.responses import Response

from bot.users import hashed, matches
from core.store.store import Store
from core.values import Author, Role

COOKIE = "polydesk"
LIFE = 14 * 24 * 3600  # seconds
TRIES = RateLimitItemPerMinute(10)  # an address
TRIES_FOR_NAME = RateLimitItemPerMinute(
    30
)  # from anywhere; more than an address has, so that one cannot lock others out
_NOBODY = "nobody-has-this-password"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in; `csrf` must come with everything that changes something."""

    name: str
    role: str
    csrf: str

    @property
    def author(self) -> Author:
        """As customers and colleagues read them; a log-in name is usually typed without its capital."""
        return Author(self.name, self.name[:1].upper() + self.name[1:], Role.AGENT)

    @property
    def admin(self) -> bool:
        """Whether they may change the knowledge base."""
        return self.role == "admin"


class Sessions:
    """Reads and writes the cookie; a changed password or a disabled user ends every session of theirs."""

    def __init__(self, store: Store, secret: str, *, secure: bool) -> None:
        self._store = store
        self._secret = secret.encode()
        self._signer = URLSafeTimedSerializer(secret, salt="polydesk.console")
        self._secure = secure
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._decoy = hashed(_NOBODY)

    async def may_try(self, request: Request, name: str) -> bool:
        """Count a try; False when there were too many."""
        address = request.client.host if request.client else "unknown"
        return await self._limiter.hit(TRIES, "address", address) and await self._limiter.hit(
            TRIES_FOR_NAME, "name", name
        )

    async def log_in(self, name: str, password: str) -> str | None:
        """The cookie's value, or None; takes as long for a name that nobody has."""
        user = await self._store.read(lambda tx: tx.users.get(name))
        known = user.password if user and not user.disabled else self._decoy
        right = await asyncio.to_thread(matches, password, known)
        if not right or user is None or user.disabled:
            return None
        return self._signer.dumps({"name": user.name, "mark": _mark(user.password)})

    def keep(self, response: Response, value: str) -> None:
        """Set the cookie."""
        response.set_cookie(
            COOKIE, value, max_age=LIFE, httponly=True, samesite="lax", secure=self._secure, path="/console"
        )

    def forget(self, response: Response) -> None:
        """Log out."""
        response.delete_cookie(COOKIE, path="/console")

    async def visitor(self, request: Request) -> Visitor | None:
        """Who sends this request."""
        value = request.cookies.get(COOKIE, "")
        try:
            said = self._signer.loads(value, max_age=LIFE)
        except BadSignature:
            return None
        user = await self._store.read(lambda tx: tx.users.get(str(said["name"])))
        if user is None or user.disabled or said["mark"] != _mark(user.password):
            return None
        return Visitor(user.name, user.role, self._csrf(user.name, said["mark"]))

    def _csrf(self, name: str, mark: str) -> str:
        """The same for all of a person's log-ins, so that a page outlives the session it was opened in."""
        return hmac.new(self._secret, f"csrf:{mark}:{name}".encode(), hashlib.sha256).hexdigest()


def _mark(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()[:16]
