"""Leases of gateways, and under which of them a row of the outbox is being sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_index("ix_leases_gateway", "leases", ["gateway"], unique=False)
    with op.batch_alter_table("outbox") as batch:
        batch.add_column(sa.Column("holder", sa.Text(), server_default="", nullable=False))
