"""Every table of the database.

Ids are UUIDv7 text, times UTC integer milliseconds (0 means never), JSON is text. A change here needs a migration under
`core/store/migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from typing import Any

import uuid_utils
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from core.store.columns import Json, Millis, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def new_id() -> str:
    """A fresh UUIDv7: ids of later rows sort later."""
    return str(uuid_utils.uuid7())


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _words(name: str) -> Column[str]:
    return Column(name, Words, nullable=False, server_default="")


def _moment(name: str) -> Column[int]:
    return Column(name, Millis, nullable=False, server_default=text("0"))


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=false())


def _partly(name: str, *columns: Column[Any], where: ColumnElement[bool], unique: bool = False) -> None:
    """An index over some rows."""
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _conversation(*, nullable: bool = False) -> Column[str]:
    return Column("conversation", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=nullable)


# `seq` is the last number given to anything in the conversation; `version` counts the changes of what the moves change.
conversations = Table(
    "conversations",
    metadata,
    _id(),
    Column("bot_id", Text, nullable=False),
    Column("kb_id", Text, nullable=False),
    Column("platform", Words, nullable=False),
    Column("account", Words, nullable=False),
    Column("chat", Words, nullable=False),
    _words("thread"),
    Column("author_id", Words, nullable=False),
    _words("author_name"),
    Column("author_role", Text, nullable=False),
    _words("author_language"),
    Column("opened_at", Millis, nullable=False),
    Column("heard_at", Millis, nullable=False),
    Column("owner", Text, nullable=False),
    _count("fence"),
    _words("language"),
    _count("misses"),
    _flag("welcomed"),
    _words("reason"),
    _moment("waiting_since"),
    _moment("reminded_at"),
    _flag("acknowledged"),
    _words("agent"),
    _words("agent_name"),
    _moment("agent_at"),
    _flag("blocked"),
    _moment("resolved_at"),
    _flag("noticed"),
    _words("strained"),
    _count("seq"),
    _count("version"),
    CheckConstraint("owner IN ('bot', 'desk', 'agent')", name="owner"),
)
_partly(
    "uq_conversations_open",
    conversations.c.platform,
    conversations.c.account,
    conversations.c.chat,
    conversations.c.thread,
    conversations.c.author_id,
    unique=True,
    where=conversations.c.resolved_at == 0,
)
Index(
    "ix_conversations_address",
    conversations.c.platform,
    conversations.c.account,
    conversations.c.chat,
    conversations.c.thread,
    conversations.c.author_id,
)
Index("ix_conversations_author", conversations.c.author_id)
Index("ix_conversations_desk", conversations.c.resolved_at, conversations.c.owner, conversations.c.waiting_since)
Index("ix_conversations_heard_at", conversations.c.heard_at)

# The ledger. `key` is the event's key of dedupe, `message` the platform's id of the message it concerns.
events = Table(
    "events",
    metadata,
    _id(),
    Column("key", Words, nullable=False),
    _conversation(),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    _words("message"),
    Column("payload", Json, nullable=False),
    Column("state", Text, nullable=False),
    _words("turn"),
    Column("heard_at", Millis, nullable=False),
    UniqueConstraint("key"),
    UniqueConstraint("conversation", "seq"),
    CheckConstraint("state IN ('heard', 'settled')", name="state"),
)
_partly("ix_events_heard", events.c.conversation, where=events.c.state == "heard")
Index("ix_events_heard_at", events.c.heard_at)

# The transcript. `place` finds what the customer wrote by the platform's id, `platform_ids` are those of what we sent.
messages = Table(
    "messages",
    metadata,
    _id(),
    _conversation(),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("role", Text, nullable=False),
    _words("author_id"),
    _words("author_name"),
    _words("text"),
    Column("attachments", Json, nullable=False),
    Column("at", Millis, nullable=False),
    _words("event"),
    _words("place"),
    Column("platform_ids", Json, nullable=False),
    Column("facts", Json, nullable=False),
    _moment("edited_at"),
    _moment("deleted_at"),
    UniqueConstraint("conversation", "seq"),
    CheckConstraint("kind IN ('said', 'note', 'draft', 'system')", name="kind"),
)
Index("ix_messages_place", messages.c.place)
Index("ix_messages_event", messages.c.event)

turns = Table(
    "turns",
    metadata,
    _id(),
    _conversation(),
    Column("events", Json, nullable=False),
    Column("state", Text, nullable=False),
    _count("attempt"),
    _moment("deadline"),
    Column("question", Json),
    Column("prediction", Json),
    Column("decision", Json),
    _words("release"),
    Column("opened_at", Millis, nullable=False),
    CheckConstraint("state IN ('open', 'asked', 'predicted', 'decided', 'dropped')", name="state"),
)
Index("ix_turns_conversation", turns.c.conversation)
_partly("ix_turns_unfinished", turns.c.state, where=turns.c.state.in_(("open", "asked", "predicted")))

# `holder` is the lease under which a row is being sent; empty where there is one gateway.
outbox = Table(
    "outbox",
    metadata,
    _id(),
    _conversation(),
    Column("seq", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("call", Json, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("fenced", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    _words("holder"),
    _count("attempts"),
    _moment("not_before"),
    _words("message_id"),
    _words("turn"),
    _words("message"),
    Column("created_at", Millis, nullable=False),
    Column("changed_at", Millis, nullable=False),
    UniqueConstraint("conversation", "seq"),
    CheckConstraint("state IN ('ready', 'sending', 'sent', 'unknown', 'refused', 'superseded')", name="state"),
)
_partly("ix_outbox_unsent", outbox.c.conversation, outbox.c.seq, where=outbox.c.state.in_(("ready", "sending")))

buttons = Table(
    "buttons",
    metadata,
    Column("key", Text, primary_key=True),
    _conversation(),
    Column("meaning", Json, nullable=False),
    Column("expires_at", Millis, nullable=False, index=True),
)
Index("ix_buttons_conversation", buttons.c.conversation)

handoffs = Table(
    "handoffs",
    metadata,
    _id(),
    _conversation(),
    Column("reason", Words, nullable=False),
    Column("opened_at", Millis, nullable=False),
    _moment("claimed_at"),
    _moment("closed_at"),
    _words("agent"),
)
_partly("uq_handoffs_open", handoffs.c.conversation, unique=True, where=handoffs.c.closed_at == 0)
Index("ix_handoffs_conversation", handoffs.c.conversation)

labels = Table(
    "labels",
    metadata,
    _id(),
    _conversation(nullable=True),
    _words("turn"),
    Column("kind", Text, nullable=False),
    _words("entry"),
    _words("release"),
    _words("model"),
    _words("by"),
    Column("at", Millis, nullable=False),
    Column("detail", Json, nullable=False),
)
Index("ix_labels_conversation", labels.c.conversation)

blobs = Table(
    "blobs",
    metadata,
    Column("sha", Text, primary_key=True),
    Column("created_at", Millis, nullable=False),
)
blob_refs = Table(
    "blob_refs",
    metadata,
    Column("sha", Text, ForeignKey("blobs.sha", ondelete="CASCADE"), primary_key=True),
    Column("owner", Words, primary_key=True),
    Column("kind", Text, primary_key=True),
    _moment("expires_at"),
)
Index("ix_blob_refs_owner", blob_refs.c.owner)

# `revision` counts the changes of the draft; an entry carries the revision at which it last changed.
knowledge_bases = Table(
    "knowledge_bases",
    metadata,
    _id(),
    _words("title"),
    Column("head", Json, nullable=False),
    _count("revision"),
    _moment("updated_at"),
)
draft_entries = Table(
    "draft_entries",
    metadata,
    Column("kb_id", Text, ForeignKey("knowledge_bases.id", ondelete="CASCADE"), primary_key=True),
    Column("entry", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("doc", Json, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("updated_at", Millis, nullable=False),
    _words("updated_by"),
)
releases = Table(
    "releases",
    metadata,
    Column("kb_id", Text, ForeignKey("knowledge_bases.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("blob", Text, nullable=False),
    _words("digest"),
    Column("published_at", Millis, nullable=False),
    _words("by"),
    _words("note"),
    Column("live", Boolean, nullable=False),
)
_partly("uq_releases_live", releases.c.kb_id, unique=True, where=releases.c.live.is_(True))

users = Table(
    "users",
    metadata,
    Column("name", Words, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),
    Column("created_at", Millis, nullable=False),
    _flag("disabled"),
    CheckConstraint("role IN ('admin', 'agent')", name="role"),
)

# The web chat is a platform of ours: this is what the customer sees. `cursor` is the number of the last change.
web_sessions = Table(
    "web_sessions",
    metadata,
    _id(),
    Column("token", Text, nullable=False),
    Column("created_at", Millis, nullable=False),
    _count("cursor"),
)
web_messages = Table(
    "web_messages",
    metadata,
    Column("session", Text, ForeignKey("web_sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("cursor", Integer, nullable=False),
    Column("payload", Json, nullable=False),
    Column("at", Millis, nullable=False),
    UniqueConstraint("session", "cursor"),
)

# What only one of several gateways may do, such as speaking in a conversation; `until` is in the database's own time.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("gateway", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("until", Millis, nullable=False),
)
Index("ix_leases_gateway", leases.c.gateway)

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Json, nullable=False),
    Column("updated_at", Millis, nullable=False),
)

# A row for every training, which ends once and stays; `outcome` holds the gate's figures with the blobs of model and
# report, which the row keeps for a while.
trainings = Table(
    "trainings",
    metadata,
    _id(),
    Column("kb_id", Text, nullable=False),
    Column("release", Integer, nullable=False),
    Column("snapshot", Text, nullable=False),
    _words("before"),
    Column("taught", Json, nullable=False),
    _words("by"),
    Column("started_at", Millis, nullable=False),
    _moment("heard_at"),
    _count("seq"),
    _words("stage"),
    _count("done"),
    _count("total"),
    _moment("ended_at"),
    Column("outcome", Json, nullable=True),
    _words("problem"),
    _words("stopped_by"),
    Column("options", Json, nullable=False, server_default="{}"),
    _count("seconds_left"),
    _flag("refused"),
)
_partly("uq_trainings_running", trainings.c.kb_id, unique=True, where=trainings.c.ended_at == 0)
