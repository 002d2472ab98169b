"""Conversations are found by their whole address: a channel has many."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("ix_conversations_address", table_name="conversations")
    whole = ["platform", "account", "chat", "thread", "author_id"]
    op.create_index("ix_conversations_address", "conversations", whole, unique=False)
