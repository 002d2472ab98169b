"""What Alembic runs for every command: it migrates over the connection that it was handed."""

from __future__ import annotations

from alembic import context

from core.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
