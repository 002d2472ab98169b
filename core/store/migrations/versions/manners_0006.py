"""How a training was wished, how long it will take, who stopped it, whether it was refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("trainings") as batch:
        batch.add_column(sa.Column("stopped_by", sa.Text(), server_default="", nullable=False))
        batch.add_column(sa.Column("options", sa.Text(), server_default="{}", nullable=False))
        batch.add_column(sa.Column("seconds_left", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch.add_column(sa.Column("refused", sa.Boolean(), server_default=sa.false(), nullable=False))
