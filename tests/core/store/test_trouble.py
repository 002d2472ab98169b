"""What the database says, as what the caller can do."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from core.errors import BadInput, Broken, PolydeskError, Retry
from core.store.engines import connect
from core.store.store import Store
from core.store.trouble import explained, named, shown, translated

WHERE = 'connection to server at "10.1.2.3", port 5432 failed: FATAL: no password for user "shop"'


async def test_a_database_that_turned_read_only_means_try_again(store: Store, url: str) -> None:
    """As PostgreSQL does on a full disk or after a failover."""
    sqlite = url.startswith("sqlite")
    shut = "PRAGMA query_only=1" if sqlite else "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
    mended = "PRAGMA query_only=0" if sqlite else "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"

    def say(words: str) -> None:
        connection = store._engines[0].raw_connection()
        connection.cursor().execute(words)
        connection.commit()
        connection.close()

    say(shut)
    with pytest.raises(Retry, match="cannot be written") as refused:
        await store.write(lambda tx: tx.settings.put("a", 1))
    assert refused.value.after == 5.0
    say(mended)
    await store.write(lambda tx: tx.settings.put("a", 1))


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (OperationalError("", {}, sqlite3.OperationalError("attempt to write a readonly database")), Retry),
        (OperationalError("", {}, sqlite3.OperationalError("unable to open database file")), Retry),
        (InternalError("", {}, psycopg.errors.ReadOnlySqlTransaction("auf Deutsch: nur lesend")), Retry),
        (OperationalError("", {}, sqlite3.DatabaseError("database disk image is malformed")), Broken),
    ],
)
def test_what_may_heal_is_tried_again(problem: DBAPIError, kind: type[PolydeskError]) -> None:
    found = explained(problem)
    assert isinstance(found, kind)
    assert not isinstance(found, Retry) or found.after == 5.0


def test_a_value_that_no_database_takes_is_bad_input_and_is_not_quoted(postgres: str) -> None:
    engine = connect(postgres.format("postgres"))
    with pytest.raises(BadInput) as refused, translated(), engine.connect() as connection:
        connection.execute(text("SELECT CAST('my password is tulip' AS integer)"))
    assert "tulip" not in str(refused.value)
    engine.dispose()


def test_anybody_may_read_the_kind_of_trouble_and_not_where_the_database_is() -> None:
    with pytest.raises(Retry) as away, translated():
        raise OperationalError("", {}, psycopg.OperationalError(WHERE))
    assert "10.1.2.3" in str(away.value)  # for the log
    assert shown(away.value) == named(str(away.value)) == "the database is busy or away"
    # What comes from elsewhere says what to do, with a colon or without.
    assert shown(Broken("no driver: pip install psycopg")) == "no driver: pip install psycopg"
