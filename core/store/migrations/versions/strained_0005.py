"""Who was told that tone is looked at, and who seems strained while they wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("conversations") as batch:
        batch.add_column(sa.Column("noticed", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column("strained", sa.Text(), server_default="", nullable=False))
