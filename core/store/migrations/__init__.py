"""The database's revisions, in Alembic's form."""
